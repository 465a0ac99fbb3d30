"""DeviceTensors: the items of a dataset on the device of a job, where a batch is then an index operation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from lightning_utilities import apply_to_collection
from torch import Tensor

from trainables.training.dataset_tensors import MAX_BYTES, DatasetTensors, select

PART = 8  # of the free memory of a GPU, for the items of one dataset


@final
@dataclass(frozen=True)
class Place:
    """A device, and the bytes that the items of a dataset may take there."""

    device: torch.device
    bytes: int


def place_on(device: torch.device) -> Place | None:
    """A place on a GPU: an eighth of its free memory, at most 1 GiB. None for other devices."""
    if device.type != "cuda":
        return None
    return Place(device, min(MAX_BYTES, torch.cuda.mem_get_info(device)[0] // PART))


@final
class DeviceTensors:
    """A copy of all items on a device. `items` have a mark (`DatasetTensors.mark`)."""

    def __init__(self, items: DatasetTensors, device: torch.device) -> None:
        self.items, self.device, self.mark = items, device, items.mark()
        every = items.batch(range(items.count))
        self.copy = apply_to_collection(every, Tensor, lambda tensor: tensor.to(device))

    def batch(self, indices: Sequence[Any]) -> Any:
        """The batch as `DatasetTensors.batch`; on the device if the indices are positions counted from 0."""
        rows = self.items.rows(indices)
        if rows is None:
            return self.items.batch(indices)
        return select(self.copy, rows.to(self.device, non_blocking=True))
