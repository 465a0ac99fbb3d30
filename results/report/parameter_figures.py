"""Figures of the objective over the parameters: parallel coordinates, slices and response surfaces."""

from collections.abc import Sequence

from results.parameters import Dimension, response_surface
from results.report.charts import (
    GRID,
    HOVER,
    MUTED,
    Figure,
    Option,
    Row,
    axis_style,
    best_trial,
    best_value,
    jittered,
    parameter_axis,
    robust_range,
    scatter,
    significant,
    tick_labels,
    value_axis,
)
from results.store import best_first
from results.text import short_names

AXES = 8  # of parallel coordinates; more are not legible
CONTOURS = 3  # parameters whose pairs have a response surface


def parallel(rows: Sequence[Row], dims: Sequence[Dimension], metric: str, mode: str) -> Figure:
    """One line per trial through its parameters to its objective; better ones are stronger and in front.

    Conditional parameters have no axis.
    """
    ranked = best_first(rows, mode)[::-1]  # best last
    chosen = [dim for dim in dims if len(with_active(ranked, [dim])) == len(ranked)][:AXES]
    objectives = [row["objective"] for row in ranked]
    low, high = robust_range(objectives, best_value(objectives, mode))
    count, data = len(ranked), []
    for index, row in enumerate(ranked):
        quality, first = (index + 1) / count, index == count - 1  # quality: 1 for the best
        # Of many lines only the best are legible; the others are transparent.
        opacity = round(0.25 * min(1, 80 / count) + 0.65 * quality ** max(2, count / 40), 3)
        style = {
            "color": "$best" if first else f"$ramp{min(4, int(quality * 5))}",
            "width": 3 if first else 1.2,
            "opacity": 1 if first else opacity,
        }
        positions = [round(d.position(row[f"param/{d.name}"]), 4) for d in chosen]
        value = [*positions, significant(min(max(row["objective"], low), high)), row["trial"]]
        data.append({"value": value, "lineStyle": style})
    axes: list[Option] = [
        {"name": name, "min": 0, "max": 1, "nameTextStyle": MUTED} | tick_labels(d)
        for name, d in zip(short_names([d.name for d in chosen]), chosen, strict=True)
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
    """The objective against each parameter; values of later rungs have stronger colours."""
    with_value = [row for row in rows if row["objective"] is not None]
    best = best_trial(rows, mode)
    reached = sorted({row["epochs"] for row in with_value})
    objectives = [row["objective"] for row in with_value]
    y = value_axis(objectives, best_value(objectives, mode), mode)
    figures = []
    for dim in dims:
        dots: dict[int | None, list[list[float]]] = {epochs: [] for epochs in [*reached, None]}
        for row in with_active(with_value, [dim]):
            key = None if row["trial"] == best else row["epochs"]
            dots[key].append([jittered(dim, row), significant(row["objective"]), row["trial"]])
        series = [
            scatter(f"epoch {epochs}", dots[epochs], f"$ramp{shade(number, len(reached))}", 6)
            for number, epochs in enumerate(reached)
        ]
        option = {
            "grid": GRID,
            "xAxis": parameter_axis(dim),
            "yAxis": axis_style(dict(y)),
            "tooltip": HOVER,
            "series": [*series, scatter("best", dots[None], "$best", 11) | {"z": 5}],
        }
        figures.append(Figure(f"slice-{dim.name}", dim.name, option, 190, wide=False))
    return figures


def shade(number: int, count: int) -> int:
    """The shade of rung `number` of `count`: later ones are stronger."""
    return 4 if count == 1 else round(1 + 3 * number / (count - 1))


def contours(rows: Sequence[Row], dims: Sequence[Dimension], mode: str) -> list[Figure]:
    """Response surfaces over pairs of the first parameters: mean ranks of nearby trials, and the trials."""
    best = best_trial(rows, mode)
    numbers = [dim for dim in dims if not dim.options]
    chosen = (numbers if len(numbers) > 1 else list(dims))[:CONTOURS]
    figures = []
    for x, y in ((x, y) for i, x in enumerate(chosen) for y in chosen[i + 1 :]):
        ranked = best_first(with_active(rows, [x, y]), mode)[::-1]  # best last
        # Ranks, from 0 for the worst, so that one outlier does not use up the colour scale.
        points = [(row[f"param/{x.name}"], row[f"param/{y.name}"], float(n)) for n, row in enumerate(ranked)]
        cells = response_surface((x, y), points)
        low, high = (end((cell[4] for cell in cells), default=0.0) for end in (min, max))
        boxes = [
            [*(round(corner, 4) for corner in cell[:4]), round((cell[4] - low) / (high - low or 1), 3)]
            for cell in cells
        ]
        dots = [[round(x.position(u), 4), round(y.position(v), 4)] for u, v, _ in points]
        trials = [[*dot, row["trial"]] for dot, row in zip(dots, ranked, strict=True)]
        option = {
            "grid": GRID | {"top": 28},
            "xAxis": parameter_axis(x)
            | {"name": short_names([x.name, y.name])[0], "splitLine": {"show": False}},
            "yAxis": parameter_axis(y)
            | {
                "name": short_names([x.name, y.name])[1],
                "nameLocation": "end",
                "nameGap": 10,
                "splitLine": {"show": False},
            }
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


def with_active(rows: Sequence[Row], dims: Sequence[Dimension]) -> list[Row]:
    """The trials in which all of these parameters are active."""
    return [row for row in rows if all(dim.has(row[f"param/{dim.name}"]) for dim in dims)]
