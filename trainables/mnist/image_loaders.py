"""The images of MnistData in plain DataLoaders, for image generators."""

import functools
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from trainables.mnist.data import MnistData
from trainables.mnist.energy import FITTED, GENERATED, EnergyDistance
from trainables.mnist.noise import fixed_noise, linear_denoiser

EVAL_BATCH = 1000  # images that generated ones are compared with at once


@final
class ImageLoaders(L.LightningDataModule):
    """Images float32 (B, 1, H, W) in [0, 1] and labels int64 (B,) of MnistData's splits.

    Raises ValueError as MnistData does.
    """

    def __init__(
        self, source: str = "digits", root: str | None = None, seed: int = 0, batch_size: int = 64
    ) -> None:
        super().__init__()
        self.data, self.batch_size = MnistData(source, root, seed), batch_size
        self.licence = self.data.licence

    def facts(self) -> dict[str, Any]:
        """`image_shape` (1, H, W), and objectives to beat on the validation split.

        `baseline_energy` is that of generating the mean training image always, `simple_energy` that of
        drawing from a normal distribution with the mean and covariance of the training images.
        `baseline_loss` is that of finding no noise in any image, `simple_loss` that of the best linear
        denoiser.
        """
        return compute_facts(self.data.source, self.data.folder, self.data.seed)

    def images(self, split: str) -> TensorDataset:
        """Images and labels of `train`, `val` or `test`."""
        part = self.data.split(split)
        return TensorDataset(part.images / 255, part.labels)

    def energy(self) -> EnergyDistance:
        """The distance between generated and real images, in components of the training images."""
        return EnergyDistance(self.data.split("train").images[:FITTED] / 255)

    def train_dataloader(self) -> DataLoader[Any]:
        images = self.images("train")
        return DataLoader(images, batch_size=min(self.batch_size, len(images)), shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.images("val"), batch_size=EVAL_BATCH)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.images("test"), batch_size=EVAL_BATCH)

    def predict_dataloader(self) -> DataLoader[Any]:
        return self.val_dataloader()


@functools.lru_cache(maxsize=8)
def compute_facts(source: str, root: Path | None, seed: int) -> dict[str, Any]:
    """See ImageLoaders.facts."""
    data = MnistData(source, str(root) if root else None, seed)
    train, val = data.split("train").images[:FITTED] / 255, data.split("val").images / 255
    energy, constant = EnergyDistance(train), train.mean(0).expand(GENERATED, -1, -1, -1)
    drawn, totals = normal_images(train), dict[str, float]()
    for number, batch in enumerate(val.split(EVAL_BATCH)):  # as in validation
        noisy = fixed_noise(batch, seed=number)
        values = {
            "baseline_energy": energy(constant, batch).distance,
            "simple_energy": energy(drawn, batch).distance,
            "baseline_loss": noisy.noise.square().mean(),
            "simple_loss": (linear_denoiser(train, noisy) - noisy.noise).square().mean(),
        }
        for name, value in values.items():
            totals[name] = totals.get(name, 0.0) + value.item() * len(batch) / len(val)
    return {"image_shape": tuple(train.shape[1:]), **totals}


def normal_images(train: Tensor) -> Tensor:
    """GENERATED images (N, 1, H, W) from the normal distribution of training images, clipped to [0, 1]."""
    pixels = train.flatten(1)
    variances, axes = torch.linalg.eigh(torch.cov(pixels.T))
    noise = torch.randn(GENERATED, len(axes), generator=torch.Generator().manual_seed(0))
    drawn = pixels.mean(0) + noise * variances.clamp(min=0).sqrt() @ axes.T
    return drawn.clamp(0, 1).reshape(-1, *train.shape[1:])
