"""A fingerprint changes with any state that an object refers to, and only then."""

import random
import threading

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from trainables.training.fingerprint import LARGE_ARRAY, MAX_BYTES, fingerprint


class Holder:
    """Holds one value."""

    def __init__(self, value):
        self.value = value


CHANGES = {
    "counter": (lambda: [0], lambda value: value.append(1)),
    "cache": (lambda: {}, lambda value: value.update(a=1)),
    "object": (lambda: Holder(1), lambda value: setattr(value, "value", 2)),
    "torch generator": (torch.Generator, lambda value: torch.rand(1, generator=value)),
    "numpy generator": (lambda: np.random.default_rng(0), lambda value: value.random()),
    "random state": (lambda: np.random.RandomState(0), lambda value: value.rand()),
    "python generator": (lambda: random.Random(0), lambda value: value.random()),
    "tensor": (lambda: torch.zeros(3), lambda value: value.add_(1)),
    "array": (lambda: np.zeros(3), lambda value: value.fill(1)),
    "loader": (lambda: DataLoader(TensorDataset(torch.zeros(3))), lambda value: setattr(value, "x", 1)),
}


@pytest.mark.parametrize(("make", "change"), CHANGES.values(), ids=CHANGES)
def test_any_change_is_told(make, change):
    value = make()
    holder = {"one": [Holder(value)], "function": lambda: None}
    before = fingerprint(holder)
    assert before is not None
    assert fingerprint(holder) == before
    change(value)
    assert fingerprint(holder) != before


def test_large_tensors_and_arrays_are_not_read():
    large = [np.zeros(LARGE_ARRAY), torch.zeros(MAX_BYTES // 4 + 1)]
    assert fingerprint(large) is not None


@pytest.mark.parametrize("value", [threading.Lock(), "x" * (MAX_BYTES + 1)], ids=["lock", "too much"])
def test_what_cannot_be_told_is_none(value):
    assert fingerprint([value]) is None
