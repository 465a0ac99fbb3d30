"""dataset_tensors(dataset): the items of a dataset as tensors, each read once."""

import random
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, final

import numpy as np
import psutil
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from lightning_utilities import apply_to_collection
from torch import Tensor
from torch.utils.data import Subset, TensorDataset, default_collate
from torch.utils.weak import WeakIdKeyDictionary

from trainables.seeding import seed_all
from trainables.training.fingerprint import fingerprint
from trainables.training.kept_tensors import tensors

MAX_BYTES = 2**30  # of the items of a dataset; also at most a quarter of the free memory
CHECKED = 64  # items that are read twice
Index = int | np.integer[Any]


class DatasetTensors(ABC):
    """The items of a dataset as tensors (items, ...)."""

    def __init__(self, dataset: Any) -> None:
        self.dataset, self.count = dataset, len(dataset)

    @abstractmethod
    def batch(self, indices: Sequence[Any]) -> Any:
        """What a DataLoader makes of the items at `indices`. Raises any exception of the dataset."""

    @abstractmethod
    def mark(self) -> Hashable | None:
        """Equal for the same items. None if that can't be told, or not all items are in the CPU's memory."""

    @abstractmethod
    def bytes(self) -> int:
        """Bytes of all items."""

    def rows(self, indices: Sequence[Any]) -> Tensor | None:
        """The indices as int64 (items,); None if they are no positions counted from 0."""
        if isinstance(indices, Tensor | np.ndarray):
            indices = indices.tolist()
        if all(isinstance(index, Index) and 0 <= index < self.count for index in indices):
            return torch.tensor(indices, dtype=torch.int64)
        return None


@final
class TensorRows(DatasetTensors):
    """A TensorDataset; or a Subset of one, which holds the rows at `own`."""

    def __init__(self, dataset: Any, columns: list[Tensor], own: Tensor | None) -> None:
        super().__init__(dataset)
        self.columns, self.own = columns, own

    def batch(self, indices: Sequence[Any]) -> Any:
        rows = self.rows(indices)
        if rows is None:
            return default_collate(fetch(self.dataset, indices))
        return select(self.columns, rows if self.own is None else self.own.index_select(0, rows))

    def mark(self) -> Hashable | None:
        """As `fingerprint`: a change through an array that shares the memory of a tensor is not seen."""
        known = fingerprint(self.columns)
        if known is None or any(column.device.type != "cpu" for column in self.columns):
            return None
        return known, None if self.own is None else self.own.numpy().tobytes()

    def bytes(self) -> int:
        return self.count * sum(column[:1].nbytes for column in self.columns)


@final
class Items:
    """Room for `count` items like `first`, and those of them that were read."""

    def __init__(self, first: Any, count: int) -> None:
        """Raises TypeError for an item that is no nesting of tensors and numbers."""
        self.form = form(first)
        one = default_collate([first])
        self.bytes = count * sum(tensor.nbytes for tensor in tensors(one))
        self.tensors = apply_to_collection(one, Tensor, lambda t: t.new_empty((count, *t.shape[1:])))
        self.read = torch.zeros(count, dtype=torch.bool)
        self.complete = False

    def have(self, rows: Tensor) -> bool:
        """Whether the items at these rows were read."""
        return self.complete or bool(self.read[rows].all())

    def put(self, rows: Tensor, items: Sequence[Any], batch: Any) -> None:
        """Keeps items, which make up a batch, if all have the form of the first one."""
        if not all(has_form(item, self.form) for item in items):
            return
        for kept, new in zip(tensors(self.tensors), tensors(batch), strict=True):
            kept[rows] = new
        self.read[rows] = True
        self.complete = bool(self.read.all())


@final
class ReadItems(DatasetTensors):
    """A dataset whose items are read from it at their first use, and from tensors at later ones."""

    def __init__(self, dataset: Any, items: Items) -> None:
        super().__init__(dataset)
        self.items = items

    def batch(self, indices: Sequence[Any]) -> Any:
        rows = self.rows(indices)
        if rows is not None and self.items.have(rows):
            return select(self.items.tensors, rows)
        before = generator_states()
        items = fetch(self.dataset, indices)
        batch = default_collate(items)
        if rows is not None and generator_states() == before:  # else they are random, after all
            self.items.put(rows, items, batch)
        return batch

    def mark(self) -> Hashable | None:
        return self.items if self.items.complete else None

    def bytes(self) -> int:
        return self.items.bytes


