"""Two or more runs side by side, in one table and on one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import text
from results.analysis import Cost, Step, cost, progress
from results.files import write_text
from results.history import history
from results.report import figures
from results.report.render import page, trial_table
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


@dataclass(frozen=True)
class Column:
    """A run, as it is compared."""

    name: str
    run: Run
    cost: Cost
    steps: Sequence[Step]
    best: Mapping[str, Any] | None  # by the search's own values
    test: Estimate | None  # of the confirmed winner, on the test split

    def row(self) -> dict[str, Any]:
        """The run in a line of the table."""
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


def columns(runs: Sequence[Run]) -> list[Column]:
    """The runs with what is compared of them.

    Raises ValueError if there are not two, or their objectives are not the same.
    """
    if len(runs) < 2:
        raise ValueError("compare needs two runs or more (python -m search compare A B)")
    objectives = [dict(run.config["objective"]) for run in runs]
    for run, objective in zip(runs, objectives, strict=True):
        if objective != objectives[0]:
            said = " and ".join(f"{o['metric']} ({o['mode']})" for o in (objectives[0], objective))
            raise ValueError(
                f"{runs[0].name} and {run.name} have the objectives {said}; they must be the same"
            )
    names = [run.name for run in runs]
    found = []
    for run in runs:
        finishes, mode = history(run), run.config["objective"]["mode"]
        # Runs of one name lie in different storage folders.
        name = run.name if names.count(run.name) == 1 else f"{run.path.parent.name}/{run.name}"
        spent = cost(run.trials.to_pylist(), run.config["epochs"], finishes)
        found.append(Column(name, run, spent, progress(finishes, mode), run.best(), confirmed(run)))
    if len({column.name for column in found}) < len(found):
        raise ValueError(f"a run is named twice: {', '.join(names)}")
    return found


def confirmed(run: Run) -> Estimate | None:
    """The confirmed winner's score on the test split."""
    said = run.confirmation()
    return said.configs[0].test if said is not None and said.winner is not None else None


def differences(found: Sequence[Column]) -> list[tuple[str, list[Any]]]:
    """The settings in which the runs differ, and what each has."""
    flat = [flattened({key: column.run.config.get(key) for key in SETTINGS}) for column in found]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    table = [(key, [settings.get(key) for settings in flat]) for key in keys]
    return [(key, values) for key, values in table if any(value != values[0] for value in values)]


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"options": {"root": x}} as {"options.root": x}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= (
            flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
        )
    return flat


def winners(found: Sequence[Column]) -> list[tuple[str, list[Any]]]:
    """The parameters of each run's winner, a line a parameter; None where it has none."""
    params = [column.run.params(winner) if (winner := column.run.winner()) else {} for column in found]
    return [
        (name, [one.get(name) for one in params]) for name in dict.fromkeys(n for one in params for n in one)
    ]


def write(found: Sequence[Column], path: Path) -> Path:
    """Writes the page, whole or not at all, and returns its path."""
    objective = found[0].run.config["objective"]
    first = leader(found)
    data = [data_of(column.run) for column in found]
    drawn = figures.together({column.name: column.steps for column in found}, objective["mode"])
    html = page(
        "compare.html.jinja",
        drawn,
        trial_table([], [], objective["metric"], {}),
        columns=found,
        rows=[column.row() for column in found],
        first=first[0] if first else None,
        score=first[1] if first else None,
        proven=all(column.test is not None for column in found),
        same_data=all(one == data[0] for one in data),
        metric=objective["metric"],
        direction="lower" if objective["mode"] == "min" else "higher",
        curves=drawn,
        winners=winners(found),
        differences=differences(found),
    )
    return write_text(path, html)


def data_of(run: Run) -> tuple[str, Any]:
    """What a run's data goes by: its content, where its space knows that, else all its options."""
    options = run.config["options"]
    return run.config["data"], options.get("content", options)


def leader(found: Sequence[Column]) -> tuple[Column, float] | None:
    """The run with the best score and that score: confirmed where all are, else by the search's values."""
    sign = 1 if found[0].run.config["objective"]["mode"] == "min" else -1
    scores = [(column, column.test.mean) for column in found if column.test is not None]
    if len(scores) < len(found):
        scores = [(column, column.best["objective"]) for column in found if column.best is not None]
    return min(scores, key=lambda score: sign * score[1], default=None)
