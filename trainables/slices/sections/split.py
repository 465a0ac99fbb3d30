"""Which real sections train, validate and test."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.slices.options import Wanted
from trainables.slices.sections.anchored import Sections, warn_of_few_series
from trainables.training.batches import seeded

SPLITS = ("train", "val", "test")


def split_sources(loaded: Mapping[Wanted, Sections], seed: int) -> dict[Wanted, dict[str, Tensor]]:
    """Each source's rows by split; a file or a brain that several sources have is on the same side in all."""
    files = {one: [str(one.path() / name) for name in found.names] for one, found in loaded.items()}
    brains: dict[str, str] = {}  # by file; a brain goes by the name of its first file
    for one, found in loaded.items():
        for number in np.unique(found.series):
            rows = np.flatnonzero(found.series == number)
            brains |= {files[one][row]: files[one][rows[0]] for row in rows}
    if not brains:
        return {}
    dealt = split_rows(np.unique(list(brains.values()), return_inverse=True)[1], seed)
    side = {name: split for split, rows in dealt.items() for name in np.array(list(brains))[rows.numpy()]}
    return {
        one: {
            split: torch.tensor([row for row, name in enumerate(files[one]) if side[name] == split]).long()
            for split in SPLITS
        }
        for one in loaded
    }


def split_rows(series: np.ndarray[Any, Any], seed: int) -> dict[str, Tensor]:
    """Deals sections to the splits, about 80/10/10 and at least one each: -> rows (int64) by split.

    `series` (N,) numbers each section's brain. With three brains or more, each goes to one split as a whole.
    """
    units = torch.from_numpy(np.unique(series, return_inverse=True)[1])
    if warn_of_few_series(series):
        units = torch.arange(len(series))
    count = int(units.max()) + 1
    order = torch.randperm(count, generator=seeded(seed))
    few = max(1, round(count / 10))
    parts = order.split([count - 2 * few, few, few])
    return {split: torch.isin(units, part).nonzero()[:, 0] for split, part in zip(SPLITS, parts, strict=True)}
