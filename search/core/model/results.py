"""The results of a search as rows for a model: configuration, epochs, value on a scale that suits it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from math import isfinite, log
from typing import Self

import numpy as np

from search.core.history import History, Observation, Result
from search.core.model.encoding import Array, Encoding
from search.core.ranking import scalarised
from spaces.space import Space

MAX_ROWS = 250  # of a model, so that late decisions take no longer than early ones
CLIP = 0.9  # quantile of the first values; higher ones, and those of diverged trials, count as this one
MIN_FIRST = 8  # first trials, at least
PER_PARAMETER = 3  # first trials for each parameter; with fewer a search may stay in the first good region
MIN_SCALE = 4  # finite values that a scale follows from, at least


def first_trials(space: Space) -> int:
    """The number of trials before there is a model. They are spread over the space."""
    return max(MIN_FIRST, PER_PARAMETER * len(space.params))


@dataclass(frozen=True)
class Rows:
    """Results, a row each, in the order in which they came."""

    features: Array  # (rows, features)
    fidelity: Array  # log(epochs) / log(epochs of the last rung), (rows,)
    values: Array  # on the scale of the model, lower is better, (rows,)
    scale: "Scale"


def earlier_state(history: Sequence[Observation], ordered: Sequence[Result]) -> History:
    """The history at the time when it had these results alone."""
    counts = Counter(result.trial for result in ordered)
    return scalarised(
        History(
            replace(one, values=one.values[: counts[trial]], vectors=one.vectors[: counts[trial]])
            for trial, one in enumerate(history)
        )
    )


def fidelities(rungs: Sequence[int]) -> list[float]:
    """The model's coordinate of each rung: the last has 1."""
    last = log(max(rungs[-1], 2))
    return [1.0 if epochs == rungs[-1] else log(epochs) / last for epochs in rungs]


def thin(history: History, seed: int) -> list[Result]:
    """At most MAX_ROWS results, in their order: of each rung, from the last one down, the better ones and a
    random part of the others, up to half of the rows that are left.

    The random part changes little as results are added: each trial has a fixed random priority.
    """
    if len(history.log) <= MAX_ROWS:
        return list(history.log)
    kept: list[Result] = []
    for rung in sorted(history.ranked, reverse=True):
        left = MAX_ROWS - len(kept)
        quota = left - left // 2 if rung else left
        places = history.ranked[rung]
        good = {trial for _, trial in places[: quota // 2]}
        rest = (t for t in shuffled(len(history), seed) if len(history[t].values) > rung and t not in good)
        kept += (Result(t, rung) for t in (*good, *islice(rest, min(quota, len(places)) - len(good))))
    return sorted(kept, key=history.time)


def shuffled(count: int, seed: int) -> Iterator[int]:
    """The positions of a history in random order. It is kept as trials are added, each at a random place."""
    return (position for position in permutation(count.bit_length(), seed) if position < count)


@lru_cache(maxsize=2)
def permutation(bits: int, seed: int) -> list[int]:
    """The numbers below 2**bits by their random priorities, which do not depend on `bits`."""
    return np.argsort(np.random.default_rng(seed).random(2**bits)).tolist()


@dataclass(frozen=True)
class Scale:
    """The scale of the model: linear near the median, logarithmic far from it (inverse hyperbolic sine).

    Its unit is the distance from the median to the better tenth. Losses have long tails upward, and a plateau
    where nothing is learned: this leaves most of the scale to the better half.

    Median and unit are those of the first trials, which are spread over the space. Those of all trials would
    follow the search into a good region: the whole space outside it would be one plateau.
    """

    median: float
    unit: float
    top: float  # a higher inverse hyperbolic sine counts as this one
    mean: float  # of these sines
    deviation: float  # of these sines, their standard deviation

    @classmethod
    def of(cls, values: Array, first: Array) -> Self:
        """The scale of the values of the `first` trials, on which `values` have mean 0 and deviation 1.

        If the better tenth equals the median, the unit is the distance to the best value, or else the
        standard deviation. All values are 0 on the scale if no first one is finite.
        """
        finite = first[np.isfinite(first)]
        if not len(finite):
            return cls(0.0, 1.0, 0.0, 0.0, 1.0)
        median, good, best = np.quantile(finite, (0.5, 0.1, 0.0)).tolist()
        units = (median - good, median - best, float(finite.std()))
        unit = next((unit for unit in units if unit > 0), 1.0)
        top = float(np.quantile(np.arcsinh((finite - median) / unit), CLIP))
        warped = np.minimum(np.arcsinh((values - median) / unit), top)
        return cls(median, unit, top, float(warped.mean()), max(float(warped.std()), 1e-9))

    def to(self, values: Array) -> Array:
        """Values on the scale."""
        warped = np.minimum(np.arcsinh((values - self.median) / self.unit), self.top)
        return np.asarray((warped - self.mean) / self.deviation)

    def back(self, scaled: Array) -> Array:
        """The values at points of the scale."""
        return np.asarray(self.median + self.unit * np.sinh(scaled * self.deviation + self.mean))


def rows(encoding: Encoding, history: History, chosen: Sequence[Result], rungs: Sequence[int]) -> Rows:
    """The rows of these results."""
    points = np.array([encoding.point(history[result.trial].params) for result in chosen])
    fidelity, values = fidelities(rungs), np.array([history.value(result) for result in chosen])
    first = [one.values[0] for one in history[: first_trials(encoding.space)] if one.values]
    known = sum(map(isfinite, first)) >= MIN_SCALE
    scale = Scale.of(values, np.array(first) if known else values)
    return Rows(
        encoding.features(points),
        np.array([fidelity[result.rung] for result in chosen]),
        scale.to(values),
        scale,
    )
