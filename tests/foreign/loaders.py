"""Loaders of other kinds, for packs."""

import lightning as L
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset

from tests.foreign.autoencoder import DigitsDataModule


class SamplerData(DigitsDataModule):
    """A sampler of its own, whose order follows the epoch."""

    def train_dataloader(self):
        sampler = DistributedSampler(self.train, num_replicas=1, rank=0)
        return DataLoader(self.train, batch_size=32, sampler=sampler)


class WorkersData(DigitsDataModule):
    """Workers that stay from epoch to epoch."""

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=32, shuffle=True, num_workers=1, persistent_workers=True)


class TrainData(DigitsDataModule):
    """Has no data for validation."""

    val_dataloader = L.LightningDataModule.val_dataloader


class StreamData(DigitsDataModule):
    """A loader without a length."""

    def train_dataloader(self):
        return DataLoader(Stream(self.train), batch_size=32)


class Stream(IterableDataset):
    """The items of a dataset, one after the other."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)
