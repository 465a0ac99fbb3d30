"""Tasks that are tables of learning curves: a proposal gets the curve of the nearest unused configuration."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, final

import numpy as np

from benchmarks.tasks import Answer, Curve, Task
from search.core.model.encoding import coordinate
from spaces.params import Choice
from spaces.space import Space


@final
class TableTask(Task):
    """Configurations of a space with the learning curve of each.

    `curves` and `seconds`: objective and seconds of each epoch, (configurations, epochs). A full training
    takes the mean time of the configurations that do not diverge.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        configurations: Sequence[Mapping[str, Any]],
        curves: np.ndarray,
        seconds: np.ndarray,
    ) -> None:
        self.configurations, self.curves, self.epoch_seconds = configurations, curves, seconds
        final, sign = curves[:, -1], space.objective.sign
        finite = np.isfinite(final)
        self.losses = np.where(finite, sign * final, inf)  # at the end, (configurations,)
        self.points = np.array([point(space, params) for params in configurations])
        super().__init__(
            name,
            space,
            epochs=curves.shape[1],
            trials=len(configurations),
            seconds=float(seconds[finite].sum(axis=1).mean()) if finite.any() else inf,
            best=float(self.losses.min()),
            median=float(np.sort(self.losses)[len(self.losses) // 2]),  # the upper one of two
        )

    def answers(self) -> Answer:
        return NearestUnused(self)


@final
class NearestUnused:
    """Answers the proposals of one search: each gets the nearest row that none has yet."""

    def __init__(self, task: TableTask) -> None:
        self.task = task
        self.free = np.ones(len(task.configurations), dtype=bool)

    def __call__(self, params: Mapping[str, Any]) -> Curve:
        task, row = self.task, self.row(params)
        return Curve(task.curves[row], task.epoch_seconds[row], float(task.losses[row]))

    def row(self, params: Mapping[str, Any]) -> int:
        """The nearest free row, which is not free any more."""
        assert self.free.any(), "a search has at most as many trials as the table has rows"
        distances = squared_distances(self.task.space, self.task.points, point(self.task.space, params))
        row = int(np.where(self.free, distances, inf).argmin())
        self.free[row] = False
        return row


def load_files(folder: Path, read: Callable[[Path], TableTask]) -> list[TableTask]:
    """The tasks in the Parquet files of `folder`, by name. Raises ValueError if there is no such file."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ValueError(f"{folder} holds no Parquet file, but must hold one per task (KIND=FOLDER)")
    return [read(file) for file in files]


def point(space: Space, params: Mapping[str, Any]) -> list[float]:
    """A coordinate for each parameter of the space; NaN for one that is not active."""
    return [
        coordinate(param, params[name]) if name in params else np.nan for name, param in space.params.items()
    ]


def squared_distances(space: Space, points: np.ndarray, own: Sequence[float]) -> np.ndarray:
    """Squared distances of the rows of `points`, (rows, parameters), to one point.

    A range counts with the difference of its coordinates. Different options count 1, and so does a parameter
    that is active in one of the two only.
    """
    difference = points - np.array(own)
    choices = [isinstance(param, Choice) for param in space.params.values()]
    difference[:, choices] = difference[:, choices] != 0
    inactive, own_inactive = np.isnan(points), np.isnan(own)
    difference[inactive & own_inactive] = 0.0
    difference[inactive != own_inactive] = 1.0
    return (difference**2).sum(axis=1)
