"""What replayed searches run on: a task answers each proposed configuration with its learning curve.

`Task` is what all tasks are; `curves.py` has tables of curves, `smooth.py` functions. `Replay` stands in for
training in one search.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, final

import numpy as np

from search.core.job import Job
from spaces.lane import Lane, Report
from spaces.space import Space


@final
@dataclass(frozen=True)
class Curve:
    """The training of one configuration."""

    values: np.ndarray  # objective, (epochs,); not finite from the epoch of a divergence on
    seconds: np.ndarray  # of each epoch, (epochs,); any value after a divergence
    final: float  # loss at the end without measurement noise, lower is better; infinite if it diverged


Answer = Callable[[Mapping[str, Any]], Curve]
"""The curve of a configuration that a search proposes."""


class Task(ABC):
    """A space, and the curves of its configurations.

    A loss is the objective with the sign that makes lower better. Raises ValueError if the median
    configuration diverges or is as good as the best: no scale for regret.
    """

    def __init__(
        self, name: str, space: Space, epochs: int, trials: int, seconds: float, best: float, median: float
    ) -> None:
        self.name, self.space = name, space
        self.epochs = epochs  # length of each curve; the last rung
        self.trials = trials  # that a search may start at most
        self.seconds = seconds  # of a full training, the mean
        self.best = best  # final loss of the best known configuration
        self.median = median  # final loss of the median configuration
        if not best < median < inf:
            raise ValueError(
                f"{name}: the median configuration ends with a loss of {median}, the best with {best}; "
                "the median must be finite and worse (the curves of the task)"
            )

    @abstractmethod
    def answers(self) -> Answer:
        """What answers the proposals of one search, each trial's once."""

    def regret(self, loss: float) -> float:
        """Normalised regret of a loss: 0 for the best known configuration, 1 for the median one or worse.

        It is linear in the objective, for an accuracy too: both ends of the scale are above chance where more
        than half of the configurations learn. An accuracy over n samples has steps of 1/n, which may be few
        between the two ends.
        """
        return min(1.0, float(loss - self.best) / (self.median - self.best))


@final
class Replay:
    """Stands in for training in one search: called with a job it yields a report per epoch."""

    def __init__(self, task: Task) -> None:
        self.metric = task.space.objective.metric
        self.answer = task.answers()
        self.curves: dict[int, Curve] = {}  # of each trial

    def __call__(self, job: Job) -> Iterator[Report]:
        alive = {lane.number: self.curve(lane) for lane in job.lanes}
        for epoch in range(job.first, job.last):
            values = {number: float(curve.values[epoch]) for number, curve in alive.items()}
            seconds = sum(float(curve.seconds[epoch]) for curve in alive.values())
            diverged = frozenset(number for number, value in values.items() if not isfinite(value))
            metrics = {number: {self.metric: value} for number, value in values.items()}
            yield Report(epoch + 1, seconds, metrics, diverged, job=job.number)
            alive = {number: curve for number, curve in alive.items() if number not in diverged}
            if not alive:
                return

    def curve(self, lane: Lane) -> Curve:
        """The curve of a trial: asked for when the trial begins, then kept."""
        if lane.number not in self.curves:
            self.curves[lane.number] = self.answer(lane.params)
        return self.curves[lane.number]
