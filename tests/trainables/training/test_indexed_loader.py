"""An indexed loader yields the batches of the DataLoader itself, and draws the same random numbers."""

from collections import Counter, namedtuple

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from trainables.training import dataset_tensors
from trainables.training.indexed_loader import IndexedLoader, indexed

COUNT = 23
Point = namedtuple("Point", ["x", "label"])
X, Y = torch.randn(COUNT, 3, 2), torch.arange(COUNT)


class Items(Dataset):
    """`make(index)` for each index; counts how often each is made."""

    def __init__(self, make):
        self.make, self.made = make, READS.setdefault(make, Counter())

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        self.made[index] += 1
        return self.make(index)

    def __getstate__(self):
        return {}  # counting is no change


READS = {}
NESTED = {
    "tuple": lambda i: (X[i], int(i)),
    "list": lambda i: [X[i], i / 7, bool(i % 2)],
    "dict": lambda i: {"x": X[i], "more": (Y[i], {"y": np.float32(i)})},
    "namedtuple": lambda i: Point(X[i].numpy(), np.int64(i)),
    "tensor": lambda i: X[i],
    "nan": lambda i: (X[i] * float("nan"), 1.5),
}


def equal(one, other):
    """Whether two batches have the same types, shapes and values."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    elif isinstance(one, int):
        assert one == other
    elif isinstance(one, dict):
        assert list(one) == list(other)
        [equal(one[key], other[key]) for key in one]
    else:
        assert len(one) == len(other)
        [equal(*pair) for pair in zip(one, other, strict=True)]


def passes(loader, count=3):
    """The batches of some passes, and the random numbers that follow each."""
    torch.manual_seed(5)
    found = []
    for _ in range(count):
        iterator = iter(loader)
        after_iter = torch.rand(1)
        batches = [(batch, torch.rand(1)) for batch in iterator]
        found.append((len(loader), after_iter, batches, torch.rand(1)))
    return found


def assert_same(make_loader, dataset):
    """Two loaders, one of them indexed, for a sampler or generator may have a state."""
    plain, other = make_loader(dataset), indexed(make_loader(dataset))
    assert isinstance(other, IndexedLoader)
    equal(passes(plain), passes(other))


class Drawing(SequentialSampler):
    """Draws its order when it is asked for an iterator."""

    def __iter__(self):
        return iter(torch.randperm(COUNT).tolist())


LOADERS = {
    "plain": lambda d: DataLoader(d, 4),
    "shuffle": lambda d: DataLoader(d, 4, shuffle=True),
    "drop_last": lambda d: DataLoader(d, 4, shuffle=True, drop_last=True),
    "generator": lambda d: DataLoader(d, 4, shuffle=True, generator=torch.Generator().manual_seed(3)),
    "sampler": lambda d: DataLoader(d, 4, sampler=WeightedRandomSampler(torch.ones(COUNT), 40)),
    "drawing": lambda d: DataLoader(d, 4, sampler=Drawing(d)),
    "batch_sampler": lambda d: DataLoader(d, batch_sampler=BatchSampler(Drawing(d), 5, drop_last=False)),
    "arrays": lambda d: DataLoader(d, batch_sampler=[np.array([3, 1]), torch.tensor([2])]),
    "from the end": lambda d: DataLoader(d, batch_sampler=[[-1, 2], [0]]),
}


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize(
    "dataset",
    [TensorDataset(X, Y), Subset(Subset(TensorDataset(X, Y), range(COUNT)), list(range(COUNT))[::-1])],
    ids=["tensors", "subset"],
)
def test_batches_and_draws_are_those_of_the_loader(kind, dataset):
    assert_same(LOADERS[kind], dataset)


@pytest.mark.parametrize("kind", LOADERS)
def test_so_are_those_of_items_that_are_read(kind):
    assert_same(LOADERS[kind], Items(NESTED["tuple"]))


@pytest.mark.parametrize("make", NESTED.values(), ids=NESTED)
def test_batches_have_the_types_of_the_loader(make):
    assert_same(LOADERS["shuffle"], Items(make))


def test_workers_ask_for_batches_ahead_and_draw_one_seed_if_they_persist():
    def make(dataset):
        sampler = RandomSampler(dataset, replacement=True, num_samples=100, generator=torch.default_generator)
        return DataLoader(dataset, 4, sampler=sampler, num_workers=1, persistent_workers=True)

    assert_same(make, TensorDataset(X, Y))


def test_each_item_is_read_once_whatever_loads_it():
    def make(index):
        return X[index], 1

    dataset = Items(make)
    for size in (4, 6):
        list(indexed(DataLoader(dataset, size, shuffle=True)))
    checks = 2 * COUNT + 1  # the first item, and all of fewer than 64 twice
    assert sum(READS[make].values()) == checks + COUNT


def test_a_batch_may_be_changed_in_place():
    loader = indexed(DataLoader(Items(NESTED["tensor"]), COUNT))
    for _ in range(3):
        (batch,) = loader
        assert torch.equal(batch, X)
        batch.zero_()


class Scaled(Dataset):
    """Items times `factor`."""

    factor = 1.0

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return X[index] * self.factor


def test_a_changed_dataset_is_read_again():
    dataset = Scaled()
    loader = indexed(DataLoader(dataset, COUNT))
    assert torch.equal(next(iter(loader)), X)
    dataset.factor = 2.0
    assert torch.equal(next(iter(loader)), 2 * X)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


class OwnLoader(DataLoader):
    """May do anything."""


GENERATOR = np.random.default_rng(0)
REFUSED = {
    "iterable": lambda: DataLoader(Stream(), 4),
    "subclass": lambda: OwnLoader(TensorDataset(X), 4),
    "collate_fn": lambda: DataLoader(TensorDataset(X), 4, collate_fn=lambda batch: batch),
    "worker_init_fn": lambda: DataLoader(TensorDataset(X), 4, worker_init_fn=print),
    "whole batches": lambda: DataLoader(TensorDataset(X), None),
    "text": lambda: DataLoader(Items(lambda i: (X[i], "label")), 4),
    "shapes": lambda: DataLoader(Items(lambda i: torch.zeros(i)), 4),
    "dtypes": lambda: DataLoader(Items(lambda i: 1 if i else 1.0), 4),
    "torch noise": lambda: DataLoader(Items(lambda i: X[i] + torch.randn(2)), 4),
    "unused draws": lambda: DataLoader(Items(lambda i: X[i] + 0 * np.random.rand()), 4),
    "own generator": lambda: DataLoader(Items(lambda i: X[i] + GENERATOR.random()), 4),
    "raises": lambda: DataLoader(Items(lambda i: X[i + 1]), 4),
    "no loader": lambda: [X, Y],
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_other_loaders_are_returned_unchanged(make):
    loader = make()
    state = torch.get_rng_state()
    assert indexed(loader) is loader
    assert torch.equal(torch.get_rng_state(), state)


def test_items_that_need_too_much_memory_are_not_kept(monkeypatch):
    monkeypatch.setattr(dataset_tensors, "MAX_BYTES", X.nbytes - 1)
    loader = DataLoader(Items(lambda i: X[i]), 4)
    assert indexed(loader) is loader


def test_a_rare_random_item_is_never_kept():
    """It is none of those that are read twice: 64 of 200."""

    class Rare(Scaled):
        def __len__(self):
            return 200

        def __getitem__(self, index):
            return torch.rand(1) if index == 1 else torch.ones(1)

    loader = indexed(DataLoader(Rare(), 50))
    assert isinstance(loader, IndexedLoader)
    first, second = (torch.cat(list(loader)) for _ in range(2))
    assert first[1] != second[1]
    assert torch.equal(first[2:], second[2:])
