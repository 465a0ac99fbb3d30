"""The figure of several objectives: the trials, the front, and the trials that break a constraint."""

from collections.abc import Mapping, Sequence

from results.report.charts import (
    GRID,
    HOVER,
    Figure,
    Row,
    axis_style,
    legend,
    line,
    scatter,
    significant,
    value_axis,
)

GROUPS = {  # series: colour and size of the dots
    "breaks a constraint": ("$bad", 5),
    "dominated": ("$faint", 6),
    "front": ("$best", 9),
}


def front(rows: Sequence[Row], objectives: Sequence[Mapping[str, str]]) -> Figure:
    """The last values of the first two of the `objectives`, a dot per trial; the front of two is joined.

    `rows` are those of the trials table.
    """
    x, y = objectives[1], objectives[0]
    key = f"metric/{x['metric']}"
    shown = [row for row in rows if row["objective"] is not None and row["front"] is not None]
    groups: dict[str, list[list[float]]] = {name: [] for name in GROUPS}
    for row in shown:
        name = "front" if row["front"] else "breaks a constraint" if row["violation"] else "dominated"
        groups[name].append([significant(row[key]), significant(row["objective"]), row["trial"]])
    series = [scatter(name, groups[name], *GROUPS[name]) for name in GROUPS if groups[name]]
    if len(objectives) == 2 and groups["front"]:
        joined = line("front", sorted(groups["front"]), "$best", 1.2) | {"showSymbol": False, "silent": True}
        series.append(joined)
    names = [name for name in GROUPS if groups[name]]
    xs, ys = ([point[part] for group in groups.values() for point in group] for part in (0, 1))
    fronts = [[point[part] for point in groups["front"]] for part in (0, 1)]
    option = {
        "grid": GRID | {"top": 36},
        "legend": legend(names),
        "xAxis": axis_style(value_axis(xs, fronts[0], "min") | {"name": f"{x['metric']} ({x['mode']})"}),
        "yAxis": axis_style(value_axis(ys, fronts[1], y["mode"])),
        "tooltip": HOVER,
        "series": series,
    }
    return Figure("front", f"{y['metric']} ({y['mode']}) against {x['metric']} ({x['mode']})", option, 380)
