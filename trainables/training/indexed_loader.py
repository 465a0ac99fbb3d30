"""indexed(loader): the batches of a DataLoader, indexed in tensors of all items and not collated."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast, final

import torch
from torch.utils.data import DataLoader, IterableDataset, Sampler, default_collate

from trainables.training.dataset_tensors import DatasetTensors, dataset_tensors
from trainables.training.device_tensors import DeviceTensors, Place


def indexed(loader: Any) -> Any:
    """An iterable with the batches of a DataLoader, in the same order and of the same types; or the loader.

    It draws the same random numbers as the loader, so nothing else depends on which of the two is used. Each
    item is read once (`dataset_tensors`), as long as the dataset does not change; `num_workers` and
    `pin_memory` are without effect. The loader itself is returned where it is no DataLoader of map-style
    items that `default_collate` puts together, where it has a `worker_init_fn`, and where the items of its
    dataset can't be kept as tensors.
    """
    if (
        type(loader) is not DataLoader
        or isinstance(loader.dataset, IterableDataset)
        or loader.batch_sampler is None
        or loader.collate_fn is not default_collate
        or loader.worker_init_fn is not None
        or dataset_tensors(loader.dataset) is None
    ):
        return loader
    return IndexedLoader(loader)


@final
class IndexedLoader:
    """The batches of `loader` from the tensors of its dataset."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader
        self.draws = True  # whether the next pass draws a seed for the workers
        self.on_device: DeviceTensors | None = None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        return self.batches(None)

    def batches(self, place: Place | None) -> Iterator[Any]:
        """A pass. Its batches lie on the device of the place if all items were read and have room there."""
        # No generator: a DataLoader, too, asks its sampler and then draws a seed before the first batch.
        tensors = dataset_tensors(
            self.loader.dataset
        )  # those of the last pass, unless the dataset has changed
        if tensors is None:
            return iter(self.loader)
        batches = iter(cast("Sampler[list[int]]", self.loader.batch_sampler))
        if self.draws:
            torch.empty((), dtype=torch.int64).random_(generator=self.loader.generator)
        self.draws = not self.loader.persistent_workers
        if ahead := self.loader.num_workers * (self.loader.prefetch_factor or 0):
            batches = read_ahead(batches, ahead)
        if place and (copy := self.copy(tensors, place)):
            return map(copy.batch, batches)
        return map(tensors.batch, batches)

    def copy(self, tensors: DatasetTensors, place: Place) -> DeviceTensors | None:
        """The items on the device, as they are now; None where they can't be or have no room."""
        mark = tensors.mark()
        if self.on_device is None or self.on_device.mark != mark:
            self.on_device = None  # before a new one, as the two may not fit together
            if mark is not None and tensors.bytes() <= place.bytes:
                self.on_device = DeviceTensors(tensors, place.device)
        return self.on_device


def read_ahead(batches: Iterator[list[int]], count: int) -> Iterator[list[int]]:
    """The batches, asked for as a DataLoader with workers does: `count` at once, then one after each."""
    waiting = deque(islice(batches, count))

    def one_after_each() -> Iterator[list[int]]:
        while waiting:
            first = waiting.popleft()
            waiting.extend(islice(batches, 1))
            yield first

    return one_after_each()
