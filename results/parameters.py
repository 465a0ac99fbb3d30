"""Analysis of parameters: importance, explored ranges, bests at an edge, and the response surface."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pyarrow as pa

from results.labels import labels
from results.store import best_first, column_type

EDGE = 0.05  # share of a range: a best value this close to an end may have a better one beyond it
TOP = 5  # best trials that are marked in a range

Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Dimension:
    """A searched parameter: a range, or choices (`options`)."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    integer: bool = False
    step: float | None = None
    options: tuple[Any, ...] = ()
    conditional: bool = False

    def has(self, value: Any) -> bool:
        """Whether a value of a table is one of the parameter.

        Null is one of an unconditional parameter with that option; else the parameter is inactive.
        """
        return value is not None or (None in self.options and not self.conditional)

    def position(self, value: Any) -> float:
        """The position of a value from 0 to 1, on a log scale if the parameter has one."""
        if self.options:
            return self.options.index(value) / max(1, len(self.options) - 1)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels of an axis: the choices, powers of ten, or round numbers."""
        if self.options:
            return [(self.position(option), str(option)) for option in self.options]
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            values = [10.0**power for power in range(first, last + 1, max(1, (last - first) // 3))]
            if len(values) < 2:
                values = [float(self.low), float(self.high)]
            return [(self.position(value), f"{value:.3g}") for value in values]
        width = self.high - self.low
        step = next(
            10.0**power * factor
            for power in range(math.floor(math.log10(width)) - 1, math.ceil(math.log10(width)) + 1)
            for factor in (1, 2, 5)
            if width / (10.0**power * factor) <= 4 and not (self.integer and 10.0**power * factor < 1)
        )
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [step * k for k in range(first, last + 1)]
        return [(self.position(value), f"{value:.6g}") for value in values]


def dimensions(params: Mapping[str, Any]) -> list[Dimension]:
    """The searched parameters of a run's config, in its order; fixed ones are left out."""
    dims = []
    for name, definition in params.items():
        if isinstance(definition, Mapping) and "low" in definition:
            low, high = definition["low"], definition["high"]
            step = definition.get("step")
            integer = all(isinstance(number, int) for number in (low, high, step or 0))
            dims.append(Dimension(name, low, high, definition.get("log", False), integer, step))
            continue
        options = definition["choices"] if isinstance(definition, Mapping) else definition
        if isinstance(options, list | Mapping) and len(options) > 1:
            options = labels(options)
            if column_type(options) == pa.string():
                options = [option if option is None else str(option) for option in options]
            conditional = isinstance(definition, Mapping) and "when" in definition
            dims.append(Dimension(name, options=tuple(options), conditional=conditional))
    return dims


@final
@dataclass(frozen=True)
class Share:
    """The total effect of a parameter: the share of the variance of ranks that is left if the others are
    known. These shares may sum to more than 1, because an interaction counts for each of its parameters.
    """

    name: str
    total: float  # median over functions that agree with the results
    low: float  # of the 90 % interval over these functions
    high: float


@final
@dataclass(frozen=True)
class Importance:
    """The importance of the parameters over the whole space, by the model of the search."""

    epochs: int  # of the last rung, whose value counts
    trials: int  # with a value
    skill: float  # rank correlation of the model's predictions for unseen trials with their values
    shares: tuple[Share, ...]  # the largest first; empty if the skill is too low


@final
@dataclass(frozen=True)
class ExploredRange:
    """The sampled part of a parameter's range, and the position of the best value. Positions: 0 to 1."""

    dim: Dimension
    sampled: tuple[float, ...]  # positions of all trials
    top: tuple[float, ...]  # positions of the best trials
    best: Any  # value of the best trial; None if the parameter is inactive there
    position: float | None  # of `best`
    widen: str | None  # the override that widens the range, if the best value is at its edge
    top_at_edge: int  # how many of the best trials are in the outer tenth at that edge


