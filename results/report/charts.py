"""Parts of figures: lines, dots and axes as options of Apache ECharts.

A string `$name` stands for a colour of the page's theme, and `@name` for a function of `templates/script.js`.
So a figure is plain data, and its colours follow the theme. Positions on the axis of a parameter are from
0 to 1 (`Dimension.position`) in all figures.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from results.parameters import Dimension
from results.store import best_row

Row = Mapping[str, Any]
Option = dict[str, Any]
GRID: Option = {"left": 8, "right": 16, "top": 16, "bottom": 8}
GRID |= {"outerBoundsMode": "same", "outerBoundsContain": "all"}  # labels stay inside
MUTED: Option = {"color": "$muted", "fontSize": 11}
HALO: Option = {"textBorderColor": "$paper", "textBorderWidth": 3}  # keeps labels legible on lines
MAX_UPRIGHT = 24  # characters in all labels of choices; longer ones are rotated
LOG_RATIO = 4.0  # ratio of largest to smallest value from which on an axis is logarithmic
HOVER: Option = {"trigger": "item", "formatter": "@trial"}


@final
@dataclass(frozen=True)
class Figure:
    """A figure of a page."""

    key: str
    title: str
    option: Option  # of ECharts
    height: int = 300  # pixels
    wide: bool = True  # as wide as the page; other figures share a row


def line(name: str, data: Sequence[Any], colour: str, width: float, crowd: int = 1) -> Option:
    """A series of points (x, y, trial) joined by a line; [None, None, None] is a gap.

    `crowd` is the number of lines; many lines are more transparent, so that their density shows.
    """
    opacity = max(0.4, min(1.0, 60 / crowd))
    return {
        "type": "line",
        "name": name,
        "data": list(data),
        "symbol": "circle",
        "symbolSize": width + 2 if crowd < 100 else 2,
        "itemStyle": {"color": colour, "opacity": opacity},
        "lineStyle": {"color": colour, "width": width, "opacity": opacity},
        "emphasis": {"disabled": True},
        "animation": False,
    }


def scatter(name: str, data: Sequence[Any], colour: str, size: int) -> Option:
    """A series of dots (x, y, trial)."""
    return {
        "type": "scatter",
        "name": name,
        "data": list(data),
        "symbolSize": size,
        "itemStyle": {"color": colour, "opacity": 0.9, "borderColor": "$paper", "borderWidth": 0.5},
        "emphasis": {"scale": 1.6},
        "clip": True,
    }


def legend(names: Sequence[str]) -> Option:
    """A legend above the chart with these names of series."""
    look = {"icon": "roundRect", "itemWidth": 16, "itemHeight": 6, "itemStyle": {"opacity": 1}}
    return {"top": 0, "left": 4, "data": list(names), "textStyle": {"color": "$muted"}, **look}


def axis_style(axis: Option, ticks: Sequence[float] = ()) -> Option:
    """An axis with thin lines and muted labels; if `ticks` are given, it has no others."""
    label: Option = MUTED | {"formatter": "@number", "hideOverlap": True}
    if "min" in axis and not ticks:  # the ends are not round numbers
        label |= {"showMinLabel": False, "showMaxLabel": False}
    tick: Option = {"show": False}
    if ticks:
        label["customValues"] = list(ticks)
        tick = {"show": True, "customValues": list(ticks), "lineStyle": {"color": "$axis"}}
    return {
        "nameLocation": "middle",
        "nameGap": 24,
        "nameTextStyle": MUTED,
        "axisLine": {"show": False},
        "axisTick": tick,
        "axisLabel": label,
        "splitLine": {"lineStyle": {"color": "$line"}},
        "splitNumber": 4,
        **axis,
    }


def value_axis(values: Sequence[float], keep: Sequence[float], mode: str) -> Option:
    """An axis for values of the objective, with the ends of `robust_range`.

    Logarithmic for minimised values with a large range, so that late improvements are visible.
    """
    low, high = robust_range(values, keep)
    inside = [value for value in [*values, *keep] if low <= value <= high]
    if mode == "max" or not inside or min(inside) <= 0 or max(inside) / min(inside) < LOG_RATIO:
        return {"type": "value", "min": low, "max": high}
    ratio = max(inside) / min(inside)
    ends = {"min": min(inside) / ratio**0.04, "max": max(inside) * ratio**0.04}
    return {"type": "log", "logBase": 2 if ratio < 60 else 10, **ends}


def robust_range(values: Iterable[float | None], keep: Iterable[float | None] = ()) -> tuple[float, float]:
    """Ends of an axis that shows `values` except outliers, and all of `keep`, with a margin of 4 %.

    Outliers are more than twice the interquartile range away from the quartiles. (0, 1) without a value.
    """
    finite = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not len(finite):
        return 0.0, 1.0
    low, high = np.percentile(finite, [25, 75])
    reach = 2 * (high - low)
    inside = finite[(finite >= low - reach) & (finite <= high + reach)]
    kept = [value for value in keep if value is not None and math.isfinite(value)]
    low, high = min([*inside, *kept]), max([*inside, *kept])
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    return float(low - margin), float(high + margin)


def parameter_axis(dim: Dimension) -> Option:
    """The axis of a parameter; choices have a margin on both sides."""
    margin = 0.5 / max(1, len(dim.options) - 1) if dim.options else 0.03
    axis = axis_style({"type": "value", "min": -margin, "max": 1 + margin}) | tick_labels(dim)
    if sum(len(str(option)) for option in dim.options) > MAX_UPRIGHT:
        axis["axisLabel"] |= {"rotate": 30, "hideOverlap": False}
    return axis


def tick_labels(dim: Dimension) -> Option:
    """The labels of a parameter's axis, at their positions."""
    ticks = [[round(position, 6), label] for position, label in dim.ticks()]
    positions = [position for position, _ in ticks]
    labels = {"customValues": positions, "formatter": {"@labels": ticks}}
    return {
        "axisLabel": {**MUTED, **HALO, "hideOverlap": True, **labels},
        "axisTick": {"show": False, "customValues": positions},
    }


def jittered(dim: Dimension, row: Row) -> float:
    """The position of a trial's value; choices are jittered, by the trial's number."""
    position = dim.position(row[f"param/{dim.name}"])
    if dim.options:
        position += ((row["trial"] * 0.618034) % 1 - 0.5) * 0.5 / max(1, len(dim.options) - 1)
    return round(position, 4)


def best_trial(rows: Sequence[Row], mode: str) -> int | None:
    """The number of the trial with the best last value; None before the first value."""
    best = best_row(rows, mode)
    return None if best is None else best["trial"]


def best_value(values: Sequence[float], mode: str) -> list[float]:
    """The best value, which no axis may cut off, in a list; empty without values."""
    return [(min if mode == "min" else max)(values)] if values else []


def significant(value: float) -> float:
    """A value with five significant digits, to keep the page small."""
    return float(f"{value:.5g}")
