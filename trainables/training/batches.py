"""The batches of an epoch: the same, in the same order, for every trial of a run.

Trials then differ by their hyperparameters only, and a trial that pauses at a rung and goes on later
sees what it would have seen without the pause. Order and augmentation depend on a seed (the run's, or a
fresh one where winners are confirmed), the epoch and the position of the batch, never on the trial.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch


def seeded(*key: int) -> torch.Generator:
    """A generator whose stream is a function of `key` alone (mixed as Python hashes integer tuples)."""
    return torch.Generator().manual_seed(hash(key) & 0x7FFF_FFFF_FFFF_FFFF)


class Batches:
    """An iterable of batches, which is all that Lightning asks of a data loader.

    `fetch(indices, generator)` makes one batch of the items at `indices` (int64 tensor); what it draws
    it draws from `generator`. `epoch()` is asked once at the start of each pass. The last batch may be
    smaller unless `drop_last`; with fewer than `batch_size` items there is still one batch.
    """

    def __init__(
        self,
        fetch: Callable[[torch.Tensor, torch.Generator], Any],
        count: int,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
        shuffle: bool = False,
        drop_last: bool = False,
    ) -> None:
        self.fetch, self.count, self.batch_size = fetch, count, min(batch_size, count)
        self.seed, self.epoch, self.shuffle, self.drop_last = seed, epoch, shuffle, drop_last

    def __len__(self) -> int:
        whole, rest = divmod(self.count, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch()
        if self.shuffle:
            order = torch.randperm(self.count, generator=seeded(self.seed, epoch))
        else:
            order = torch.arange(self.count)
        for position, indices in enumerate(order.split(self.batch_size)[: len(self)]):
            # In full precision, even where a pack asks from within a mixed-precision step: a plane that is
            # turned by products in bf16 is off by a voxel.
            with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
                batch = self.fetch(indices, seeded(self.seed, epoch, position))
            yield batch
