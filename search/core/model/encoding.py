"""Configurations of a space as points: one coordinate in [0, 1] per parameter, and features for a kernel."""

from collections.abc import Mapping
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.params import Choice, Range, Value
from spaces.space import Space

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
INACTIVE = 0.5  # coordinate and feature of an inactive parameter


class Encoding:
    """Coordinates and features of one space.

    A range has one feature, its coordinate, on the logarithmic scale if the range is. The values of a grid
    have equal shares of the coordinate, and features that are spread evenly from 0 to 1. A choice has one
    feature per option, sqrt(1/2) for its option and 0 for the others. So two options have the distance 1, as
    have the two ends of a range.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        counts = [len(param.options) if isinstance(param, Choice) else 1 for param in space.params.values()]
        self.known: dict[tuple[tuple[str, Any], ...], list[float]] = {}  # points of configurations
        self.groups: Indices = np.repeat(np.arange(len(counts)), counts)  # the parameter of each feature

    def configuration(self, point: Array) -> dict[str, Value]:
        """The configuration at a point, (parameters,)."""
        coordinates = dict(zip(self.space.params, point.tolist(), strict=True))
        return self.space.configuration(lambda name, param, _: param.value_at(coordinates[name]))

    def point(self, params: Mapping[str, Any]) -> list[float]:
        """The point of a configuration; its inverse, up to rounding and the coordinates of inactive ones."""
        key = tuple(params.items())
        if key not in self.known:
            self.known[key] = [
                param.coordinate(params[name]) if name in params else INACTIVE
                for name, param in self.space.params.items()
            ]
        return self.known[key]

    def features(self, points: Array) -> Array:
        """The features, (points, features), of points, (points, parameters).

        Equal configurations have equal features.
        """
        columns, active = [], self._active(points)
        for position, (name, param) in enumerate(self.space.params.items()):
            own, inactive = points[:, position], ~active[name]
            if isinstance(param, Choice):
                one_hot = np.zeros((len(points), len(param.options)))
                one_hot[np.arange(len(points)), option_indices(param, own)] = 0.5**0.5
                one_hot[inactive] = 0.0
                columns.append(one_hot)
            else:
                feature = rounded(param, own)
                feature[inactive] = INACTIVE
                columns.append(feature[:, None])
        return np.hstack(columns)

    def _active(self, points: Array) -> dict[str, NDArray[np.bool_]]:
        """For each parameter the points at which it is active, (points,)."""
        active: dict[str, NDArray[np.bool_]] = {}
        names = list(self.space.params)
        for name, param in self.space.params.items():
            active[name] = np.ones(len(points), dtype=bool)
            for other, allowed in param.when.items():
                column, parent = points[:, names.index(other)].tolist(), self.space.params[other]
                holds = [parent.value_at(number) in allowed for number in column]
                active[name] &= active[other] & np.array(holds, dtype=bool)
        return active


def option_indices(param: Choice, numbers: Array) -> Indices:
    """The option at each coordinate."""
    count = len(param.options)
    return np.minimum((numbers * count).astype(np.int64), count - 1)


def rounded(param: Range, numbers: Array) -> Array:
    """The features of a range at the given coordinates: those of its values there."""
    if param.low == param.high:
        return np.full_like(numbers, INACTIVE)
    if param.step is not None:
        last = param.count - 1
        return np.minimum(np.floor(numbers * (last + 1)), last) / last
    if not param.is_integer:
        return numbers.copy()
    if param.log:
        scale = log(param.high / param.low)
        return np.log(np.round(param.low * np.exp(numbers * scale)) / param.low) / scale
    span = param.high - param.low
    return np.round(numbers * span) / span
