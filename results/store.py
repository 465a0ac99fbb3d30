"""The tables of a run in Parquet: their columns, how to write them, and how to open a run.

`results/trials.parquet` has one row per trial, `results/rungs.parquet` one per trial and finished rung, and
`results/epochs/*.parquet` one per trial and epoch. A search derives all of them from its study and can
write them again, as it can the files of `facts.py`. `results/confirm.parquet` has one row per training of a
confirmation, `results/test_samples.parquet` (test_samples.py) its scores on test samples. Each file is
written under a temporary name and renamed, so a reader never sees a partial file.
"""

import fcntl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

import pyarrow as pa

from results.cached import is_elsewhere
from results.columns import (
    CONFIRM_FIELDS,
    CONFIRM_NULLABLE,
    EPOCH_FIELDS,
    NULLABLE,
    RUNG_FIELDS,
    TRIAL_FIELDS,
)
from results.config_file import read_config_file
from results.damage import DamagedFile, DamagedTable
from results.facts import End, read_early_end, read_facts
from results.new_data import NewData, new_data
from results.parquet import read_parquet, write_table
from results.stats import Confirmation, common_seeds, confirmation
from results.test_samples import read_test_samples

TRIALS_FILE = "trials.parquet"
RUNGS_FILE = "rungs.parquet"
EPOCHS_FILE = "epochs/00000.parquet"
CONFIRM_FILE = "confirm.parquet"
LOST = ("diverged", "failed")  # states of a trial without a model
ACTIVE = ("running", "paused")


@final
@dataclass(frozen=True)
class Run:
    """A run as read from its folder. `trials`, `rungs`, `epochs` and `confirmed` are Arrow tables."""

    path: Path
    config: Mapping[str, Any]
    trials: pa.Table
    rungs: pa.Table  # in the order of finished_at; no rows that the trials table does not have yet
    epochs: pa.Table
    confirmed: pa.Table | None = None  # None before the first `confirm`
    early_end: End | None = None  # None if the search begins all its trials
    facts: Mapping[int, Mapping[str, float]] = field(default_factory=dict)  # of the data, by rung

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def objectives(self) -> list[dict[str, str]]:
        """Metric and mode of each objective."""
        plain = self.config["objective"]
        return [dict(one) for one in (plain if isinstance(plain, list) else [plain])]

    @property
    def objective(self) -> dict[str, str]:
        """Metric and mode of the first objective, by which the best trial is named."""
        return self.objectives[0]

    @property
    def constraints(self) -> list[dict[str, Any]]:
        """Metric and bounds of each constraint."""
        return [dict(one) for one in self.config.get("constraint", [])]

    @property
    def status(self) -> str:
        """`running`, `finished`, `interrupted` or `failed` (no trial has a value)."""
        if is_locked(self.path):
            return "running"
        states = self.trials["state"].to_pylist()
        if states and self.best() is None and all(state in ("failed", "diverged") for state in states):
            return "failed"
        trials = self.early_end.trials if self.early_end else self.config["trials"]
        finished = len(states) >= trials and not any(state in ACTIVE for state in states)
        return "finished" if finished else "interrupted"

    def best(self) -> dict[str, Any] | None:
        """The row of the best trial; None before the first value."""
        return best_row(self.trials.to_pylist(), self.objective["mode"])

    def params(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The active parameters in a row of a table. A conditional parameter that is null is inactive."""
        return {
            name: value
            for name, definition in self.config["params"].items()
            if (value := row[f"param/{name}"]) is not None
            or not (isinstance(definition, dict) and "when" in definition)
        }

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """The statistics of the confirmation; None before there is one."""
        if self.confirmed is None:
            return None
        rows = self.trials.to_pylist()
        searched = {row["trial"]: row["objective"] for row in rows}
        early = {row["trial"]: row["epochs"] for row in rows if row["epochs"] < self.config["epochs"]}
        return confirmation(self.confirmed, self.objective["mode"], searched, early)

    def new_data(self) -> NewData | None:
        """The intervals of the confirmation for new seeds and new test samples; None without intervals.

        Raises DamagedFile if the table of test samples can't be read.
        """
        result = self.confirmation
        if self.confirmed is None or result is None:
            return None
        return new_data(result, common_seeds(self.confirmed.to_pylist()), read_test_samples(self.path))

    def winner(self) -> dict[str, Any] | None:
        """The row of the trial that won the confirmation, or of the best trial if there is no winner.

        If the default configuration won and is no trial, the row has its parameters and all else is None.
        """
        result = self.confirmation
        if self.confirmed is None or result is None or result.winner is None:
            return self.best()
        winner = next(row for row in self.confirmed.to_pylist() if row["config"] == result.winner)
        trials = [row for row in self.trials.to_pylist() if row["trial"] == winner["trial"]]
        return trials[0] if trials else {name: winner.get(name) for name in self.trials.column_names}


def best_row(rows: Iterable[Mapping[str, Any]], mode: str) -> dict[str, Any] | None:
    """The trial with the best last value, at whatever rung; None before the first value.

    A model that is better after fewer epochs is the better model. The best of many noisy values is biased
    towards better ones at every rung; `confirm` corrects that.
    """
    return next((dict(row) for row in best_first(rows, mode)), None)


def best_first(rows: Iterable[Mapping[str, Any]], mode: str) -> list[Mapping[str, Any]]:
    """Trials with a value that neither diverged nor failed later, best first, equal ones by number.

    A diverged or failed trial has no usable model. Trials that break a constraint come last.
    """
    sign = 1 if mode == "min" else -1
    ranked = [row for row in rows if row["objective"] is not None and row["state"] not in LOST]
    return sorted(
        ranked, key=lambda row: (row.get("violation") or 0.0, sign * row["objective"], row["trial"])
    )


def open_run(path: str | Path) -> Run:
    """Opens the run in folder `path`. Missing tables are empty.

    Raises DamagedTable if a file that is derived from the journal can't be read (`search/runs/find.py` makes
    it again), and another ValueError if there is no config.yaml, or it or the confirmation can't be read.
    """
    path = Path(path)
    config = read_config_file(path)
    tables = path / "results"
    trials = read_table(tables / TRIALS_FILE, TRIAL_FIELDS)
    rungs = known_rungs(read_table(tables / RUNGS_FILE, RUNG_FIELDS), trials)
    epochs = read_table(tables / EPOCHS_FILE, EPOCH_FIELDS)
    try:
        confirmed = read_parquet(tables / CONFIRM_FILE, CONFIRM_FIELDS, CONFIRM_NULLABLE)
    except ValueError as error:
        advice = f"remove it and train again: python -m search confirm {path.name}"
        raise DamagedFile(tables / CONFIRM_FILE, error, advice) from error
    if confirmed is not None and config.get("grown_from"):
        confirmed = trained_for(confirmed, config["epochs"])
    return Run(
        path.resolve(), config, trials, rungs, epochs, confirmed, read_early_end(path), read_facts(path)
    )


def trained_for(confirmed: pa.Table, epochs: int) -> pa.Table | None:
    """The trainings of a confirmation over so many epochs, which alone compare; None if there are none."""
    trained = confirmed["trained"].to_pylist() if "trained" in confirmed.column_names else []
    rows = [index for index, own in enumerate(trained) if own == epochs]
    return confirmed.take(rows) if rows else None


def read_table(path: Path, fields: Sequence[tuple[str, pa.DataType]]) -> pa.Table:
    """The table in a Parquet file; an empty one with these fields if the file is missing.

    Raises DamagedTable if it can't be read.
    """
    try:
        table = read_parquet(path, fields, NULLABLE)
    except ValueError as error:
        raise DamagedTable(path, error) from error
    return pa.schema(fields).empty_table() if table is None else table


def known_rungs(rungs: pa.Table, trials: pa.Table) -> pa.Table:
    """The rows of `rungs` that `trials` has too. A running search may write between two reads."""
    epochs = dict(zip(trials["trial"].to_pylist(), trials["epochs"].to_pylist(), strict=True))
    known = [row["epochs"] <= epochs.get(row["trial"], 0) for row in rungs.to_pylist()]
    return rungs.filter(pa.array(known, pa.bool_()))


def write_trials(
    run: Path,
    rows: Iterable[Mapping[str, Any]],
    params: Mapping[str, pa.DataType],
    metrics: Sequence[str] = (),
) -> None:
    """Writes `results/trials.parquet`: TRIAL_FIELDS, and the columns of `with_columns`."""
    write_table(with_columns(rows, TRIAL_FIELDS, params, metrics), run / "results" / TRIALS_FILE)


def write_rungs(run: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes `results/rungs.parquet`; the rows must be in the order of `finished_at`."""
    write_table(pa.Table.from_pylist(list(rows), pa.schema(RUNG_FIELDS)), run / "results" / RUNGS_FILE)


