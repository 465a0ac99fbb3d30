"""Loaders: the loaders of the data of a pack, each made once a fit."""

from collections.abc import Iterator, Mapping
from typing import Any, final

import lightning as L
from torch.utils.data import DataLoader

from trainables.training.indexed_loader import indexed
from trainables.training.packs.lane_trainer import Unpackable
from trainables.training.packs.own_draws import own_draws
from trainables.training.watched_trainer import WatchedTrainer


@final
class Loaders:
    """The training and validation loaders of data modules. `limits` are the Trainer's `limit_*_batches`."""

    def __init__(self, limits: Mapping[str, float]) -> None:
        self.limits = limits
        self.prepared: set[int] = set()  # ids of data modules
        self.asked: set[int] = set()
        self.made: dict[tuple[int, str], Any] = {}

    def prepare(self, data: L.LightningDataModule, trainer: L.Trainer) -> bool:
        """Prepares and sets up data, once. Returns whether that asks the Trainer for more than devices."""
        if id(data) not in self.prepared:
            self._prepare(data, trainer)
        return id(data) in self.asked

    def _prepare(self, data: L.LightningDataModule, trainer: L.Trainer) -> None:
        self.prepared.add(id(data))
        watched = WatchedTrainer(trainer)
        data.trainer = watched  # type: ignore[assignment]
        data.prepare_data()
        data.setup("fit")
        data.trainer = trainer
        if watched.asked:
            self.asked.add(id(data))

    def loader(self, data: L.LightningDataModule, split: str) -> Any:
        """The loader of a split (train, val). Raises Unpackable if it is not one loader of known length."""
        key = (id(data), split)
        if key not in self.made:
            loader = getattr(data, f"{split}_dataloader")()
            if isinstance(loader, list | tuple) and len(loader) == 1:
                loader = loader[0]
            if isinstance(loader, list | tuple | Mapping) and loader:
                raise Unpackable(f"{split}_dataloader returns {len(loader)} loaders")
            if not hasattr(loader, "__len__"):
                raise Unpackable(f"the loader of {split}_dataloader has no length")
            self.made[key] = indexed(loader)
        return self.made[key]

    def count(self, data: L.LightningDataModule, split: str) -> int:
        """Batches of an epoch of a split."""
        length, limit = len(self.loader(data, split)), self.limits.get(f"limit_{split}_batches")
        if limit is None:
            return length
        return int(length * limit) if isinstance(limit, float) else min(length, limit)

    def batches(self, data: L.LightningDataModule, split: str, epoch: int) -> Iterator[Any]:
        """A pass over a split in this epoch."""
        loader = self.loader(data, split)
        for name in ("sampler", "batch_sampler"):
            set_epoch = getattr(getattr(loader, name, None), "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)
        batches = iter(loader)
        return own_draws(batches) if isinstance(loader, DataLoader) else batches
