"""Interpolated n-grams against the formula, symbol by symbol."""

import math
from collections import Counter

import numpy as np
import pytest

from trainables.text.ngram import bits


def naive(train, val, order: int, symbols: int) -> float:
    """The same by dictionaries and loops."""
    counts: Counter[tuple[int, ...]] = Counter()
    for row in train.tolist():
        for place in range(1, len(row)):
            for length in range(min(order - 1, place) + 1):
                counts[tuple(row[place - length : place + 1])] += 1
    cost = []
    for row in val.tolist():
        for place in range(1, len(row)):
            p = 1 / symbols
            for length in range(min(order - 1, place) + 1):
                context = tuple(row[place - length : place])
                seen = {k[-1]: n for k, n in counts.items() if len(k) == length + 1 and k[:-1] == context}
                if seen:
                    different, total = len(seen), sum(seen.values())
                    p = (seen.get(row[place], 0) + different * p) / (total + different)
            cost.append(-math.log2(p))
    return sum(cost) / len(cost)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_its_formula(order: int) -> None:
    rng = np.random.default_rng(0)
    train, val = rng.integers(0, 4, (12, 9)), rng.integers(0, 5, (6, 9))  # val has a symbol that train lacks
    assert bits(train, val, order, 6) == pytest.approx(naive(train, val, order, 6))


def test_what_follows_from_two_symbols_costs_nothing_at_order_three() -> None:
    """In 0 0 1 1 0 0 1 1 ... each symbol follows from the two before it, and not from one."""
    windows = np.tile([0, 0, 1, 1], (100, 10)).astype(np.int64)
    one, two, three = (bits(windows, windows, order, 2) for order in (1, 2, 3))
    assert one == pytest.approx(1, abs=0.01)
    assert two == pytest.approx(1, abs=0.01)
    assert three < 0.05