def explored_ranges(
    dims: Sequence[Dimension], rows: Sequence[Row], best: Row | None, mode: str
) -> list[ExploredRange]:
    """The explored range of each parameter. `rows` are those of the trials table, `best` the best one."""
    first = best_first(rows, mode)[:TOP]
    ranges = []
    for dim in dims:
        key = f"param/{dim.name}"
        sampled = tuple(dim.position(row[key]) for row in rows if dim.has(row[key]))
        top = tuple(dim.position(row[key]) for row in first if dim.has(row[key]))
        value = best[key] if best else None
        position = dim.position(value) if best and dim.has(value) else None
        widen = None if position is None else widening_override(dim, position)
        upper = position is not None and position > 0.5
        at_edge = [p for p in top if (p > 0.9 if upper else p < 0.1)] if widen else []
        ranges.append(ExploredRange(dim, sampled, top, value, position, widen, len(at_edge)))
    return ranges


def widening_override(dim: Dimension, position: float) -> str | None:
    """The override that moves the end of a range near `position`; None if it is near no end.

    A low end of 0 counts as natural and is not moved, and so does a high end of 1 if the low end is not
    negative.
    """
    upper = position > 0.5
    if not (position > 1 - EDGE if upper else position < EDGE):
        return None
    if dim.options:
        numbers = all(isinstance(o, int | float) and not isinstance(o, bool) for o in dim.options)
        if not numbers or len(dim.options) < 3 or list(dim.options) != sorted(dim.options):
            return None
        end = dim.options[-1] if upper else dim.options[0]
        more = end * 2 if upper else end / 2
        integers = all(isinstance(option, int) for option in dim.options)
        if end <= 0 or (integers and more != int(more)):
            return None
        more = int(more) if more == int(more) else more
        options = [*dim.options, more] if upper else [more, *dim.options]
        return f"param.{dim.name}=[{','.join(f'{option:g}' for option in options)}]"
    end = (dim.high if upper else dim.low) * 1.0
    width = dim.high - dim.low
    if dim.log:
        end = end * 10 if upper else end / 10
    elif upper:
        # A range within 0 to 1 is often a share, which must not exceed 1.
        if dim.low >= 0 and dim.high == 1 and not dim.integer:
            return None
        end = min(end + width / 2, (1 + end) / 2) if dim.low >= 0 and dim.high < 1 else end + width / 2
    elif dim.low == 0:
        return None
    else:
        end = max(end - width / 2, end / 2) if dim.low > 0 else end - width / 2
    if dim.step:  # the new end is on the same grid
        before = dim.high if upper else dim.low
        steps = max(1, round(abs(end - before) / dim.step))
        end = before + steps * (dim.step if upper else -dim.step)
        if end <= 0 < dim.low or (upper and dim.low >= 0 and dim.high < 1 < end):
            return None
    if dim.integer:
        end = math.ceil(end) if upper else math.floor(end)
        if end == (dim.high if upper else dim.low) or (dim.low > 0 and end < 1):
            return None
    return f"param.{dim.name}.{'high' if upper else 'low'}={end:.6g}"


def response_surface(
    dims: tuple[Dimension, Dimension], points: Sequence[tuple[Any, Any, float]], cells: int = 28
) -> list[tuple[float, ...]]:
    """Response surface over two parameters: cells (x0, x1, y0, y1, value), corners from 0 to 1.

    `points` are (first parameter, second parameter, value). The value of a cell is the kernel-weighted mean
    of nearby points (Nadaraya and Watson, 1964). Cells without a nearby point are left out.
    """
    if not points:
        return []
    x, y = (np.array([dim.position(p[axis]) for p in points]) for axis, dim in enumerate(dims))
    values = np.array([point[2] for point in points])
    bandwidth = max(0.05, 0.45 * len(points) ** (-1 / 6) * 0.5)
    edges = np.linspace(0, 1, cells + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    surface = []
    for i, u in enumerate(centres):
        for j, v in enumerate(centres):
            weights = np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * bandwidth**2))
            if weights.max() > np.exp(-2):  # a point within two bandwidths
                mean = float((weights * values).sum() / weights.sum())
                corners = (edges[i], edges[i + 1], edges[j], edges[j + 1])
                surface.append((*map(float, corners), mean))
    return surface
