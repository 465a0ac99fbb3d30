"""Analysis of parameters: importance, explored ranges, bests at an edge, and the response surface."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import optuna
import pyarrow as pa
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from results.store import best_first, column_type

MIN_VALUES = 10  # for an importance
VALUES_PER_PARAMETER = 10  # from which on a later rung is preferred
MAX_VALUES = 200  # per resample, which bounds the time for large runs
RESAMPLES = 5  # their spread shows the uncertainty of an importance
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
    options: tuple[Any, ...] = ()

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
            integer = isinstance(low, int) and isinstance(high, int)
            dims.append(Dimension(name, low, high, definition.get("log", False), integer))
            continue
        options = definition["choices"] if isinstance(definition, Mapping) else definition
        if isinstance(options, list) and len(options) > 1:
            if column_type(options) == pa.string():
                options = [option if option is None else str(option) for option in options]
            dims.append(Dimension(name, options=tuple(options)))
    return dims


@final
@dataclass(frozen=True)
class Importance:
    """Importance of each parameter at one rung: shares that sum to 1, the largest first."""

    epochs: int  # of the rung
    count: int  # of its values
    shares: tuple[tuple[str, float, float], ...]  # name, mean and standard deviation over resamples
    # Conditional parameters: the share among the trials in which they are active, and the number of these.
    conditional: tuple[tuple[str, float, float, int], ...] = ()


def importance(dims: Sequence[Dimension], trials: Sequence[Row], rungs: Sequence[Row]) -> Importance | None:
    """fANOVA (Hutter et al., ICML 2014) over the ranks at one rung; None with too few values.

    `trials` and `rungs` are rows of these tables. Values of different rungs are not samples of one function,
    so one rung is used: the highest with VALUES_PER_PARAMETER values for each parameter, otherwise the one
    with the most. The forest needs a value of each parameter in each trial, so a conditional parameter is
    evaluated over the trials in which it is active.
    """
    by_rung: dict[int, dict[int, float]] = {}
    for row in rungs:
        by_rung.setdefault(row["epochs"], {})[row["trial"]] = row["value"]
    large = [epochs for epochs in by_rung if len(by_rung[epochs]) >= VALUES_PER_PARAMETER * len(dims)]
    most = max(by_rung, key=lambda epochs: (len(by_rung[epochs]), epochs), default=0)
    rung = max(large, default=most)
    values = by_rung.get(rung, {})
    params = {row["trial"]: row for row in trials}
    active = {d.name: frozenset(t for t in values if params[t][f"param/{d.name}"] is not None) for d in dims}

    def shares_over(group: frozenset[int]) -> list[tuple[str, float, float]]:
        known = [dim for dim in dims if active[dim.name] >= group]
        return fanova(known, [params[trial] for trial in sorted(group)], [values[t] for t in sorted(group)])

    shares = shares_over(frozenset(values))
    if not shares:
        return None
    conditional = [
        (*share, len(group))
        for group in dict.fromkeys(active.values())
        if len(group) < len(values)
        for share in shares_over(group)
        if active[share[0]] == group
    ]
    return Importance(
        epochs=rung,
        count=len(values),
        shares=tuple(sorted(shares, key=lambda share: -share[1])),
        conditional=tuple(sorted(conditional, key=lambda share: -share[1])),
    )


def fanova(
    dims: Sequence[Dimension], rows: Sequence[Row], values: Sequence[float]
) -> list[tuple[str, float, float]]:
    """Name, mean share and its standard deviation over resamples; empty with too few values or parameters."""
    if len(rows) < MIN_VALUES or len(dims) < 2 or len(set(values)) < 2:
        return []
    # Ranks, so that one extreme value does not dominate.
    ranks = np.argsort(np.argsort(values, kind="stable")).astype(float)
    distributions = {d.name: distribution(d) for d in dims}
    points = [{d.name: row[f"param/{d.name}"] for d in dims} for row in rows]
    shares: dict[str, list[float]] = {d.name: [] for d in dims}
    generator = np.random.default_rng(0)
    for repeat in range(RESAMPLES):
        chosen = generator.choice(len(rows), min(len(rows), MAX_VALUES))
        study = optuna.create_study()
        study.add_trials(
            create_trial(params=points[i], distributions=distributions, value=float(ranks[i])) for i in chosen
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = FanovaImportanceEvaluator(n_trees=24, seed=repeat)
            importances = get_param_importances(study, evaluator=evaluator)
        for name, share in importances.items():
            shares[name].append(float(share))
    return [(name, float(np.mean(own)), float(np.std(own))) for name, own in shares.items()]


def distribution(dim: Dimension) -> BaseDistribution:
    """A dimension as Optuna's distribution."""
    if dim.options:
        return CategoricalDistribution(dim.options)
    return FloatDistribution(dim.low, dim.high, log=dim.log)


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
        sampled = tuple(dim.position(row[key]) for row in rows if row[key] is not None)
        top = tuple(dim.position(row[key]) for row in first if row[key] is not None)
        value = best[key] if best else None
        position = None if value is None else dim.position(value)
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
