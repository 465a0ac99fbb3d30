"""The figures of how the objective lies over the parameters. Their parts are in `charts.py`."""

from collections.abc import Sequence

from results.parameters import Dimension, surface
from results.report.charts import (
    GRID,
    HOVER,
    MUTED,
    Figure,
    Option,
    Row,
    axis_style,
    best_trial,
    extremes,
    jittered,
    place_axis,
    robust_range,
    scatter,
    significant,
    tick_labels,
    value_axis,
)
from results.store import best_first

AXES = 8  # of parallel coordinates: more can't be told apart
CONTOURS = 3  # parameters whose pairs are drawn


def parallel(rows: Sequence[Row], dims: Sequence[Dimension], metric: str, mode: str) -> Figure:
    """A line a trial through its parameters to its objective; better ones are stronger and in front."""
    valued = best_first(rows, mode)[::-1]  # the best last
    chosen = [dim for dim in dims if len(having(valued, [dim])) == len(valued)][:AXES]
    objectives = [row["objective"] for row in valued]
    low, high = robust_range(objectives, extremes(objectives, mode))
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
    objectives = [row["objective"] for row in valued]
    y = value_axis(objectives, extremes(objectives, mode), mode)
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
    best = best_trial(rows, mode)
    numbers = [dim for dim in dims if not dim.options]
    chosen = (numbers if len(numbers) > 1 else list(dims))[:CONTOURS]
    figures = []
    for x, y in ((x, y) for i, x in enumerate(chosen) for y in chosen[i + 1 :]):
        valued = best_first(having(rows, [x, y]), mode)[::-1]  # the best last
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


def having(rows: Sequence[Row], dims: Sequence[Dimension]) -> list[Row]:
    """The trials for which all of these parameters count."""
    return [row for row in rows if all(row[f"param/{dim.name}"] is not None for dim in dims)]
