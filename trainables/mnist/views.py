"""Two views of every image: shifted, turned, scaled and noisy, as much as `strength` says."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.mnist.data import CPU, ImageSet, MnistData

Views = tuple[Tensor, Tensor]  # each image and its two views float32 (B, 3, 1, H, W), labels int64 (B,)
TURN, SCALE, SHIFT, NOISE = 0.5, 0.3, 0.25, 0.2  # radians, share, share of half the image, of white


class TwoViews(MnistData):
    """MnistData whose batches are `Views`. They depend on seed, epoch and batch, never on the trial.

    Those of validation are the same in every epoch, and drawn at full strength whatever `strength` is, so
    that what is measured on them can be compared.
    """

    def __init__(self, strength: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.strength = strength

    def split(self, name: str, device: torch.device = CPU) -> ImageSet:
        """The images of `train`, `val` or `test`; on the CPU, where views are drawn."""
        return super().split(name)

    def batch(self, images: ImageSet, indices: Tensor, generator: torch.Generator, train: bool) -> Views:
        clean, labels = super().batch(images, indices, generator, train)
        strength = self.strength if train else 1.0
        views = [clean, view(clean, strength, generator), view(clean, strength, generator)]
        return torch.stack(views, 1), labels


def view(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Images (B, 1, H, W), each turned, scaled, shifted and made noisy by amounts of its own."""

    def drawn(*shape: int) -> Tensor:
        """Uniform in [-strength, strength]."""
        return (2 * torch.rand(len(images), *shape, generator=generator) - 1) * strength

    angle, scale = TURN * drawn(), 1 + SCALE * drawn()
    rows = [
        torch.stack([scale * angle.cos(), -scale * angle.sin(), SHIFT * drawn()], 1),
        torch.stack([scale * angle.sin(), scale * angle.cos(), SHIFT * drawn()], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, align_corners=False)
    return (moved + NOISE * drawn(*images.shape[1:])).clamp(0, 1)
