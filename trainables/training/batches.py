"""Batches of an epoch: the same, in the same order, for every trial of a run.

Trials therefore differ by their hyperparameters only, and a paused trial resumes with the batches that an
uninterrupted one sees. Order and augmentation depend on a seed (of the run, or of a confirmation), the epoch
and the position of the batch, never on the trial.
"""

from collections.abc import Callable, Iterator
from typing import Any, final

import torch

from spaces.seeds import derive_seed


def seeded(*key: int) -> torch.Generator:
    """A CPU generator seeded by `key` alone: one or more integers >= 0."""
    return torch.Generator().manual_seed(derive_seed(*key))


@final
class Batches:
    """An iterable of batches; Lightning accepts it as a data loader.

    `fetch(indices, generator)` makes one batch of the items at `indices` (int64 tensor) and draws random
    numbers from `generator` only. `epoch()` is called at the start of each pass. The last batch may be
    smaller unless `drop_last`. With fewer than `batch_size` items there is one batch of all of them.
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
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch()
        if self.shuffle:
            order = torch.randperm(self.count, generator=seeded(self.seed, epoch))
        else:
            order = torch.arange(self.count)
        for position, indices in enumerate(order.split(self.batch_size)[: len(self)]):
            # A pack iterates within a mixed-precision step, but batches need full precision: bf16 products
            # displace a rotated plane by a voxel.
            with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
                batch = self.fetch(indices, seeded(self.seed, epoch, position))
            yield batch
