"""The figures of a report: which data go into which chart. The parts of charts are in `charts.py`."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.analysis import Step, robust_range
from results.charts import (
    GRID,
    MUTED,
    Option,
    Row,
    axis_style,
    jittered,
    legend,
    line,
    place_axis,
    scatter,
    tick_labels,
    value_axis,
)
from results.parameters import Dimension, surface
from results.store import best_row

AXES = 8  # of parallel coordinates: more can't be told apart
SHORT = 5  # epochs: of so short curves the dots are most of what there is
CONTOURS = 3  # parameters whose pairs are drawn
HOVER: Option = {"trigger": "item", "formatter": "@trial"}
STATES = {  # of trials: name, colour, width of the line, members
    "stopped": ("$faint", 1.0, ("stopped", "paused", "running", "failed")),
    "complete": ("$accent", 1.6, ("complete",)),
    "diverged": ("$bad", 1.0, ("diverged",)),
}


@dataclass(frozen=True)
class Figure:
    """A figure; `option` is what ECharts draws. `wide` ones have the page's width, others share a row."""

    key: str
    title: str
    option: Option
    height: int = 300
    wide: bool = True


def curves(
    rows: Sequence[Row], epochs: Sequence[Row], metric: str, mode: str, rungs: Sequence[int]
) -> Figure:
    """The objective of every trial by epoch; those that were stopped fade."""
    states = {row["trial"]: row["state"] for row in rows}
    best = best_trial(rows, mode)
    points: dict[int, list[list[float]]] = {}
    for row in epochs:
        if row.get(metric) is not None and math.isfinite(row[metric]):
            points.setdefault(row["trial"], []).append([row["epoch"], significant(row[metric]), row["trial"]])
    series = []
    for name, (colour, width, members) in STATES.items():
        chosen = [path for t, path in points.items() if states.get(t) in members and t != best]
        if chosen:
            # One series, broken by gaps: a thousand of them would take seconds to draw.
            data = [point for path in chosen for point in (*path, [None, None, None])]
            dots = {"symbolSize": 6} if max(rungs) <= SHORT else {}
            series.append(line(name, data, colour, width, crowd=len(chosen)) | dots)
    if best is not None and best in points:
        series.append(line(f"trial {best}, the best", points[best], "$best", 2.6) | {"z": 5})
    names = [entry["name"] for entry in series]
    lasts = [path[-1][1] for path in points.values()]
    scale = {"type": "log", "logBase": 3} if len(rungs) > 1 and max(rungs) > 3 else {"type": "value"}
    x = {**scale, "min": 1, "max": max([*rungs, 2]), "name": "epoch"}
    y = value_axis([point[1] for path in points.values() for point in path], extremes(lasts, mode), mode)
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
    """The best value against the epochs that all trials have trained, and against time.

    `marks` are values to compare with; one that is too far off is left out.
    """
    values = [step.value for step in steps]
    spread = max(values, default=0.0) - min(values, default=0.0)
    near = {
        name: value
        for name, value in marks.items()
        if value is not None and values and min(values) - spread <= value <= max(values) + spread
    }
    y = value_axis(values, [*values, *near.values()], mode)
    scale, unit = time_unit(steps[-1].at if steps else 0.0)
    figures = []
    for key, title, name in (
        ("best-epochs", "Best so far, by epochs", "epochs trained, all trials together"),
        ("best-time", "Best so far, by time", f"{unit} since the start"),
    ):
        data = [[s.epochs if key == "best-epochs" else s.at / scale, s.value, s.trial] for s in steps]
        series = line("best so far", stairs(data), "$best", 2.2) | {"showSymbol": False, "silent": True}
        series["markLine"] = {
            "silent": True,
            "symbol": "none",
            "precision": -1,  # else ECharts draws the line at the value's second decimal
            "lineStyle": {"color": "$muted", "type": [3, 4], "width": 1},
            "data": [
                {"yAxis": value, "label": {"formatter": mark, "position": "insideEndTop", "color": "$muted"}}
                for mark, value in near.items()
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


def parallel(rows: Sequence[Row], dims: Sequence[Dimension], metric: str, mode: str) -> Figure:
    """A line a trial through its parameters to its objective; better ones are stronger and in front."""
    sign = 1 if mode == "min" else -1
    valued = [row for row in rows if row["objective"] is not None]
    chosen = [dim for dim in dims if len(having(valued, [dim])) == len(valued)][:AXES]
    valued.sort(key=lambda row: (-sign * row["objective"], -row["trial"]))  # the best last
    low, high = robust_range([row["objective"] for row in valued], extremes_of(valued, mode))
    crowd, data = len(valued), []
    for rank, row in enumerate(valued):
        good, first = (rank + 1) / len(valued), rank == len(valued) - 1
        style = {
            "color": "$best" if first else f"$ramp{min(4, int(good * 5))}",
            "width": 3 if first else 1.2,
            # Of many lines only the best can be followed; the rest are a haze.
            "opacity": 1
            if first
            else round(0.25 * min(1, 80 / crowd) + 0.65 * good ** max(2, crowd / 40), 3),
        }
        places = [round(d.place(row[f"param/{d.name}"]), 4) for d in chosen]
        value = [*places, significant(min(max(row["objective"], low), high)), row["trial"]]
        data.append({"value": value, "lineStyle": style})
    axes: list[Option] = [
        {"name": d.name, "min": 0, "max": 1, "nameTextStyle": MUTED} | tick_labels(d) for d in chosen
    ]
    axes.append(
        {
            "name": metric,
            "min": low,
            "max": high,
            "inverse": mode == "min",
            "nameLocation": "start" if mode == "min" else "end",
            "axisTick": {"show": False},
            "nameTextStyle": {"fontSize": 11, "fontWeight": "bold", "color": "$ink"},
            "axisLabel": MUTED | {"formatter": "@number", "showMinLabel": False, "showMaxLabel": False},
        }
    )
    for number, axis in enumerate(axes):
        axis |= {
            "dim": number,
            "type": "value",
            "axisLine": {"lineStyle": {"color": "$axis"}},
            "areaSelectStyle": {"color": "$accent", "opacity": 0.25, "borderWidth": 0, "width": 16},
        }
    option = {
        "parallelAxis": axes,
        "parallel": {"left": 48, "right": 48, "top": 36, "bottom": 20},
        "tooltip": HOVER,
        "series": [
            {
                "type": "parallel",
                "data": data,
                "smooth": 0.15,
                "inactiveOpacity": 0.03,
                "emphasis": {"lineStyle": {"width": 3, "opacity": 1}},
            }
        ],
    }
    return Figure("parallel", "Parallel coordinates", option, 400)


def slices(rows: Sequence[Row], dims: Sequence[Dimension], mode: str) -> list[Figure]:
    """The objective against each parameter, shaded by the rung that the value is from."""
    valued = [row for row in rows if row["objective"] is not None]
    best = best_trial(rows, mode)
    reached = sorted({row["epochs"] for row in valued})
    y = value_axis([row["objective"] for row in valued], extremes_of(valued, mode), mode)
    figures = []
    for dim in dims:
        dots: dict[int | None, list[list[float]]] = {epochs: [] for epochs in [*reached, None]}
        for row in having(valued, [dim]):
            key = None if row["trial"] == best else row["epochs"]
            dots[key].append([jittered(dim, row), significant(row["objective"]), row["trial"]])
        series = [
            scatter(f"epoch {epochs}", dots[epochs], f"$ramp{shade(number, len(reached))}", 6)
            for number, epochs in enumerate(reached)
        ]
        option = {
            "grid": GRID,
            "xAxis": place_axis(dim),
            "yAxis": axis_style(dict(y)),
            "tooltip": HOVER,
            "series": [*series, scatter("best", dots[None], "$best", 11) | {"z": 5}],
        }
        figures.append(Figure(f"slice-{dim.name}", dim.name, option, 190, wide=False))
    return figures


def shade(number: int, count: int) -> int:
    """The colour of rung `number` of `count`: later ones are stronger."""
    return 4 if count == 1 else round(1 + 3 * number / (count - 1))


def contours(rows: Sequence[Row], dims: Sequence[Dimension], mode: str) -> list[Figure]:
    """The pairs of the first parameters: the mean rank of the trials near each point, and the trials."""
    sign = 1 if mode == "min" else -1
    best = best_trial(rows, mode)
    numbers = [dim for dim in dims if not dim.options]
    chosen = (numbers if len(numbers) > 1 else list(dims))[:CONTOURS]
    figures = []
    for x, y in ((x, y) for i, x in enumerate(chosen) for y in chosen[i + 1 :]):
        valued = [row for row in having(rows, [x, y]) if row["objective"] is not None]
        valued.sort(key=lambda row: (-sign * row["objective"], -row["trial"]))  # the best last
        # Ranks, from 0 for the worst: one outlier would else take all the colours.
        points = [(row[f"param/{x.name}"], row[f"param/{y.name}"], float(n)) for n, row in enumerate(valued)]
        cells = surface((x, y), points)
        low, high = (end((cell[4] for cell in cells), default=0.0) for end in (min, max))
        boxes = [
            [*(round(corner, 4) for corner in cell[:4]), round((cell[4] - low) / (high - low or 1), 3)]
            for cell in cells
        ]
        dots = [[round(x.place(u), 4), round(y.place(v), 4)] for u, v, _ in points]
        trials = [[*dot, row["trial"]] for dot, row in zip(dots, valued, strict=True)]
        option = {
            "grid": GRID | {"top": 28},
            "xAxis": place_axis(x) | {"name": x.name, "splitLine": {"show": False}},
            "yAxis": place_axis(y)
            | {"name": y.name, "nameLocation": "end", "nameGap": 10, "splitLine": {"show": False}}
            | {"nameTextStyle": MUTED | {"align": "left"}},
            "tooltip": HOVER,
            "series": [
                {"type": "custom", "renderItem": "@cell", "data": boxes, "silent": True, "clip": True, "z": 0}
                | {"encode": {"x": [0, 1], "y": [2, 3]}},
                scatter(
                    "trials", [dot for dot in trials if dot[2] != best], "$dot", 4 if len(trials) < 300 else 2
                ),
                scatter("best", [dot for dot in trials if dot[2] == best], "$best", 11) | {"z": 5},
            ],
        }
        figures.append(Figure(f"contour-{x.name}-{y.name}", f"{x.name} and {y.name}", option, 300, False))
    return figures


def together(runs: Mapping[str, Sequence[Step]], mode: str) -> list[Figure]:
    """The best so far of several runs, against epochs and against time."""
    values = [step.value for steps in runs.values() for step in steps]
    y = value_axis(values, values, mode)
    scale, unit = time_unit(max((steps[-1].at for steps in runs.values() if steps), default=0.0))
    figures = []
    for key, title, name in (
        ("best-epochs", "Best so far, by epochs", "epochs trained, all trials together"),
        ("best-time", "Best so far, by time", f"{unit} since the start"),
    ):
        series = []
        for number, (run, steps) in enumerate(runs.items()):
            data = [[s.epochs if key == "best-epochs" else s.at / scale, significant(s.value)] for s in steps]
            series.append(line(run, stairs(data), f"$run{number % 6}", 2.2) | {"showSymbol": len(data) == 1})
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


def stairs(points: Sequence[list[float]]) -> list[list[float]]:
    """The points with a corner between each two. (ECharts' own steps leave out those of a few pixels.)"""
    corners = [[after[0], *before[1:]] for before, after in itertools.pairwise(points)]
    return [point for pair in zip(points, corners, strict=False) for point in pair] + list(points[-1:])


def having(rows: Sequence[Row], dims: Sequence[Dimension]) -> list[Row]:
    """The trials for which all of these parameters count."""
    return [row for row in rows if all(row[f"param/{dim.name}"] is not None for dim in dims)]


def best_trial(rows: Sequence[Row], mode: str) -> int | None:
    """The number of the trial whose last value is best."""
    best = best_row(rows, mode)
    return None if best is None else best["trial"]


def extremes_of(rows: Sequence[Row], mode: str) -> list[float]:
    return extremes([row["objective"] for row in rows], mode)


def extremes(values: Sequence[float], mode: str) -> list[float]:
    """The best value, which no axis may cut off."""
    return [(min if mode == "min" else max)(values)] if values else []


def significant(value: float) -> float:
    """A value with as many digits as a figure can show, to keep the page small."""
    return float(f"{value:.5g}")


def time_unit(seconds: float) -> tuple[float, str]:
    """Seconds of a unit and its name, for an axis up to `seconds`."""
    return (3600.0, "hours") if seconds > 7200 else (60.0, "minutes") if seconds > 120 else (1.0, "seconds")
