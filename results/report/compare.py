"""Compares two or more runs, in one table and on one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from results import text
from results.analysis import Cost, Step, cost, progress
from results.files import write_text
from results.report import figures
from results.report.page import page, trial_table
from results.stats import Estimate
from results.store import Run

SETTINGS = (
    "space",
    "data",
    "sampler",
    "seed",
    "trials",
    "epochs",
    "grace",
    "eta",
    "lanes",
    "options",
    "settings",
)


@final
@dataclass(frozen=True)
class Column:
    """A run in a comparison."""

    name: str
    run: Run
    cost: Cost
    steps: Sequence[Step]
    best: Mapping[str, Any] | None  # the row of the best trial in the search
    test: Estimate | None  # of the confirmed winner, on the test split

    def row(self) -> dict[str, Any]:
        """The run as a row of the table."""
        return {
            "run": self.name,
            "space": self.run.config["space"],
            "status": self.run.status,
            "trials": self.cost.trials,
            "epochs": self.cost.epochs,
            "device hours": round(self.cost.seconds / 3600, 3),
            "best": self.best["objective"] if self.best else None,
            "of trial": self.best["trial"] if self.best else None,
            "confirmed": "no" if self.test is None else text.score(self.test),
        }


def compare(runs: Sequence[Run]) -> list[Column]:
    """The columns of a comparison.

    Raises ValueError if there are fewer than two runs, two are the same, or their objectives differ.
    """
    if len(runs) < 2:
        raise ValueError("compare needs two runs or more (python -m search compare A B)")
    objective = dict(runs[0].objective)
    for run in runs:
        other = dict(run.objective)
        if other != objective:
            both = " and ".join(f"{o['metric']} ({o['mode']})" for o in (objective, other))
            raise ValueError(
                f"{runs[0].name} and {run.name} have the objectives {both}; they must be the same"
            )
    names = [run.name for run in runs]
    columns = []
    for run in runs:
        rungs = run.rungs.to_pylist()
        # Runs with the same name are in different storage folders.
        name = run.name if names.count(run.name) == 1 else f"{run.path.parent.name}/{run.name}"
        spent = cost(run.trials.to_pylist(), run.config["epochs"], rungs)
        steps = progress(rungs, objective["mode"])
        columns.append(Column(name, run, spent, steps, run.best(), confirmed_score(run)))
    if len({column.name for column in columns}) < len(columns):
        raise ValueError(f"a run is named twice: {', '.join(names)}")
    return columns


def confirmed_score(run: Run) -> Estimate | None:
    """The score of the confirmed winner on the test split; None without a winner."""
    confirmation = run.confirmation
    return confirmation.configs[0].test if confirmation and confirmation.winner is not None else None


def differences(columns: Sequence[Column]) -> list[tuple[str, list[Any]]]:
    """The settings in which the runs differ, each with the value of every run."""
    flat = [flattened({key: column.run.config.get(key) for key in SETTINGS}) for column in columns]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    table = [(key, [settings.get(key) for settings in flat]) for key in keys]
    return [(key, values) for key, values in table if any(value != values[0] for value in values)]


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys: {"options": {"root": x}} as {"options.root": x}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        nested = isinstance(value, Mapping)
        flat |= flattened(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def winners(columns: Sequence[Column]) -> list[tuple[str, list[Any]]]:
    """The parameters of the winners: each with the value in every run, None where it is inactive."""
    params = [column.run.params(winner) if (winner := column.run.winner()) else {} for column in columns]
    names = dict.fromkeys(name for own in params for name in own)
    return [(name, [own.get(name) for own in params]) for name in names]


def write(columns: Sequence[Column], path: Path) -> Path:
    """Writes the page of a comparison, whole or not at all, and returns its path."""
    objective = columns[0].run.objective
    first = leader(columns)
    data = [data_identity(column.run) for column in columns]
    curves = figures.comparison({column.name: column.steps for column in columns}, objective["mode"])
    html = page(
        "compare.html.jinja",
        curves,
        trial_table([], [], objective["metric"], {}),
        columns=columns,
        rows=[column.row() for column in columns],
        first=first[0] if first else None,
        score=first[1] if first else None,
        all_confirmed=all(column.test is not None for column in columns),
        same_data=all(identity == data[0] for identity in data),
        metric=objective["metric"],
        direction="lower" if objective["mode"] == "min" else "higher",
        curves=curves,
        winners=winners(columns),
        differences=differences(columns),
    )
    return write_text(path, text.without_home(html))


def data_identity(run: Run) -> tuple[str, Any]:
    """Class and content of a run's data; its options instead of the content if that is not known."""
    options = run.config["options"]
    return run.config["data"], options.get("content", options)


def leader(columns: Sequence[Column]) -> tuple[Column, float] | None:
    """The run with the best score, and the score: confirmed if all runs are, else from the search."""
    sign = 1 if columns[0].run.objective["mode"] == "min" else -1
    scores = [(column, column.test.mean) for column in columns if column.test is not None]
    if len(scores) < len(columns):
        scores = [(column, column.best["objective"]) for column in columns if column.best is not None]
    return min(scores, key=lambda score: sign * score[1], default=None)
