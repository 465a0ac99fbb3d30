"""The report of a run, section by section. `page.py` makes the HTML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import yaml

from results import environment, replays, text
from results.analysis import Cost, advice, cost, progress, rung_summaries
from results.baselines import Baseline, baselines
from results.files import write_text
from results.forecast import on_more_trials
from results.parameters import Importance, dimensions, explored_ranges
from results.picture import Picture
from results.report import figures, front_figure, parameter_figures, replay_figure
from results.report.charts import Figure
from results.report.live import Live
from results.report.page import page, trial_table
from results.spending import on_trials, spending
from results.stats import Confirmation
from results.store import Run, best_first


@final
@dataclass(frozen=True)
class Extras:
    """Contents of a report that are not in the tables of the run."""

    commands: Mapping[int, str] = field(default_factory=dict)  # that train a trial again, by trial
    default: int | None = None  # the trial with the default configuration of the space
    pictures: Sequence[Picture] = ()
    missing: str = ""  # why the gallery of the space made no pictures
    importance: Importance | None = None  # None with too few values for a model
    asha_epochs: int | None = None  # that ASHA's rule would train with as many trials
    live: Live | None = None  # in a report that follows a search


def write(run: Run, extras: Extras) -> Path:
    """Writes `report.html` into the run's folder, whole or not at all, and returns its path."""
    return write_text(run.path / "report.html", text.without_home(render(run, extras)))


def render(run: Run, extras: Extras, whole: bool = True) -> str:
    """The report as HTML; without style and scripts if it is not `whole`."""
    trials, rungs, config = run.trials.to_pylist(), run.rungs.to_pylist(), run.config
    metric, mode = run.objective["metric"], run.objective["mode"]
    dims, winner = dimensions(config["params"]), run.winner()
    importance = extras.importance
    if importance:
        order = [share.name for share in importance.shares]
        dims.sort(key=lambda dim: order.index(dim.name) if dim.name in order else len(order))
    summaries, spent = rung_summaries(rungs, mode), cost(trials, config["epochs"], rungs)
    known, confirmation = baselines(run), run.confirmation
    replay = replays.read(run.path)
    default = next((row for row in trials if row["trial"] == extras.default), None)
    sections: dict[str, list[Figure]] = {
        "front": [],
        "curves": [],
        "parallel": [],
        "slices": [],
        "contours": [],
        "replay": [replay_figure.regrets(replay.rows)] if replay else [],
    }
    if run.best() is not None:
        milestones = [rung.epochs for rung in summaries] or [1]
        marks = {baseline.name: baseline.value for baseline in known}
        sections |= {
            "front": [front_figure.front(trials, run.objectives)] if len(run.objectives) > 1 else [],
            "curves": [
                figures.curves(trials, run.epochs.to_pylist(), metric, mode, milestones),
                *figures.best_so_far(
                    progress(rungs, mode), marks | {"default": default and default["objective"]}, mode
                ),
            ],
            "parallel": [parameter_figures.parallel(trials, dims, metric, mode)] if dims else [],
            "slices": parameter_figures.slices(trials, dims, mode),
            "contours": parameter_figures.contours(trials, dims, mode),
        }
    return page(
        "report.html.jinja",
        [figure for section in sections.values() for figure in section],
        trial_table(trials, [dim.name for dim in dims], metric, extras.commands),
        whole,
        run=run,
        status="running" if extras.live and extras.live.running else run.status,
        metric=metric,
        mode=mode,
        direction="lower" if mode == "min" else "higher",
        winner=winner,
        params={} if winner is None else run.params(winner),
        scores=scores(trials, default, known, mode),
        baselines=known,
        early_end=text.early_end(run.early_end, config["trials"]) if run.early_end else "",
        grown=text.grown(config),
        more=on_more_trials(run),
        bounds=[text.bounds(constraint) for constraint in run.constraints],
        constraints=broken_constraints(run, trials),
        confirmation=confirmation,
        verdict=verdict(confirmation),
        picked=text.picked(config),
        on_new_data=text.on_new_data(confirmation, run.new_data()) if confirmation else "",
        cost=spent,
        saving=saving(spent),
        spending=(parts := spending(trials, rungs, config, winner["trial"] if winner else None)),
        spent_on=on_trials(parts),
        rungs=summaries,
        advice=advice(summaries, config["eta"]),
        replay=replay,
        replay_texts=replays.texts(replay) if replay else [],
        importance=importance,
        ranges=explored_ranges(dims, trials, winner, mode),
        sections=sections,
        extras=extras,
        errors=errors(trials),
        states=dict(sorted(Counter(row["state"] for row in trials).items())),
        machines=sorted({(row["device"], row["node"] or "") for row in trials if row["device"]}),
        environments=environment.read(run.path),
        config_text=yaml.safe_dump(dict(config), sort_keys=False),
    )


def broken_constraints(run: Run, trials: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on the constraints; empty without constraints."""
    valued = [row for row in trials if row.get("violation") is not None]
    broken = sum(row["violation"] > 0 for row in valued)
    return text.broken_constraints(run.constraints, broken, len(valued)) if valued else ""


@final
@dataclass(frozen=True)
class Score:
    """A line of the table of validation scores."""

    name: str
    value: float
    epochs: int | None  # None for a baseline
    behind: float  # how much worse than the best; negative if it is better


def scores(
    trials: Sequence[Mapping[str, Any]],
    default: Mapping[str, Any] | None,
    known: Sequence[Baseline],
    mode: str,
) -> list[Score]:
    """Validation scores of the best trial, the runner-up, the default and the baselines."""
    sign, top = 1 if mode == "min" else -1, best_first(trials, mode)[:2]
    if not top:
        return []
    best = top[0]["objective"]
    rows = list(zip(("best", "runner-up"), top, strict=False))
    if default is not None and default["objective"] is not None:
        rows.append(("default", default))
    lines = [(f"{role}: trial {row['trial']}", row["objective"], row["epochs"]) for role, row in rows]
    lines += [(baseline.name, baseline.value, None) for baseline in known]
    return [Score(name, value, epochs, sign * (value - best) or 0.0) for name, value, epochs in lines]


def verdict(confirmation: Confirmation | None) -> str:
    """A sentence on how certain the winner of the confirmation is; empty without a winner."""
    if confirmation is None or confirmation.winner is None:
        return ""
    lead = confirmation.lead
    if lead is None or confirmation.runner_up is None:
        return "No other configuration was confirmed."
    sentence = f"It leads {confirmation.runner_up} by {text.mean(lead)}"
    if lead.low is None:
        return f"{sentence}; with one seed the uncertainty is unknown."
    conclusion = "they are told apart" if confirmation.told_apart else "the two can't be told apart"
    return f"{sentence} (95 % interval {text.interval(lead)}) over {confirmation.seeds} seeds: {conclusion}."


def saving(spent: Cost) -> str:
    """A sentence on the savings of early stopping."""
    if spent.full_epochs <= spent.epochs:
        return "Every trial was trained to its end, so nothing was saved."
    return (
        f"Training all {spent.trials:,} trials to the end would have taken {spent.full_epochs:,} epochs and "
        f"about {text.rounded_duration(spent.full_seconds)} of device time: early stopping saved "
        f"{spent.saved:.0%} of the epochs."
    )


def errors(trials: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[int]]]:
    """State, error and trial numbers of diverged and failed trials, grouped by equal errors."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in trials:
        if row["state"] in ("diverged", "failed"):
            groups.setdefault((row["state"], row["error"] or "no error is known"), []).append(row["trial"])
    return [(state, error, numbers) for (state, error), numbers in groups.items()]
