"""Training, validation and test split of real sections."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.slices.options import SourceOptions
from trainables.slices.sections.anchored import Sections
from trainables.training.batches import seeded

SPLITS = ("train", "val", "test")


def split_sources(
    loaded: Mapping[SourceOptions, Sections], seed: int
) -> dict[SourceOptions, dict[str, Tensor]]:
    """Each source's rows by split. A file or brain that several sources share is in the same split in all."""
    files = {
        source: [str(source.path() / name) for name in sections.names] for source, sections in loaded.items()
    }
    brains: dict[str, str] = {}  # file -> brain, which is identified by its first file
    for source, sections in loaded.items():
        for number in np.unique(sections.series):
            rows = np.flatnonzero(sections.series == number)
            brains |= {files[source][row]: files[source][rows[0]] for row in rows}
    if not brains:
        return {}
    rows_of = split_rows(np.unique(list(brains.values()), return_inverse=True)[1], seed)
    names = np.array(list(brains))
    split_of = {name: split for split, rows in rows_of.items() for name in names[rows.numpy()]}
    return {
        source: {
            split: torch.tensor([row for row, file in enumerate(paths) if split_of[file] == split]).long()
            for split in SPLITS
        }
        for source, paths in files.items()
    }


def split_rows(series: np.ndarray[Any, Any], seed: int) -> dict[str, Tensor]:
    """Divides sections into the splits, about 80/10/10 and at least one each: rows (int64) by split.

    `series` (N,) is the number of each section's brain. Three brains or more are divided as wholes; fewer are
    divided by section, with a warning.
    """
    brains, units = np.unique(series, return_inverse=True)
    if len(brains) < len(SPLITS):
        warnings.warn(
            "fewer than three series: neighbouring sections of one brain are in training and validation, "
            "so errors on new brains will be larger than these validation errors",
            stacklevel=2,
        )
        units = np.arange(len(series))
    count = int(units.max()) + 1
    order = torch.randperm(count, generator=seeded(seed))
    tenth = max(1, round(count / 10))
    parts = order.split([count - 2 * tenth, tenth, tenth])
    members = torch.from_numpy(units)
    return {
        split: torch.isin(members, part).nonzero()[:, 0] for split, part in zip(SPLITS, parts, strict=True)
    }
