"""Two random views of every image: rotated, scaled, shifted and noisy, in proportion to `strength`."""

from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.mnist.data import ImageData, ImageSet

Views = tuple[Tensor, Tensor]  # each image and its two views float32 (B, 3, 1, H, W), labels int64 (B,)
# The largest change at strength 1.
ROTATION = 0.5  # radians
SCALE = 0.3  # relative
SHIFT = 0.25  # of half the image
NOISE = 0.2  # of white


@final
class TwoViews(ImageData):
    """The images of MnistData in batches of `Views`, which depend on seed, epoch and batch, not on the trial.

    Validation views are the same in every epoch and drawn at strength 1, so that values can be compared
    between trials with different `strength`.
    """

    on_device = False  # views are drawn on the CPU

    def __init__(self, strength: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.strength = strength

    def batch(self, images: ImageSet, indices: Tensor, generator: torch.Generator, train: bool) -> Views:
        originals, labels = images.__getitems__(indices)
        strength = self.strength if train else 1.0
        views = [originals, *(random_view(originals, strength, generator) for _ in range(2))]
        return torch.stack(views, 1), labels


def random_view(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Images (B, 1, H, W), each rotated, scaled, shifted and made noisy by random amounts of its own."""

    def uniform(*shape: int) -> Tensor:
        """(B, *shape), uniform in [-strength, strength]."""
        return (2 * torch.rand(len(images), *shape, generator=generator) - 1) * strength

    angle, scale = ROTATION * uniform(), 1 + SCALE * uniform()
    rows = [
        torch.stack([scale * angle.cos(), -scale * angle.sin(), SHIFT * uniform()], 1),
        torch.stack([scale * angle.sin(), scale * angle.cos(), SHIFT * uniform()], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, align_corners=False)
    return (moved + NOISE * uniform(*images.shape[1:])).clamp(0, 1)
