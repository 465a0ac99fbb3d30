"""What stands in for training in a replayed search: a learning curve for each configuration."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, final

import numpy as np

from search.core.job import Job
from spaces.lane import Lane, Report


@final
@dataclass(frozen=True)
class Curve:
    """The training of one configuration."""

    values: np.ndarray  # objective, (epochs,); not finite from the epoch of a divergence on
    seconds: np.ndarray  # of each epoch, (epochs,); any value after a divergence
    final: float  # loss at the end without measurement noise, lower is better; infinite if it diverged


Answer = Callable[[Mapping[str, Any]], Curve]
"""The curve of a configuration that a search proposes."""


@final
class Replay:
    """Stands in for training in one search: called with a job it yields a report per epoch."""

    def __init__(self, metric: str, answer: Answer) -> None:
        self.metric, self.answer = metric, answer
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
