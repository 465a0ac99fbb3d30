"""Published learning curves in place of training: a table that answers the proposals of a search.

TaskSet (Metz et al., 2020, arXiv:2002.11887): Adam with eight hyperparameters, 1,000 configurations per task.
`load_taskset` reads the tasks, `CurveTable` stands in for training in one search.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, log
from pathlib import Path
from typing import final

import numpy as np
import pyarrow.parquet as pq

from search.core.job import Job
from spaces.lane import Report
from spaces.params import Range
from spaces.space import Objective, Space

METRIC = "val/loss"
# One range per column of TaskSet. Beta1 and beta2 are log-uniform in their distance from 1.
TASKSET_PARAMS = {
    "learning_rate": Range(1e-8, 10.0, log=True),
    "one_minus_beta1": Range(1e-4, 1.0, log=True),
    "one_minus_beta2": Range(1e-6, 1.0, log=True),
    "epsilon": Range(1e-10, 1e3, log=True),
    "l1": Range(1e-8, 10.0, log=True),
    "l2": Range(1e-8, 10.0, log=True),
    "linear_decay": Range(1e-7, 1e-4, log=True),
    "exponential_decay": Range(1e-6, 1e-3, log=True),
}
COMPLEMENT = "one_minus_"  # prefix of a parameter that is 1 - its column


@final
@dataclass(frozen=True)
class Task:
    """Configurations of a space and the learning curve of each.

    Raises ValueError if the median configuration diverges or is as good as the best: no scale for regret.
    """

    name: str
    space: Space
    configurations: tuple[Mapping[str, float], ...]
    curves: np.ndarray  # objective, (configurations, epochs); not finite from the epoch of a divergence on

    def __post_init__(self) -> None:
        if not self.best < self.median < inf:
            raise ValueError(
                f"{self.name}: the median configuration ends at {self.median}, the best at {self.best}; "
                "the median must be finite and worse (the curves of the task)"
            )

    @property
    def epochs(self) -> int:
        """Length of each curve; the last rung."""
        return self.curves.shape[1]

    @cached_property
    def losses(self) -> np.ndarray:
        """The curves, lower is better, infinite where a configuration has diverged."""
        return np.where(np.isfinite(self.curves), self.space.objective.sign * self.curves, inf)

    @cached_property
    def best(self) -> float:
        """Final loss of the best configuration."""
        return float(self.losses[:, -1].min())

    @cached_property
    def median(self) -> float:
        """Final loss of the median configuration (the upper one of two)."""
        return float(np.sort(self.losses[:, -1])[len(self.losses) // 2])

    @cached_property
    def points(self) -> np.ndarray:
        """The configurations in the unit cube, (configurations, parameters)."""
        return np.array([unit_point(self.space, params) for params in self.configurations])

    def regret(self, loss: float) -> float:
        """Normalised regret of a loss: 0 for the best configuration, 1 for the median one or worse."""
        return min(1.0, float(loss - self.best) / (self.median - self.best))


def unit_point(space: Space, params: Mapping[str, float]) -> list[float]:
    """A configuration in the unit cube, on the logarithmic scale where the range is. Ranges only."""
    point = []
    for name, param in space.params.items():
        assert isinstance(param, Range), f"{name} is no range"
        scale = log if param.log else float
        low, high = scale(param.low), scale(param.high)
        point.append((scale(params[name]) - low) / (high - low))
    return point


def load_taskset(folder: Path) -> list[Task]:
    """The tasks in the Parquet files of `folder`, by name, with their validation curves.

    An epoch of a curve is one of its 51 recorded losses: the first was measured before training, the others
    every 200 steps. Raises ValueError if there is no Parquet file.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ValueError(f"{folder} holds no Parquet file (the folder of TaskSet)")
    return [read_task(file) for file in files]


def read_task(file: Path) -> Task:
    """The task in one Parquet file: columns as in TASKSET_PARAMS, and the validation losses `valid`."""
    space = Space(
        name=file.stem,
        about="",
        trainable="benchmarks.curves:CurveTable",
        data="benchmarks.curves:CurveTable",
        objective=Objective(METRIC, "min"),
        params=TASKSET_PARAMS,
    )
    table = pq.read_table(file).to_pydict()
    columns = {
        name: [1 - value for value in table[name.removeprefix(COMPLEMENT)]]
        if name.startswith(COMPLEMENT)
        else table[name]
        for name in TASKSET_PARAMS
    }
    configurations = tuple(
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    )
    return Task(file.stem, space, configurations, np.array(table["valid"], dtype=float))


@final
class CurveTable:
    """Answers the jobs of one search: each trial gets the curve of the nearest row that no trial has yet.

    Called with a job it yields a report per epoch, as training does. An epoch of one trial takes a second.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.rows: dict[int, int] = {}  # the row of each trial
        self.free = np.ones(len(task.configurations), dtype=bool)

    def __call__(self, job: Job) -> Iterator[Report]:
        alive = {lane.number: self.task.curves[self.row(lane.number, lane.params)] for lane in job.lanes}
        for epoch in range(job.first + 1, job.last + 1):
            values = {number: float(curve[epoch - 1]) for number, curve in alive.items()}
            diverged = frozenset(number for number, value in values.items() if not isfinite(value))
            metrics = {number: {self.task.space.objective.metric: value} for number, value in values.items()}
            yield Report(epoch, float(len(alive)), metrics, diverged, job=job.number)
            alive = {number: curve for number, curve in alive.items() if number not in diverged}
            if not alive:
                return

    def row(self, trial: int, params: Mapping[str, float]) -> int:
        """The row of a trial: by Euclidean distance in the unit cube the nearest free one, if it is new."""
        if trial not in self.rows:
            assert self.free.any(), "a search has at most as many trials as the table has rows"
            distances = ((self.task.points - unit_point(self.task.space, params)) ** 2).sum(axis=1)
            self.rows[trial] = int(np.where(self.free, distances, inf).argmin())
            self.free[self.rows[trial]] = False
        return self.rows[trial]
