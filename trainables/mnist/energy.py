"""The distance between generated and real images, which ranks image generators.

The energy distance of two distributions is zero only if they are equal (Székely and Rizzo, Energy statistics,
2013). Images are compared in the first principal components of the training images, so that noise in single
pixels counts little.
"""

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

COMPONENTS = 20
FITTED = 10_000  # training images, at most, that the components are computed from
GENERATED = 500  # images that a generator is judged by


class Energy(NamedTuple):
    """Energy distance, and diversity of the generated images relative to that of the real ones."""

    distance: Tensor
    diversity: Tensor


@final
class EnergyDistance(nn.Module):
    """Compares generated with real images, both (N, 1, H, W) in [0, 1].

    `images` (N, 1, H, W) are the training images. Distances are in units of their standard deviation. A
    `diversity` near 0 shows that a generator has collapsed: it makes nearly the same image from all noise.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        pixels = images[:FITTED].flatten(1).double()
        mean = pixels.mean(0)
        variances, axes = torch.linalg.eigh(torch.cov(pixels.T, correction=0))
        scale = variances.clamp(min=0)[-COMPONENTS:].sum().sqrt().clamp(min=1e-6)
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("axes", (axes[:, -COMPONENTS:] / scale).float(), persistent=False)

    def components(self, images: Tensor) -> Tensor:
        """The scaled principal components of images, (N, COMPONENTS) or fewer."""
        return (images.flatten(1) - self.mean) @ self.axes

    def forward(self, generated: Tensor, real: Tensor) -> Energy:
        own, other = self.components(generated), self.components(real)
        between, among, target = (mean_distance(*pair) for pair in ((own, other), (own, own), (other, other)))
        return Energy(2 * between - among - target, among / target.clamp(min=1e-6))


def mean_distance(a: Tensor, b: Tensor) -> Tensor:
    """The mean distance between the rows of a (N, K) and those of b (M, K)."""
    # Without matrix products, whose rounding errors give equal rows a distance.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").mean()
