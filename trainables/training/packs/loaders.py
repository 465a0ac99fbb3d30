"""Loaders: the loaders of the data of a pack, each made once a fit."""

from collections.abc import Iterator, Mapping
from typing import Any, final

import lightning as L
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader

from trainables.training.device_tensors import Place
from trainables.training.indexed_loader import IndexedLoader, indexed
from trainables.training.lightning_private import set_sampler_epoch
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
        self.made: dict[tuple[int, str], tuple[Any, Any]] = {}  # the loader, and what its batches come from

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
        """The loader of a split (train, val), empty if the data has none for validation.

        Raises Unpackable if it is not one loader of known length.
        """
        key = (id(data), split)
        if key not in self.made:
            name = f"{split}_dataloader"
            has_none = split == "val" and not is_overridden(name, data)
            loader = [] if has_none else getattr(data, name)()
            if isinstance(loader, list | tuple) and len(loader) == 1:
                loader = loader[0]
            if isinstance(loader, list | tuple | Mapping) and loader:
                raise Unpackable(f"{name} returns {len(loader)} loaders")
            if not has_len(loader):
                raise Unpackable(f"the loader of {name} has no length")
            self.made[key] = loader, indexed(loader)
            if getattr(loader, "persistent_workers", False):
                # Its first pass draws a seed for the workers, under Lightning before the epoch is seeded.
                iter(self.made[key][1])
        return self.made[key][1]

    def count(self, data: L.LightningDataModule, split: str) -> int:
        """Batches of an epoch of a split."""
        length, limit = len(self.loader(data, split)), self.limits.get(f"limit_{split}_batches")
        if limit is None:
            return length
        return int(length * limit) if isinstance(limit, float) else min(length, limit)

    def batches(
        self, data: L.LightningDataModule, split: str, epoch: int, place: Place | None
    ) -> Iterator[Any]:
        """A pass over a split in this epoch. Indexed batches may lie at the place, others are as loaded."""
        loader = self.loader(data, split)
        set_sampler_epoch(self.made[id(data), split][0], epoch)
        if isinstance(loader, IndexedLoader):
            return loader.batches(place)
        batches = iter(loader)
        return own_draws(batches) if isinstance(loader, DataLoader) else batches


def has_len(loader: Any) -> bool:
    """Whether a loader knows its length; that of an iterable dataset may have the method and raise."""
    try:
        return len(loader) >= 0
    except (TypeError, NotImplementedError):
        return False