def write_epochs(run: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the table of epochs: EPOCH_FIELDS, and a column of float64 for each metric in any row."""
    metrics = sorted({name for row in rows for name in row} - {name for name, _ in EPOCH_FIELDS})
    schema = pa.schema([*EPOCH_FIELDS, *((name, pa.float64()) for name in metrics)])
    write_table(pa.Table.from_pylist(list(rows), schema), run / "results" / EPOCHS_FILE)


def write_confirmed(
    run: Path,
    rows: Iterable[Mapping[str, Any]],
    params: Mapping[str, pa.DataType],
    metrics: Sequence[str] = (),
) -> None:
    """Writes `results/confirm.parquet`: CONFIRM_FIELDS, and the columns of `with_columns`."""
    write_table(with_columns(rows, CONFIRM_FIELDS, params, metrics), run / "results" / CONFIRM_FILE)


def with_columns(
    rows: Iterable[Mapping[str, Any]],
    fields: Sequence[tuple[str, pa.DataType]],
    params: Mapping[str, pa.DataType],
    metrics: Sequence[str],
) -> pa.Table:
    """A table of the fields, of columns `metric/<name>` of numbers, and of columns `param/<name>`.

    Values of a parameter's column of text are converted to text.
    """
    numbers = [(f"metric/{name}", pa.float64()) for name in metrics]
    schema = pa.schema([*fields, *numbers, *((f"param/{name}", kind) for name, kind in params.items())])
    texts = [f"param/{name}" for name, kind in params.items() if kind == pa.string()]
    converted = [{**row, **{key: str(row[key]) for key in texts if row.get(key) is not None}} for row in rows]
    return pa.Table.from_pylist(converted, schema)


def column_type(values: Iterable[object]) -> pa.DataType:
    """The type of a parameter's column, from all values it can take; text if they are of several types."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pa.bool_()
    if kinds <= {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def is_locked(run: Path) -> bool:
    """Whether a search is running in the folder, or on another machine in a copy of it."""
    return is_held(run) or is_elsewhere(run)


def is_held(run: Path) -> bool:
    """Whether a search of this machine is running in the folder. Its lock ends with its process."""
    try:
        with open(run / "run.lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
