"""The history of a search: its trials as samplers, models and policies see them."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple, Self, final


@dataclass(frozen=True)
class Observation:
    """A trial and its results so far."""

    params: Mapping[str, Any]
    values: tuple[float, ...] = ()  # at each finished rung; lower is better, infinite if it diverged
    vectors: tuple[tuple[float, ...], ...] = ()  # the same for several metrics (ranking.py), else empty
    busy: bool = False  # whether it is being trained
    stopped: bool = False  # whether it will not go on
    failed: bool = False  # whether its training raised; it has no further values
    order: tuple[int, ...] = ()  # of each value among all values of the search; empty: of an earlier search

    @property
    def diverged(self) -> bool:
        """Whether its last value is infinite."""
        return bool(self.values) and self.values[-1] == inf


class Result(NamedTuple):
    """One value of one trial."""

    trial: int  # position in the history
    rung: int


Places = defaultdict[int, list[tuple[float, int]]]
"""Of each rung the values there and the positions of their trials, best first."""


@final
class History(list[Observation]):
    """The trials of an earlier search, then those of this one in the order of their numbers.

    It changes by `put` alone, which keeps sorted what is asked of all trials at each decision: so a decision
    takes as long after many trials as after few.
    """

    def __init__(self, trials: Iterable[Observation] = (), earlier: Sequence[Observation] = ()) -> None:
        super().__init__()
        self.first = len(earlier)  # position of the search's own first trial
        self.log: list[Result] = []  # in the order in which they came; those without a known order first
        self.ranked: Places = defaultdict(list)  # all values
        self.finished: Places = defaultdict(list)  # those of the search's own trials that have not failed
        self.paused: Places = defaultdict(list)  # of these, at their last rung, the trials that may go on
        self.lost: list[int] = []  # own trials without a value, in no job and not failed
        self.busy: list[int] = []  # trials in a job
        self.has_vectors = False
        for position, trial in enumerate([*earlier, *trials]):
            self.put(position, trial)
        self.log.sort(key=self.time)

    @classmethod
    def of(cls, trials: Sequence[Observation]) -> Self:
        """These trials as a history, which they may be already."""
        return trials if isinstance(trials, cls) else cls(trials)

    def put(self, position: int, trial: Observation) -> None:
        """A trial begins, at the end of the history, or has changed. Its values stay, and new ones follow."""
        if position == len(self):
            self.append(Observation(trial.params, failed=True))  # which is in none of the lists
        old, self[position] = self[position], trial
        for rung in range(len(old.values), len(trial.values)):
            self.log.append(Result(position, rung))
            insort(self.ranked[rung], (trial.values[rung], position))
        self._list(take, position, old)
        self._list(insort, position, trial)
        self.has_vectors |= bool(trial.vectors)

    def value(self, result: Result) -> float:
        """The value of a result."""
        return self[result.trial].values[result.rung]

    def time(self, result: Result) -> tuple[int, int, int]:
        """A key that sorts results by the order in which they came."""
        order = self[result.trial].order
        return order[result.rung] if order else -1, *result

    def _list(self, change: Any, position: int, trial: Observation) -> None:
        """Adds a trial to the lists that it belongs to, or takes it out of them."""
        if trial.busy:
            change(self.busy, position)
        if trial.failed or position < self.first:
            return
        for rung, value in enumerate(trial.values):
            change(self.finished[rung], (value, position))
        if not trial.busy and not trial.values:
            change(self.lost, position)
        elif not trial.busy and not trial.diverged and not trial.stopped:
            change(self.paused[len(trial.values) - 1], (trial.values[-1], position))


def take(items: list[Any], item: Any) -> None:
    """Takes an item out of a sorted list."""
    del items[bisect_left(items, item)]
