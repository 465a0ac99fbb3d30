"""What a run says of its parameters: importance, explored ranges, edges, and the lie of the land."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pyarrow as pa
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from results.history import Finish
from results.store import best_first, column_type

ENOUGH = 10  # values that an importance needs
AMPLE = 10  # and as many a parameter make a later rung the better one to ask
MOST = 200  # values an importance is computed from, so that a large run takes no longer
REPEATS = 5  # resamples, whose spread tells how far an importance can be trusted
EDGE = 0.05  # of a range: a best value as near to its end may lie beyond it
TOP = 5  # trials looked at for an edge

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Dimension:
    """A parameter that was searched: a range, or choices."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    options: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value lies, from 0 to 1 on the parameter's own scale."""
        if self.options:
            return self.options.index(value) / max(1, len(self.options) - 1)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels of an axis: the choices, the powers of ten, or round numbers."""
        if self.options:
            return [(self.place(option), str(option)) for option in self.options]
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            values = [10.0**power for power in range(first, last + 1, max(1, (last - first) // 3))]
            if len(values) < 2:
                values = [float(self.low), float(self.high)]
            return [(self.place(value), f"{value:.3g}") for value in values]
        width = self.high - self.low
        step = next(
            10.0**power * factor
            for power in range(math.floor(math.log10(width)) - 1, math.ceil(math.log10(width)) + 1)
            for factor in (1, 2, 5)
            if width / (10.0**power * factor) <= 4 and not (self.whole and 10.0**power * factor < 1)
        )
        values = [
            step * k
            for k in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
        ]
        return [(self.place(value), f"{value:.6g}") for value in values]


def dimensions(params: Mapping[str, Any]) -> list[Dimension]:
    """The searched parameters of a run's config, in its order; fixed ones are left out."""
    found = []
    for name, plain in params.items():
        if isinstance(plain, Mapping) and "low" in plain:
            low, high = plain["low"], plain["high"]
            whole = isinstance(low, int) and isinstance(high, int)
            found.append(Dimension(name, low, high, plain.get("log", False), whole))
            continue
        options = plain["choices"] if isinstance(plain, Mapping) else plain
        if isinstance(options, list) and len(options) > 1:
            if column_type(options) == pa.string():
                options = [option if option is None else str(option) for option in options]
            found.append(Dimension(name, options=tuple(options)))
    return found


@dataclass(frozen=True)
class Importance:
    """How much of the order of trials each parameter explains: shares that sum to 1, most first."""

    epochs: int  # the rung whose values were asked
    count: int
    shares: tuple[tuple[str, float, float], ...]  # name, mean and standard deviation over resamples
    # Of parameters that count for some trials only: the share in the order of these, and how many they are.
    conditional: tuple[tuple[str, float, float, int], ...] = ()


def importance(
    dims: Sequence[Dimension], rows: Sequence[Row], finishes: Sequence[Finish]
) -> Importance | None:
    """fANOVA (Hutter et al., ICML 2014) over the ranks at one rung; None with too few values.

    Values of different rungs are no sample of one function. The rung is the highest that many trials have
    finished: later values say more, but the few that are promoted far are too alike. A parameter that counts
    for some trials only is measured over these, for a forest needs a value of each parameter in each trial.
    """
    at: dict[int, dict[int, float]] = {}
    for finish in finishes:
        at.setdefault(finish.epochs, {})[finish.trial] = finish.value
    ample = [epochs for epochs in at if len(at[epochs]) >= AMPLE * len(dims)]
    rung = max(ample) if ample else max(at, key=lambda epochs: (len(at[epochs]), epochs), default=0)
    values = at.get(rung, {})
    params = {row["trial"]: row for row in rows}
    counts = {d.name: frozenset(t for t in values if params[t][f"param/{d.name}"] is not None) for d in dims}

    def measured(trials: frozenset[int]) -> list[tuple[str, float, float]]:
        names = [d for d in dims if counts[d.name] >= trials]
        return fanova(names, [params[trial] for trial in sorted(trials)], [values[t] for t in sorted(trials)])

    whole = measured(frozenset(values))
    if not whole:
        return None
    some = [
        (*share, len(trials))
        for trials in dict.fromkeys(counts.values())
        if len(trials) < len(values)
        for share in measured(trials)
        if counts[share[0]] == trials
    ]
    by_share = [tuple(sorted(found, key=lambda share: -share[1])) for found in (whole, some)]
    return Importance(rung, len(values), *by_share)  # type: ignore[arg-type]


