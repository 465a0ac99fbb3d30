"""Data modules that note in a file how often they are prepared and set up."""

import os
from pathlib import Path

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from tests.tiny import TinyNet


class Counted(L.LightningDataModule):
    """Points on a noisy line, split at random; each call is a line of the file `log`."""

    def __init__(self, log: str, batch_size: int = 16, extra: object = None) -> None:
        super().__init__()
        self.log, self.batch_size = Path(log), batch_size
        self.note("made")

    def note(self, event: str) -> None:
        with self.log.open("a") as file:
            file.write(f"{os.getpid()} {event}\n")

    def prepare_data(self) -> None:
        self.note("prepare")
        torch.rand(1)

    def setup(self, stage: str) -> None:
        self.note(f"setup {stage.lower()}")
        x = torch.randn(64, 1)
        parts = random_split(TensorDataset(x, x + torch.randn(64, 1) / 10), [32, 16, 16])
        self.parts = dict(zip(("train", "val", "test"), parts, strict=True))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["train"], self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["val"], 16)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["test"], 16)


class TornDown(Counted):
    """Frees what `setup` has made."""

    def teardown(self, stage: str) -> None:
        self.note(f"teardown {stage.lower()}")
        del self.parts


class AsksModule(Counted):
    """Its points depend on the module; and on the number of processes, like those of any trial."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.batch_size = round(100 * self.trainer.lightning_module.lr) // self.trainer.world_size


class OwnGenerator(Counted):
    """Shuffles by a generator of its own."""

    def __init__(self, log: str) -> None:
        super().__init__(log)
        self.generator = torch.Generator().manual_seed(0)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["train"], 16, shuffle=True, generator=self.generator)


class Unstable(Counted):
    """Its first `setup` fails."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if self.log.read_text().count("setup") == 1:
            raise OSError("not yet")


class LateNet(TinyNet):
    """Makes its layers when Lightning has set up the data."""

    def configure_model(self) -> None:
        self.net = nn.Sequential(nn.Linear(1, 4), nn.Dropout(0.5), nn.Linear(4, 1))
