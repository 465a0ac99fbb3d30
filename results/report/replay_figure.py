"""The figure of the replays of a run: regret against cost, a point per combination of settings."""

from results.replays import Replayed, Replays
from results.report.charts import (
    GRID,
    HALO,
    MUTED,
    Figure,
    Option,
    axis_style,
    legend,
    line,
    scatter,
    significant,
)


def replays(of: Replays) -> Figure:
    """Mean regret with its 95 % interval against the share of the time of training all trials in full."""
    samplers = sorted({row.sampler for row in of.rows})
    series: list[Option] = []
    for number, sampler in enumerate(samplers):
        colour, rows = f"$run{number % 6}", [row for row in of.rows if row.sampler == sampler]
        points = [
            {"value": [significant(100 * row.seconds_share), significant(row.regret)], "label": label(row)}
            for row in rows
        ]
        bars = [
            point
            for row in rows
            for point in (
                [100 * row.seconds_share, max(0.0, row.regret - row.regret_half)],
                [100 * row.seconds_share, row.regret + row.regret_half],
                [None, None],
            )
        ]
        series.append(line(f"{sampler}: interval", bars, colour, 1.2) | {"showSymbol": False, "silent": True})
        series.append(scatter(sampler, points, colour, 9) | {"labelLayout": {"hideOverlap": True}})
    x = {"type": "value", "name": "% of the time of training all trials in full", "min": 0}
    option = {
        "grid": GRID | {"top": 36, "right": 96},
        "legend": legend(samplers),
        "xAxis": axis_style(x),
        "yAxis": axis_style({"type": "value", "min": 0}),
        "series": series,
    }
    return Figure("replays", "Regret against cost", option, 380)


def label(row: Replayed) -> Option:
    """The label beside the point of a setting."""
    return (
        {"show": True, "formatter": f"eta {row.eta}, grace {row.grace}", "position": "right"} | MUTED | HALO
    )
