"""A LightningModule and its data as a user would write them without Ladder."""

import os
import sys
import threading
from pathlib import Path

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SPACE = """\
trainable: tests.tiny:{net}
data: tests.tiny:TinyData
objective: {{metric: val_loss, mode: min}}
params:
  lr: {{low: 1e-4, high: 1.0, log: true}}
  width: [2, 4]
"""  # a space file for a class here: SPACE.format(net="TinyNet")


class TinyNet(L.LightningModule):
    """Fits a line; logs `val_loss`."""

    def __init__(self, lr: float, width: int = 4) -> None:
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.mse_loss(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", nn.functional.mse_loss(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class TinyData(L.LightningDataModule):
    """Points on a line."""

    def __init__(self, count: int = 64) -> None:
        super().__init__()
        x = torch.linspace(-1, 1, count)[:, None]
        self.points = TensorDataset(x, 0.5 * x + 0.1)

    def train_dataloader(self):
        return DataLoader(self.points, batch_size=16)

    def val_dataloader(self):
        return DataLoader(self.points, batch_size=64)


class ExitingNet(TinyNet):
    """Ends its process in training, or tries to."""

    def training_step(self, batch, batch_idx):
        sys.exit("enough")


class HangingNet(TinyNet):
    """Says so in the pipe HANGING and trains no further."""

    def training_step(self, batch, batch_idx):
        Path(os.environ["HANGING"]).write_text("now")
        threading.Event().wait()


class BrokenNet(TinyNet):
    """Raises in training."""

    def training_step(self, batch, batch_idx):
        raise RuntimeError("this module is broken")


class HungryNet(TinyNet):
    """Keeps 100 MB more at each step, up to 7 GB, if its width is 4."""

    def training_step(self, batch, batch_idx):
        kept = []
        while self.net[0].out_features == 4:
            if len(kept) >= 70:
                raise RuntimeError("nobody has ended this process")
            kept.append(b"x" * 100_000_000)
            threading.Event().wait(0.02)  # Ray looks four times a second
        return super().training_step(batch, batch_idx)