KEPT: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""Of each dataset of this process: its fingerprint, and its Items or None."""


def dataset_tensors(dataset: Any) -> DatasetTensors | None:
    """The items of a map-style dataset as tensors; those that are read stay as long as the dataset.

    None where that can't be: an item is no nesting of tuples, lists and dicts of tensors on the CPU, arrays
    and numbers; 64 of them, spread over the dataset, draw random numbers or are not the same when they are
    read again; all together have over 1 GiB or a quarter of the free memory; or it can't be told whether the
    dataset changes (`fingerprint`).
    """
    columns = tensor_rows(dataset)
    if columns is not None:
        return columns
    items = kept_items(dataset) if hasattr(dataset, "__weakref__") else room(dataset)
    return None if items is None else ReadItems(dataset, items)


def kept_items(dataset: Any) -> Items | None:
    """The items of a dataset, with those of an earlier call if the dataset has not changed since.

    None if they can't be kept, or it can't be told whether the dataset changes.
    """
    mark = fingerprint(dataset)
    before, items = KEPT.get(dataset, (None, None))
    if mark is None:
        return None
    if mark == before:
        return items
    items = room(dataset)
    KEPT[dataset] = fingerprint(dataset), items  # now, as the first access may have opened a file
    return items


def tensor_rows(dataset: Any) -> TensorRows | None:
    """The tensors of a TensorDataset, or of a Subset of one; None for other datasets."""
    own, whole = None, dataset
    while type(whole) is Subset:
        try:
            indices = torch.as_tensor(whole.indices, dtype=torch.int64)
        except (TypeError, ValueError, RuntimeError):
            return None
        own, whole = indices if own is None else indices[own], whole.dataset
    if type(whole) is not TensorDataset or any(type(tensor) is not Tensor for tensor in whole.tensors):
        return None
    if own is not None and len(own) and not 0 <= int(own.min()) <= int(own.max()) < len(whole):
        return None
    return TensorRows(dataset, list(whole.tensors), own)


def room(dataset: Any) -> Items | None:
    """Room for the items of a dataset; None where they can't be kept."""
    with isolate_rng():
        try:
            items = Items(dataset[0], len(dataset))
            if items.bytes > min(MAX_BYTES, psutil.virtual_memory().available // 4):
                return None
            spread = np.unique(np.linspace(0, len(dataset) - 1, CHECKED, dtype=int)).tolist()
            seed_all(0)
            before = generator_states()
            first = fetch(dataset, spread)
            drawn = generator_states() != before
            seed_all(1)
            again = fetch(dataset, spread)
            torch.testing.assert_close(first, again, rtol=0, atol=0, equal_nan=True)
        except Exception:  # of a dataset of any author; the loader will raise it, if it gets there
            return None
    fits = all(has_form(item, items.form) for item in first)
    return items if fits and not drawn else None


def fetch(dataset: Any, indices: Sequence[Any]) -> Any:
    """The items at `indices`, got as a DataLoader gets them."""
    if getattr(dataset, "__getitems__", None):
        return dataset.__getitems__(indices)
    return [dataset[index] for index in indices]


def select(items: Any, rows: Tensor) -> Any:
    """A batch of the items at `rows` (items,), in memory of its own."""
    return apply_to_collection(items, Tensor, lambda tensor: tensor.index_select(0, rows.to(tensor.device)))


def generator_states() -> tuple[Hashable, ...]:
    """The states of the global generators of PyTorch, NumPy and Python."""
    numpy = np.random.get_state(legacy=False)
    assert isinstance(numpy, dict)
    arrays = numpy["state"]
    return (
        torch.get_rng_state().numpy().tobytes(),
        arrays["key"].tobytes(),
        arrays["pos"],
        random.getstate(),
    )


def has_form(item: Any, expected: Hashable) -> bool:
    """Whether an item has the types and shapes that `form` told of another one."""
    try:
        return form(item) == expected
    except TypeError:
        return False


def form(item: Any) -> Hashable:
    """Types, shapes and dtypes in an item.

    Raises TypeError if it is no nesting of tuples, lists and dicts of tensors, arrays and numbers.
    """
    kind = type(item)
    if kind is Tensor:
        if item.device.type == "cpu" and item.layout == torch.strided and not item.requires_grad:
            return item.shape, item.dtype
    elif kind is np.ndarray:
        return kind, item.shape, item.dtype
    elif isinstance(item, int | float | np.number | np.bool_):
        return (kind,)
    elif kind is dict:
        return kind, tuple((key, form(value)) for key, value in item.items())
    elif kind in (tuple, list) or (isinstance(item, tuple) and hasattr(item, "_fields")):
        return kind, tuple(map(form, item))
    raise TypeError(f"a {kind.__name__} is not kept as a tensor")
