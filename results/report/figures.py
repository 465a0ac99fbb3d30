"""Figures of a search over epochs and over time: learning curves and the best value so far."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from results.analysis import Step
from results.report.charts import (
    GRID,
    HOVER,
    Figure,
    Row,
    axis_style,
    best_trial,
    best_value,
    legend,
    line,
    scatter,
    significant,
    value_axis,
)

SIDES = ("insideEndTop", "insideStartTop")  # in turns: labels of close values would overlap
SHORT = 5  # epochs; curves up to this length have larger dots
STATES = {  # series of curves: name, colour, width of the line, states of the trials
    "stopped": ("$faint", 1.0, ("stopped", "paused", "running", "failed")),
    "complete": ("$accent", 1.6, ("complete",)),
    "diverged": ("$bad", 1.0, ("diverged",)),
}


def curves(
    rows: Sequence[Row], epochs: Sequence[Row], metric: str, mode: str, rungs: Sequence[int]
) -> Figure:
    """The objective of each trial by epoch.

    `rows` are those of the trials table, `epochs` those of the epochs table, `rungs` in epochs.
    """
    states = {row["trial"]: row["state"] for row in rows}
    best = best_trial(rows, mode)
    points: dict[int, list[list[float]]] = {}
    for row in epochs:
        if row.get(metric) is not None and math.isfinite(row[metric]):
            points.setdefault(row["trial"], []).append([row["epoch"], significant(row[metric]), row["trial"]])
    series = []
    for name, (colour, width, members) in STATES.items():
        group = [curve for t, curve in points.items() if states.get(t) in members and t != best]
        if group:
            # One series with gaps: a thousand series would take seconds to draw.
            data = [point for curve in group for point in (*curve, [None, None, None])]
            dots = {"symbolSize": 6} if max(rungs) <= SHORT else {}
            series.append(line(name, data, colour, width, crowd=len(group)) | dots)
    if best is not None and best in points:
        series.append(line(f"trial {best} (best)", points[best], "$best", 2.6) | {"z": 5})
    names = [entry["name"] for entry in series]
    last_values = [curve[-1][1] for curve in points.values()]
    scale = {"type": "log", "logBase": 3} if len(rungs) > 1 and max(rungs) > 3 else {"type": "value"}
    x = {**scale, "min": 1, "max": max([*rungs, 2]), "name": "epoch"}
    y = value_axis(
        [point[1] for curve in points.values() for point in curve], best_value(last_values, mode), mode
    )
    option = {
        "grid": GRID | {"top": 36},
        "legend": legend(names),
        "xAxis": axis_style(x, rungs if len(rungs) > 1 else ()),
        "yAxis": axis_style(y),
        "series": [*series, line("hover", [], "$ink", 2.2) | {"z": 9, "silent": True}],
        "nearest": True,
    }
    return Figure("curves", "Learning curves", option, 380)


def best_so_far(steps: Sequence[Step], marks: Mapping[str, float | None], mode: str) -> list[Figure]:
    """The best value so far against the epochs trained by all trials together, and against time.

    `marks` are named values to compare with. Marks far outside the range of the steps are left out.
    """
    values = [step.value for step in steps]
    width = max(values, default=0.0) - min(values, default=0.0)
    near = {
        name: value
        for name, value in marks.items()
        if value is not None and values and min(values) - width <= value <= max(values) + width
    }
    in_order = sorted(near.items(), key=lambda item: item[1])
    y = value_axis(values, [*values, *near.values()], mode)
    last = steps[-1].at if steps else 0.0
    figures = []
    for key, title, name, x in x_axes(last):
        data = [[x(step), step.value, step.trial] for step in steps]
        series = line("best so far", staircase(data), "$best", 2.2) | {"showSymbol": False, "silent": True}
        series["markLine"] = {
            "silent": True,
            "symbol": "none",
            "precision": -1,  # by default ECharts rounds the value to two decimals
            "lineStyle": {"color": "$muted", "type": [3, 4], "width": 1},
            "data": [
                {"yAxis": value, "label": {"formatter": mark, "position": side, "color": "$muted"}}
                for (mark, value), side in zip(in_order, itertools.cycle(SIDES), strict=False)
            ],
        }
        option = {
            "grid": GRID,
            "xAxis": axis_style({"type": "value", "name": name}),
            "yAxis": axis_style(dict(y)),
            "tooltip": HOVER,
            "series": [series, scatter("improvements", data, "$best", 7) | {"z": 5}],
        }
        figures.append(Figure(key, title, option, 260, wide=False))
    return figures


def comparison(runs: Mapping[str, Sequence[Step]], mode: str) -> list[Figure]:
    """The best value so far of several runs, against epochs and against time."""
    values = [step.value for steps in runs.values() for step in steps]
    y = value_axis(values, values, mode)
    last = max((steps[-1].at for steps in runs.values() if steps), default=0.0)
    figures = []
    for key, title, name, x in x_axes(last):
        series = []
        for number, (run, steps) in enumerate(runs.items()):
            data = [[x(step), significant(step.value)] for step in steps]
            series.append(
                line(run, staircase(data), f"$run{number % 6}", 2.2) | {"showSymbol": len(data) == 1}
            )
        option = {
            "grid": GRID | {"top": 36},
            "legend": legend(list(runs)),
            "xAxis": axis_style({"type": "value", "name": name}),
            "yAxis": axis_style(dict(y)),
            "tooltip": {"trigger": "axis", "valueFormatter": "@number"}
            | {"axisPointer": {"lineStyle": {"color": "$muted"}}},
            "series": series,
        }
        figures.append(Figure(key, title, option, 340, wide=False))
    return figures


def x_axes(last: float) -> Iterator[tuple[str, str, str, Callable[[Step], float]]]:
    """The two x axes of the best so far: key and title of the figure, name of the axis, and x of a step.

    `last` is the time of the last step in seconds since the start.
    """
    epochs = "epochs trained by all trials"
    yield "best-epochs", "Best so far, by epochs", epochs, lambda step: step.epochs
    scale, unit = (3600.0, "hours") if last > 7200 else (60.0, "minutes") if last > 120 else (1.0, "seconds")
    yield "best-time", "Best so far, by time", f"{unit} since the start", lambda step: step.at / scale


def staircase(points: Sequence[list[float]]) -> list[list[float]]:
    """The points with a corner between neighbours. (ECharts' own steps omit those of a few pixels.)"""
    corners = [[after[0], *before[1:]] for before, after in itertools.pairwise(points)]
    return [point for pair in zip(points, corners, strict=False) for point in pair] + list(points[-1:])
