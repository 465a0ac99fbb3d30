"""Modules and data for trials on several devices."""

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from tests.tiny import TinyData, TinyNet


class Line(TinyData):
    """Points on a line; in their order, which Lightning's own sampler would shuffle, or without it."""

    def __init__(self, batch_size: int = 8, ordered: bool = False) -> None:
        super().__init__()
        self.batch_size, self.ordered = batch_size, ordered

    def train_dataloader(self):
        several = self.ordered and torch.distributed.is_initialized()
        sampler = DistributedSampler(self.points, shuffle=False) if several else None
        return DataLoader(self.points, self.batch_size, sampler=sampler)

    def test_dataloader(self):
        return DataLoader(self.points, batch_size=7)


class Momentum(TinyNet):
    """Logs the training loss too. FSDP gathers one number a parameter on a CPU: not Adam's two."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


class Dropping(TinyNet):
    """Adam, dropout, and logs with which rank they are made."""

    def __init__(self, lr: float, width: int = 8) -> None:
        super().__init__(lr, width)
        self.net.insert(2, nn.Dropout(0.5))

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("rank", float(self.global_rank))
        self.log("sum", float(self.global_rank), sync_dist=True, reduce_fx="sum")


class Unused(TinyNet):
    """Has a layer that its loss does not depend on."""

    def __init__(self, lr: float, width: int = 4) -> None:
        super().__init__(lr, width)
        self.unused = nn.Linear(1, 1)


class BrokenAtOne(TinyNet):
    """Raises in one of two processes; the other then loses its connection."""

    def training_step(self, batch, batch_idx):
        if self.global_rank == 1:
            raise LookupError("this process is broken")
        return super().training_step(batch, batch_idx)


class FsdpOnCpu(FSDPStrategy):
    """FSDP as far as a machine without GPUs can test it: Lightning itself asks for GPUs."""

    def _setup_model(self, model):
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"), **self.kwargs)
