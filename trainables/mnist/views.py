"""Two views of every image: shifted, turned, scaled and noisy, as much as `strength` says."""

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.batches import Batches
from trainables.mnist.data import EVAL_BATCH, MnistData

Views = tuple[Tensor, Tensor]  # each image and its two views float32 (B, 3, 1, H, W), labels int64 (B,)
TURN, SCALE, SHIFT, NOISE = 0.5, 0.3, 0.25, 0.2  # radians, share, share of half the image, of white


class TwoViews(L.LightningDataModule):
    """MnistData whose batches are `Views`. They depend on seed, epoch and batch, never on the trial.

    Those of validation are the same in every epoch, and drawn at full strength whatever `strength` is, so
    that what is measured on them can be compared.
    """

    def __init__(
        self,
        source: str = "digits",
        root: str | None = None,
        seed: int = 0,
        batch_size: int = 128,
        batch_seed: int | None = None,
        strength: float = 0.5,
    ) -> None:
        super().__init__()
        self.images = MnistData(source, root, seed, batch_size, batch_seed)
        self.batch_size, self.strength = batch_size, strength

    def facts(self) -> dict[str, Any]:
        """Those of the images; see MnistData.facts."""
        return self.images.facts()

    def _batches(self, name: str, train: bool = False) -> Batches:
        images = self.images.split(name)
        strength = self.strength if train else 1.0

        def fetch(indices: Tensor, generator: torch.Generator) -> Views:
            clean, labels = images.__getitems__(indices)
            views = [clean, view(clean, strength, generator), view(clean, strength, generator)]
            return torch.stack(views, 1), labels

        return Batches(
            fetch,
            len(images),
            self.batch_size if train else EVAL_BATCH,
            seed=self.images.batch_seed if train else self.images.seed,
            epoch=lambda: self.trainer.current_epoch if self.trainer and train else 0,
            shuffle=train,
            drop_last=train,
        )

    def train_dataloader(self) -> Batches:
        return self._batches("train", train=True)

    def val_dataloader(self) -> Batches:
        return self._batches("val")

    def test_dataloader(self) -> Batches:
        return self._batches("test")


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
