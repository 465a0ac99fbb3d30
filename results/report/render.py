"""Makes a run's report: one HTML file that needs nothing else, neither files nor a network."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from results import environment, text
from results.analysis import Cost, advice, cost, ladder, progress
from results.baselines import baselines
from results.files import write_text
from results.history import history
from results.parameters import dimensions, explored, importance
from results.picture import Picture
from results.report import figures, parameter_figures
from results.report.charts import Figure
from results.stats import Confirmation
from results.store import Run, best_first

PAGE = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Extras:
    """What a report needs that the run's tables do not say."""

    commands: Mapping[int, str] = field(default_factory=dict)  # that train a trial again, by number
    default: int | None = None  # the trial that was the space's default configuration
    pictures: Sequence[Picture] = ()
    missing: str = ""  # why there are no pictures, where there ought to be some


def write(run: Run, extras: Extras) -> Path:
    """Writes `report.html` into the run's folder, whole or not at all, and returns its path."""
    return write_text(run.path / "report.html", render(run, extras))


def render(run: Run, extras: Extras) -> str:
    """The report as HTML."""
    rows, finishes, config = run.trials.to_pylist(), history(run), run.config
    metric, mode = config["objective"]["metric"], config["objective"]["mode"]
    dims, winner = dimensions(config["params"]), run.winner()
    weights = importance(dims, rows, finishes)
    if weights:
        order = [share[0] for share in (*weights.shares, *weights.conditional)]
        dims.sort(key=lambda dim: order.index(dim.name) if dim.name in order else len(order))
    rungs, spent = ladder(finishes, mode), cost(rows, config["epochs"], finishes)
    steps = progress(finishes, mode)
    by_number = {row["trial"]: row for row in rows}
    default = by_number.get(extras.default) if extras.default is not None else None
    default_value = default["objective"] if default else None
    valued = run.best() is not None
    marks = {**{baseline.name: baseline.value for baseline in baselines(run)}, "default": default_value}
    sections = {
        "curves": [
            figures.curves(
                rows, run.epochs.to_pylist(), metric, mode, [rung.epochs for rung in rungs] or [1]
            ),
            *figures.best_so_far(steps, marks, mode),
        ],
        "parallel": [parameter_figures.parallel(rows, dims, metric, mode)] if dims else [],
        "slices": parameter_figures.slices(rows, dims, mode),
        "contours": parameter_figures.contours(rows, dims, mode),
    }
    return page(
        "report.html.jinja",
        [figure for section in sections.values() for figure in section] if valued else [],
        trial_table(rows, [dim.name for dim in dims], metric, extras.commands),
        run=run,
        status=run.status,
        metric=metric,
        mode=mode,
        direction="lower" if mode == "min" else "higher",
        winner=winner,
        params={} if winner is None else run.params(winner),
        scores=scores(run, rows, default),
        baselines=baselines(run),
        confirmation=run.confirmation(),
        verdict=verdict(run.confirmation()),
        cost=spent,
        saving=saving(spent),
        rungs=rungs,
        advice=advice(rungs, config["eta"]),
        importance=weights,
        explored=explored(dims, rows, winner, mode),
        sections=sections if valued else {name: [] for name in sections},
        extras=extras,
        troubles=troubles(rows),
        states={
            state: sum(r["state"] == state for r in rows) for state in sorted({r["state"] for r in rows})
        },
        machines=sorted({(row["device"] or "", row["node"] or "") for row in rows if row["device"]}),
        environments=environment.read(run.path),
        config_text=yaml.safe_dump(dict(config), sort_keys=False),
    )


def page(template: str, drawn: Sequence[Figure], table: Mapping[str, Any], **context: Any) -> str:
    """A page from its template, with the charts' library, the figures and the table of trials in it."""
    data = {"figures": {figure.key: figure.option for figure in drawn}, "table": table}
    return str(
        jinja()
        .get_template(template)
        .render(
            style=(PAGE / "style.css").read_text(),
            script=(PAGE / "script.js").read_text(),
            echarts=(PAGE / "echarts.min.js").read_text(),
            # In a script element, only `<` could end it.
            data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
            **context,
        )
    )


