"""Learners and modules whose memory can be counted by hand, and modules that can't be measured."""

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader

from tests.tiny import TinyData, TinyNet
from trainables.learner import Learner

ALL = ("model/params", "model/latency_ms", "model/memory_mb")


class Line(Learner):
    """TinyNet as a learner."""

    def __init__(self, *, width: int = 4, **settings) -> None:
        super().__init__(**settings)
        self.net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, x):
        return self.net(x)

    def losses(self, batch):
        x, y = batch
        return (self(x) - y).square().mean(1)

    def metrics(self, batch):
        return {"loss": self.losses(batch)}


class ConvLine(Line):
    """A convolution of 8 copies of the input, which a buffer makes, and a dense layer with frozen weights."""

    def __init__(self, *, width: int = 4, **settings) -> None:
        super().__init__(width=width, **settings)
        self.net = nn.Sequential(nn.Conv1d(1, width, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6 * width, 1))
        self.net[3].weight.requires_grad_(False)
        self.register_buffer("copies", torch.ones(8), persistent=False)

    def forward(self, x):
        return self.net(x[:, None] * self.copies)


class Counting(TinyNet):
    """Counts its steps, in a buffer and in an attribute; batch norm and dropout."""

    def __init__(self, lr: float) -> None:
        super().__init__(lr)
        self.net = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.register_buffer("count", torch.zeros(()))
        self.seen = []

    def validation_step(self, batch, batch_idx):
        self.count += 1
        self.seen.append(len(batch[0]))
        super().validation_step(batch, batch_idx)
        self.log("count", self.count.clone(), reduce_fx="max")
        self.log("seen", float(sum(self.seen)), reduce_fx="max")


class Transformed(TinyNet):
    """Uses `torch.func`, which refuses to be observed."""

    def training_step(self, batch, batch_idx):
        x, y = batch
        slope = torch.func.grad(lambda at: self.net(at).sum())(x)
        return nn.functional.mse_loss(self.net(x), y) + slope.square().mean()


class WithoutValidation(TinyNet):
    """Logs the objective in training."""

    validation_step = L.LightningModule.validation_step

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("val_loss", loss)
        return loss


class NeedsTwo(TinyNet):
    """Validates batches of several samples only."""

    def validation_step(self, batch, batch_idx):
        if len(batch[0]) < 2:
            raise RuntimeError("a batch of one\nis too small")
        super().validation_step(batch, batch_idx)


class Ragged(TinyData):
    """Validation batches whose tensors have different lengths."""

    def val_dataloader(self):
        return DataLoader(self.points, batch_size=64, collate_fn=self.collate)

    def collate(self, points):
        x, y = map(torch.stack, zip(*points, strict=True))
        return x, y, torch.arange(3)


class RaggedNet(TinyNet):
    """Takes the batches of `Ragged`."""

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch[:2], batch_idx)


class Mappings(TinyData):
    """Batches that are dicts."""

    def train_dataloader(self):
        return DataLoader(self.points, batch_size=16, collate_fn=self.collate)

    def val_dataloader(self):
        return DataLoader(self.points, batch_size=64, collate_fn=self.collate)

    def collate(self, points):
        x, y = map(torch.stack, zip(*points, strict=True))
        return {"x": x, "y": y}


class LazyNet(TinyNet):
    """Gets its shapes in the first step, and takes the target out of the batches of `Mappings`."""

    def __init__(self, lr: float, width: int) -> None:
        super().__init__(lr)
        self.net = nn.Sequential(nn.LazyLinear(width), nn.Tanh(), nn.LazyLinear(1))

    def training_step(self, batch, batch_idx):
        y = batch.pop("y")
        return super().training_step((batch["x"], y), batch_idx)

    def validation_step(self, batch, batch_idx):
        y = batch.pop("y")
        super().validation_step((batch["x"], y), batch_idx)
