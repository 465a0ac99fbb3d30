"""The figure of a replay: the regret of each setting against its share of the full training time."""

from collections.abc import Mapping, Sequence
from typing import Any

from results.replays import Row
from results.report.charts import GRID, MUTED, Figure, Option, axis_style, legend, line, scatter, significant


def regrets(rows: Sequence[Row]) -> Figure:
    """A dot with its interval per setting, labelled with eta and grace where there is room; a colour per
    sampler."""
    series: list[Option] = []
    samplers = list(dict.fromkeys(row.sampler for row in rows))
    for number, sampler in enumerate(samplers):
        own, colour = [row for row in rows if row.sampler == sampler], f"$run{number % 6}"
        ends = [
            point
            for row in own
            for point in (
                *([percent(row), significant(end)] for end in (row.regret_low, row.regret_high)),
                None,
            )
        ]
        intervals = line(sampler, [point or [None, None] for point in ends], colour, 1.4)
        series.append(intervals | {"showSymbol": False, "silent": True})
        label = MUTED | {"show": True, "formatter": "{b}", "position": [9, -4], "rotate": 40, "align": "left"}
        dots = scatter(sampler, [dot(row) for row in own], colour, 9)
        series.append(dots | {"z": 5, "label": label, "labelLayout": {"hideOverlap": True}})
    top = max(0.05, *(row.regret_high for row in rows))
    option = {
        "grid": GRID | {"top": 36, "right": 60},
        "legend": legend(samplers),
        "xAxis": axis_style({"type": "value", "name": "training time, % of training every trial in full"}),
        "yAxis": axis_style({"type": "value", "min": -0.04 * top, "max": 1.3 * top, "name": "regret"}),
        "tooltip": {"trigger": "item"},
        "series": series,
    }
    return Figure("replay", "Regret against training time", option, 380)


def percent(row: Row) -> float:
    """The share of the training time in percent."""
    return significant(100 * row.seconds_share)


def dot(row: Row) -> Mapping[str, Any]:
    """The point of a setting, with a text for the pointer."""
    text = f"{row.name}<br>regret {row.regret_text}<br>found by {row.found:.0%} of the searches"
    return {
        "name": f"eta {row.eta}, grace {row.grace}",
        "value": [percent(row), significant(row.regret)],
        "tooltip": {"formatter": text},
    }