@cache
def jinja() -> Environment:
    """Templates in `page/`; whatever is not marked safe is escaped."""
    environment = Environment(
        loader=PackageLoader("results.report", "templates"),
        autoescape=select_autoescape(["html", "jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": text.number, "spell": text.spell, "plain": text.plain}
    environment.filters |= {"mean": text.mean, "interval": text.interval, "rounded": text.rounded}
    return environment


def trial_table(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], metric: str, commands: Mapping[int, str]
) -> dict[str, Any]:
    """All trials for the page's script: `columns`, and `rows` of values in their order."""
    columns = ["trial", "state", "epochs", metric, "seconds", *names]
    keys = ["trial", "state", "epochs", "objective", "seconds", *(f"param/{name}" for name in names)]
    return {
        "columns": columns,
        "rows": [[short(row[key]) for key in keys] for row in rows],
        "errors": {row["trial"]: row["error"] for row in rows if row["error"]},
        "commands": dict(commands),
    }


def short(value: Any) -> Any:
    """A float with the digits that are shown, to keep the page small."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


@dataclass(frozen=True)
class Score:
    """A line of the first table: what the search says of one configuration."""

    name: str
    value: float
    epochs: int | None
    behind: float | None  # how much worse than the best; negative if it is better


def scores(run: Run, rows: Sequence[Mapping[str, Any]], default: Mapping[str, Any] | None) -> list[Score]:
    """The best, the runner-up, the default and the baselines, by the search's own values."""
    mode = run.config["objective"]["mode"]
    sign, top = 1 if mode == "min" else -1, best_first(rows, mode)[:2]
    if not top:
        return []
    first = top[0]["objective"]
    found = [
        Score(
            f"{what}: trial {row['trial']}",
            row["objective"],
            row["epochs"],
            sign * (row["objective"] - first) or 0.0,
        )
        for what, row in zip(("best", "runner-up"), top, strict=False)
    ]
    if default is not None and default["objective"] is not None:
        value = default["objective"]
        name = f"default: trial {default['trial']}"
        found.append(Score(name, value, default["epochs"], sign * (value - first) or 0.0))
    return found + [
        Score(baseline.name, baseline.value, None, sign * (baseline.value - first))
        for baseline in baselines(run)
    ]


def verdict(said: Confirmation | None) -> str:
    """What the confirmation says of the winner, in a sentence or two."""
    if said is None or said.winner is None:
        return ""
    if said.lead is None or said.runner_up is None:
        return "Nothing was confirmed beside it."
    lead = f"It leads {said.runner_up} by {text.mean(said.lead)}"
    if said.lead.low is None:
        return f"{lead}; with one seed nothing can be said of how sure that is."
    apart = "they are told apart" if said.told_apart else "the two can't be told apart"
    return f"{lead} (95 % interval {text.interval(said.lead)}) over {said.seeds} seeds: {apart}."


def saving(spent: Cost) -> str:
    """What early stopping saved, in a sentence."""
    if spent.full_epochs <= spent.epochs:
        return "Every trial was trained to its end, so nothing was saved."
    return (
        f"Training all {spent.trials:,} to the end would have taken {spent.full_epochs:,} epochs and about "
        f"{text.spell(spent.full_seconds)} of device time: early stopping saved {spent.saved:.0%} of the "
        "epochs."
    )


def troubles(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[int]]]:
    """State, error and trials of what diverged or failed; equal errors in one line."""
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row["state"] in ("diverged", "failed"):
            found.setdefault((row["state"], row["error"] or "no error is known"), []).append(row["trial"])
    return [(state, error, trials) for (state, error), trials in found.items()]
