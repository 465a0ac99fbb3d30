"""What figures are made of: lines, dots and axes as options of Apache ECharts.

A text that begins with `$` names a colour of the page's theme, one that begins with `@` a function of
`page/script.js`: so a figure is plain data, and changes with the theme. Places on a parameter's axis count
from 0 to 1 on its own scale (`Dimension.place`), the same in every figure.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from results.parameters import Dimension
from results.store import best_row

Row = Mapping[str, Any]
Option = dict[str, Any]
GRID: Option = {"left": 8, "right": 16, "top": 16, "bottom": 8}
GRID |= {"outerBoundsMode": "same", "outerBoundsContain": "all"}  # labels lie within
MUTED: Option = {"color": "$muted", "fontSize": 11}
HALO: Option = {"textBorderColor": "$paper", "textBorderWidth": 3}  # so that lines can cross a label
CROWDED = 24  # letters of all choices together, from which on their labels are slanted
SPREAD = 4.0  # largest to smallest value from which on an axis is logarithmic
HOVER: Option = {"trigger": "item", "formatter": "@trial"}


@dataclass(frozen=True)
class Figure:
    """A figure; `option` is what ECharts draws. `wide` ones have the page's width, others share a row."""

    key: str
    title: str
    option: Option
    height: int = 300
    wide: bool = True


def line(name: str, data: Sequence[Any], colour: str, width: float, crowd: int = 1) -> Option:
    """A series of points (x, y, trial) joined by a line; [None, None, None] breaks it.

    A crowd of lines is drawn the thinner, so that their density shows.
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
    """Names of series above the chart."""
    look = {"icon": "roundRect", "itemWidth": 16, "itemHeight": 6, "itemStyle": {"opacity": 1}}
    return {"top": 0, "left": 4, "data": list(names), "textStyle": {"color": "$muted"}, **look}


def axis_style(axis: Option, ticks: Sequence[float] = ()) -> Option:
    """An axis with thin lines and muted labels; with ticks at `ticks` alone, if there are any."""
    label: Option = MUTED | {"formatter": "@number", "hideOverlap": True}
    if "min" in axis and not ticks:  # the ends are where the data end, and no round numbers
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
    """An axis for values of the objective that shows the bulk of them and all of `keep`.

    Logarithmic for what is minimised and spreads: else the last gains, which matter, can't be seen.
    """
    low, high = robust_range(values, keep)
    inside = [value for value in [*values, *keep] if low <= value <= high]
    if mode == "max" or not inside or min(inside) <= 0 or max(inside) / min(inside) < SPREAD:
        return {"type": "value", "min": low, "max": high}
    ratio = max(inside) / min(inside)
    ends = {"min": min(inside) / ratio**0.04, "max": max(inside) * ratio**0.04}
    return {"type": "log", "logBase": 2 if ratio < 60 else 10, **ends}


def robust_range(values: Iterable[float | None], keep: Iterable[float | None] = ()) -> tuple[float, float]:
    """Ends of an axis that shows the bulk of `values`, and all of `keep`, with a little room.

    Outliers (beyond two spreads of the middle half) do not squeeze the rest together.
    """
    finite = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not len(finite):
        return 0.0, 1.0
    low, high = np.percentile(finite, [25, 75])
    spread = 2 * (high - low)
    inside = finite[(finite >= low - spread) & (finite <= high + spread)]
    kept = [value for value in keep if value is not None and math.isfinite(value)]
    low, high = min([*inside, *kept]), max([*inside, *kept])
    room = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    return float(low - room), float(high + room)


def place_axis(dim: Dimension) -> Option:
    """The axis of a parameter; choices have room to both sides."""
    room = 0.5 / max(1, len(dim.options) - 1) if dim.options else 0.03
    axis = axis_style({"type": "value", "min": -room, "max": 1 + room}) | tick_labels(dim)
    if sum(len(str(option)) for option in dim.options) > CROWDED:
        axis["axisLabel"] |= {"rotate": 30, "hideOverlap": False}
    return axis


def tick_labels(dim: Dimension) -> Option:
    """The labels of a parameter's axis, at their places."""
    ticks = [[round(place, 6), label] for place, label in dim.ticks()]
    places = {"customValues": [place for place, _ in ticks], "formatter": {"@labels": ticks}}
    return {
        "axisLabel": {**MUTED, **HALO, "hideOverlap": True, **places},
        "axisTick": {"show": False, "customValues": places["customValues"]},
    }


def jittered(dim: Dimension, row: Row) -> float:
    """The place of a trial's value; those of choices are spread a little, each time alike."""
    place = dim.place(row[f"param/{dim.name}"])
    if dim.options:
        place += ((row["trial"] * 0.618034) % 1 - 0.5) * 0.5 / max(1, len(dim.options) - 1)
    return round(place, 4)


def best_trial(rows: Sequence[Row], mode: str) -> int | None:
    """The number of the trial whose last value is best."""
    best = best_row(rows, mode)
    return None if best is None else best["trial"]


def extremes(values: Sequence[float], mode: str) -> list[float]:
    """The best value, which no axis may cut off."""
    return [(min if mode == "min" else max)(values)] if values else []


def significant(value: float) -> float:
    """A value with as many digits as a figure can show, to keep the page small."""
    return float(f"{value:.5g}")