def fanova(
    dims: Sequence[Dimension], rows: Sequence[Row], values: Sequence[float]
) -> list[tuple[str, float, float]]:
    """Name, mean share and its standard deviation over resamples of each; none with too few values."""
    if len(rows) < ENOUGH or len(dims) < 2 or len(set(values)) < 2:
        return []
    # Ranks, so that one value of a million does not count for all the others.
    order = np.argsort(np.argsort(values, kind="stable")).astype(float)
    kinds = {d.name: distribution(d) for d in dims}
    points = [{d.name: row[f"param/{d.name}"] for d in dims} for row in rows]
    found: dict[str, list[float]] = {d.name: [] for d in dims}
    generator = np.random.default_rng(0)
    for repeat in range(REPEATS):
        chosen = generator.choice(len(rows), min(len(rows), MOST))
        study = optuna.create_study()
        study.add_trials(
            create_trial(params=points[i], distributions=kinds, value=float(order[i])) for i in chosen
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = FanovaImportanceEvaluator(n_trees=24, seed=repeat)
            shares = get_param_importances(study, evaluator=evaluator)
        for name, share in shares.items():
            found[name].append(float(share))
    return [(name, float(np.mean(shares)), float(np.std(shares))) for name, shares in found.items()]


def distribution(dim: Dimension) -> BaseDistribution:
    """A dimension in Optuna's words."""
    if dim.options:
        return CategoricalDistribution(dim.options)
    return FloatDistribution(dim.low, dim.high, log=dim.log)


@dataclass(frozen=True)
class Explored:
    """How far a parameter was tried, where the best lies, and whether the range ought to be wider."""

    dim: Dimension
    tried: tuple[float, ...]  # places of all trials, 0 to 1
    top: tuple[float, ...]  # places of the best trials
    best: Any  # value of the best trial; None where the parameter does not count for it
    place: float | None
    widen: str | None  # the override that widens the range, where the best lies at its edge
    beside: int  # how many of the top trials lie in that outer tenth as well


def explored(dims: Sequence[Dimension], rows: Sequence[Row], best: Row | None, mode: str) -> list[Explored]:
    """Each parameter's explored range.

    An end that is 0 is taken for a natural one and not warned of, and so is 1 where the other is not below 0.
    """
    first = best_first(rows, mode)[:TOP]
    found = []
    for dim in dims:
        key = f"param/{dim.name}"
        top = tuple(dim.place(row[key]) for row in first if row[key] is not None)
        value = best[key] if best else None
        place = None if value is None else dim.place(value)
        widen = None if place is None else wider(dim, place)
        near = [p for p in top if (p > 0.9 if place and place > 0.5 else p < 0.1)] if widen else []
        tried = tuple(dim.place(row[key]) for row in rows if row[key] is not None)
        found.append(Explored(dim, tried, top, value, place, widen, len(near)))
    return found


def wider(dim: Dimension, place: float) -> str | None:
    """The override that moves the end at which `place` lies; None if it lies at none."""
    upper = place > 0.5
    if not (place > 1 - EDGE if upper else place < EDGE):
        return None
    if dim.options:
        numbers = all(isinstance(o, int | float) and not isinstance(o, bool) for o in dim.options)
        if not numbers or len(dim.options) < 3 or list(dim.options) != sorted(dim.options):
            return None
        end = dim.options[-1] if upper else dim.options[0]
        more = end * 2 if upper else end / 2
        whole = all(isinstance(option, int) for option in dim.options)
        if end <= 0 or (whole and more != int(more)):  # half a layer can't be had
            return None
        more = int(more) if more == int(more) else more
        options = [*dim.options, more] if upper else [more, *dim.options]
        return f"param.{dim.name}=[{','.join(f'{option:g}' for option in options)}]"
    end = (dim.high if upper else dim.low) * 1.0
    width = dim.high - dim.low
    if dim.log:
        end = end * 10 if upper else end / 10
    elif upper:
        # What lies within 0 and 1 is often a share, which must stay below 1, or is 1 at the most.
        if dim.low >= 0 and dim.high == 1 and not dim.whole:
            return None
        end = min(end + width / 2, (1 + end) / 2) if dim.low >= 0 and dim.high < 1 else end + width / 2
    elif dim.low == 0:
        return None
    else:
        end = max(end - width / 2, end / 2) if dim.low > 0 else end - width / 2
    if dim.whole:
        end = math.ceil(end) if upper else math.floor(end)
        if end == (dim.high if upper else dim.low) or (dim.low > 0 and end < 1):
            return None
    return f"param.{dim.name}.{'high' if upper else 'low'}={end:.6g}"


def surface(
    dims: tuple[Dimension, Dimension], points: Sequence[tuple[Any, Any, float]], cells: int = 28
) -> list[tuple[float, ...]]:
    """The lie of the land over two parameters: cells (x0, x1, y0, y1, value), places from 0 to 1.

    The value is the kernel-weighted mean of the trials near the cell (Nadaraya and Watson, 1964). A cell
    that no trial is near to is left out: nothing is known of it.
    """
    if not points:
        return []
    x, y = (np.array([d.place(p[axis]) for p in points]) for axis, d in enumerate(dims))
    values = np.array([point[2] for point in points])
    width = max(0.05, 0.45 * len(points) ** (-1 / 6) * 0.5)
    edges = np.linspace(0, 1, cells + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    found = []
    for i, u in enumerate(middles):
        for j, v in enumerate(middles):
            weights = np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * width**2))
            if weights.max() > np.exp(-2):  # a trial within two widths
                mean = float((weights * values).sum() / weights.sum())
                corners = (edges[i], edges[i + 1], edges[j], edges[j + 1])
                found.append((*map(float, corners), mean))
    return found
