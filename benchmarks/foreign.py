"""A module and data in the manner of Lightning's introduction, which know nothing of Ladder, and their space.

For `python -m benchmarks.search_speed --foreign`: the network, the batches and the parameters of the recipes.
"""

from dataclasses import dataclass

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from trainables.mnist.data import MnistData

PARAMS = """\
params:
  lr: {low: 1e-4, high: 1e-1, log: true}
  weight_decay: {low: 1e-4, high: 1.0, log: true}
  beta1: {low: 0.8, high: 0.98}
  dropout: {low: 0.0, high: 0.5}
"""


class Net(L.LightningModule):
    """784-128-64-10 with dropout."""

    def __init__(self, lr: float, weight_decay: float, beta1: float, dropout: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(128, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10),
        )  # fmt: skip

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_accuracy", (self.net(x).argmax(1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        of = self.hparams
        return torch.optim.AdamW(
            self.parameters(), lr=of["lr"], weight_decay=of["weight_decay"], betas=(of["beta1"], 0.999)
        )


class ConvNet(Net):
    """A convolution with batch norm before the dense layers."""

    def __init__(self, lr: float, weight_decay: float, beta1: float, dropout: float) -> None:
        super().__init__(lr, weight_decay, beta1, dropout)
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 14 * 14, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10),
        )  # fmt: skip


class Coder(Net):
    """An autoencoder of two networks."""

    def __init__(self, lr: float, weight_decay: float, beta1: float, dropout: float) -> None:
        super().__init__(lr, weight_decay, beta1, dropout)
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 32)
        )
        self.decoder = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.mse_loss(self.decoder(self.net(batch[0])), batch[0].flatten(1))
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log(
            "val_rmse", nn.functional.mse_loss(self.decoder(self.net(batch[0])), batch[0].flatten(1)).sqrt()
        )


class Images(L.LightningDataModule):
    """Images of 28 x 28 pixels from a folder of IDX files, as a TensorDataset."""

    def __init__(self, root: str, batch_size: int = 64) -> None:
        super().__init__()
        self.root, self.batch_size = root, batch_size

    def setup(self, stage: str) -> None:
        images = MnistData(source="idx", root=self.root)
        self.train, self.val = (
            TensorDataset(*split.__getitems__(torch.arange(len(split))))
            for split in map(images.split, ("train", "val"))
        )

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.val, 256)


@dataclass(frozen=True)
class Module:
    """A module of this file and its objective."""

    make: type[L.LightningModule]
    metric: str
    mode: str

    def space(self, root: str) -> str:
        """The text of its space file, for images in the folder `root`."""
        return (
            f"trainable: benchmarks.foreign:{self.make.__name__}\ndata: benchmarks.foreign:Images\n"
            f"objective: {{metric: {self.metric}, mode: {self.mode}}}\n{PARAMS}options: {{root: {root}}}\n"
        )


MODULES = {
    "Net": Module(Net, "val_accuracy", "max"),
    "ConvNet": Module(ConvNet, "val_accuracy", "max"),
    "Coder": Module(Coder, "val_rmse", "min"),
}
