"""The trials of a search by number. Their history and their ranking follow each change of a trial."""

from bisect import insort
from collections.abc import Iterable, Sequence
from math import inf
from typing import final

from search.core.history import History, Observation, take
from search.core.job import LOST, State, Trial
from search.core.ranking import last_vector, vector
from spaces.lane import is_memory_error
from spaces.space import Space


@final
class Trials(dict[int, Trial]):
    """A trial is begun, and changed, by `trials[number] = trial` alone."""

    def __init__(self, space: Space, trials: Iterable[Trial], earlier: Sequence[Observation]) -> None:
        """`trials` are in the order of their numbers; `earlier` are those of an earlier search."""
        super().__init__({trial.number: trial for trial in trials})
        self.space = space
        self.history = History((observation(space, trial) for trial in self.values()), earlier)
        self.valued = sorted(self._place(trial) for trial in self.values() if has_model(trial))

    def __setitem__(self, number: int, trial: Trial) -> None:
        if number in self and has_model(self[number]):
            take(self.valued, self._place(self[number]))
        if has_model(trial):
            insort(self.valued, self._place(trial))
        super().__setitem__(number, trial)
        self.history.put(self.history.first + number, observation(self.space, trial))

    def best(self) -> Trial | None:
        """The trial with the best last value; None before the first value."""
        return self[self.valued[0][1]] if self.valued else None

    def _place(self, trial: Trial) -> tuple[tuple[float, ...], int]:
        return last_vector(self.space, trial)[:2], trial.number


def has_model(trial: Trial) -> bool:
    """Whether a trial has a value and has neither diverged nor failed since."""
    return bool(trial.values) and trial.state not in LOST


def observation(space: Space, trial: Trial) -> Observation:
    """A trial as the policy takes it. One that does not fit in memory counts as diverged."""
    sign = space.objective.sign
    too_large = is_memory_error(trial.error)
    lost = trial.state is State.DIVERGED or too_large
    return Observation(
        trial.params,
        tuple(sign * value for value in trial.values) + ((inf,) if lost else ()),
        tuple(vector(space, metrics) for metrics in trial.metrics),
        busy=trial.state is State.RUNNING,
        stopped=trial.state is State.STOPPED,
        failed=trial.state is State.FAILED and not too_large,
        order=trial.order,
    )
