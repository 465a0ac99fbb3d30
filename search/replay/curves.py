"""Tables of learning curves: a proposal gets the curve of the nearest unused configuration."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, final

import numpy as np

from search.replay.training import Answer, Curve
from spaces.params import Choice
from spaces.space import Space


@final
class CurveTable:
    """Configurations of a space with the learning curve of each.

    `curves` and `seconds`: objective and seconds of each epoch, (configurations, epochs).
    """

    def __init__(
        self,
        space: Space,
        configurations: Sequence[Mapping[str, Any]],
        curves: np.ndarray,
        seconds: np.ndarray,
    ) -> None:
        self.space, self.configurations = space, configurations
        self.curves, self.seconds = curves, seconds
        final = curves[:, -1]
        # At the end, (configurations,); infinite for one that diverged.
        self.losses = np.where(np.isfinite(final), space.objective.sign * final, inf)
        self.points = np.array([point(space, params) for params in configurations])

    def answers(self) -> Answer:
        """What answers the proposals of one search."""
        return NearestUnused(self)


@final
class NearestUnused:
    """Answers the proposals of one search: each gets the nearest row that none has yet."""

    def __init__(self, table: CurveTable) -> None:
        self.table = table
        self.free = np.ones(len(table.configurations), dtype=bool)

    def __call__(self, params: Mapping[str, Any]) -> Curve:
        table, row = self.table, self.row(params)
        return Curve(table.curves[row], table.seconds[row], float(table.losses[row]))

    def row(self, params: Mapping[str, Any]) -> int:
        """The nearest free row, which is not free any more."""
        assert self.free.any(), "a search has at most as many trials as the table has rows"
        distances = squared_distances(self.table.space, self.table.points, point(self.table.space, params))
        row = int(np.where(self.free, distances, inf).argmin())
        self.free[row] = False
        return row


def point(space: Space, params: Mapping[str, Any]) -> list[float]:
    """A coordinate for each parameter of the space; NaN for one that is not active."""
    return [
        param.coordinate(params[name]) if name in params else np.nan for name, param in space.params.items()
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
