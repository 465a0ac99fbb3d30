"""A run's tables in Parquet, and how to open them.

`results/trials.parquet` has a row a trial, `results/epochs/*.parquet` a row a trial and epoch. Both are
derived from the run's study and can be written again from it. `results/confirm.parquet` has a row for each
training of a confirmation. A file is written to a temporary name and renamed: a reader never sees half of
one.
"""

import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from results.stats import Confirmation, confirmation

TRIAL_FIELDS = [
    ("trial", pa.int64()),
    ("state", pa.string()),
    ("rung", pa.int64()),  # the last one finished, counted from 0; null before the first
    ("epochs", pa.int64()),
    ("objective", pa.float64()),  # at that rung
    ("seconds", pa.float64()),
    ("device", pa.string()),
    ("node", pa.string()),
    ("error", pa.string()),
]
EPOCH_FIELDS = [("trial", pa.int64()), ("epoch", pa.int64()), ("seconds", pa.float64())]
CONFIRM_FIELDS = [
    ("config", pa.string()),  # "trial 7" or "default"
    ("trial", pa.int64()),  # null if the default is no trial
    ("seed", pa.int64()),
    ("state", pa.string()),  # complete, diverged or failed; only what is complete has the next three
    ("epoch", pa.int64()),  # the one with the best validation, whose weights are scored and kept
    ("val", pa.float64()),  # the objective there
    ("test", pa.float64()),  # the objective on the test split
    ("seconds", pa.float64()),
    ("checkpoint", pa.string()),  # relative to the run's folder
    ("error", pa.string()),
]
EPOCHS_FILE = "00000.parquet"
CONFIRM_FILE = "confirm.parquet"
ACTIVE = ("running", "paused")


@dataclass(frozen=True)
class Run:
    """A run as its folder tells it. `trials`, `epochs` and `confirmed` are Arrow tables."""

    path: Path
    config: Mapping[str, Any]
    trials: pa.Table
    epochs: pa.Table
    confirmed: pa.Table | None = None  # a row a configuration and seed; None before `confirm`

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def status(self) -> str:
        """`running`, `finished`, `interrupted` or `failed` (no trial has a value)."""
        if is_locked(self.path):
            return "running"
        states = self.trials["state"].to_pylist()
        if states and self.best() is None and all(state in ("failed", "diverged") for state in states):
            return "failed"
        whole = len(states) >= self.config["trials"] and not any(state in ACTIVE for state in states)
        return "finished" if whole else "interrupted"

    def best(self) -> dict[str, Any] | None:
        """The row of the best trial; None before the first value."""
        return best_row(self.trials.to_pylist(), self.config["objective"]["mode"])

    def params(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in a row of a table. Null in one that counts only sometimes: it did not count."""
        values = {name: (row[f"param/{name}"], plain) for name, plain in self.config["params"].items()}
        return {
            name: value
            for name, (value, plain) in values.items()
            if value is not None or not (isinstance(plain, dict) and "when" in plain)
        }

    def confirmation(self) -> Confirmation | None:
        """What the confirmation says; None before there is one."""
        if self.confirmed is None:
            return None
        rows = self.trials.to_pylist()
        searched = {row["trial"]: row["objective"] for row in rows}
        early = {row["trial"]: row["epochs"] for row in rows if row["epochs"] < self.config["epochs"]}
        return confirmation(self.confirmed, self.config["objective"]["mode"], searched, early)

    def winner(self) -> dict[str, Any] | None:
        """The row of the trial that won the confirmation; of the best trial where nothing has.

        If the winner is the default and that was no trial, a row that has its parameters and no number.
        """
        said = self.confirmation()
        if self.confirmed is None or said is None or said.winner is None:
            return self.best()
        won = next(row for row in self.confirmed.to_pylist() if row["config"] == said.winner)
        known = [row for row in self.trials.to_pylist() if row["trial"] == won["trial"]]
        return known[0] if known else {name: won.get(name) for name in self.trials.column_names}


def best_row(rows: Iterable[Mapping[str, Any]], mode: str) -> dict[str, Any] | None:
    """The trial whose last value is best, whatever its rung; None before the first value.

    A model that is better after fewer epochs is the better model; one that has diverged is none. That the
    best of many noisy values flatters its trial is another matter, and the same at every rung.
    """
    return next((dict(row) for row in best_first(rows, mode)), None)


def best_first(rows: Iterable[Mapping[str, Any]], mode: str) -> list[Mapping[str, Any]]:
    """The trials that have a value and did not diverge after it, the best first; of equal ones the earlier.

    Of a trial that diverged nothing is left to be used, and it would diverge again.
    """
    sign = 1 if mode == "min" else -1
    valued = [row for row in rows if row["objective"] is not None and row["state"] != "diverged"]
    return sorted(valued, key=lambda row: (sign * row["objective"], row["trial"]))


def open_run(path: str | Path) -> Run:
    """The run in folder `path`. Raises ValueError if that is no run."""
    path = Path(path)
    try:
        config = yaml.safe_load((path / "config.yaml").read_text())
    except OSError as error:
        raise ValueError(f"{path} is not a run: it has no config.yaml (python -m search list)") from error
    trials_file = path / "results" / "trials.parquet"
    trials = pq.read_table(trials_file) if trials_file.exists() else pa.schema(TRIAL_FIELDS).empty_table()
    epochs_file = path / "results" / "epochs" / EPOCHS_FILE
    epochs = pq.read_table(epochs_file) if epochs_file.exists() else pa.schema(EPOCH_FIELDS).empty_table()
    confirm_file = path / "results" / CONFIRM_FILE
    confirmed = pq.read_table(confirm_file) if confirm_file.exists() else None
    return Run(path.resolve(), config, trials, epochs, confirmed)


def write_trials(run: Path, rows: Iterable[Mapping[str, Any]], params: Mapping[str, pa.DataType]) -> None:
    """Writes `results/trials.parquet`: the fields above, and a typed column `param/<name>` each."""
    write(with_params(rows, TRIAL_FIELDS, params), run / "results" / "trials.parquet")


def write_epochs(run: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the epochs table; every metric that occurs gets a column of float64."""
    metrics = sorted({name for row in rows for name in row} - {name for name, _ in EPOCH_FIELDS})
    schema = pa.schema([*EPOCH_FIELDS, *((name, pa.float64()) for name in metrics)])
    write(pa.Table.from_pylist(rows, schema), run / "results" / "epochs" / EPOCHS_FILE)


def write_confirmed(run: Path, rows: Iterable[Mapping[str, Any]], params: Mapping[str, pa.DataType]) -> None:
    """Writes `results/confirm.parquet`: the fields above, and a typed column `param/<name>` each."""
    write(with_params(rows, CONFIRM_FIELDS, params), run / "results" / CONFIRM_FILE)


def with_params(
    rows: Iterable[Mapping[str, Any]],
    fields: Sequence[tuple[str, pa.DataType]],
    params: Mapping[str, pa.DataType],
) -> pa.Table:
    """A table of the fields and a column `param/<name>` each; in a column of text, all values as text."""
    schema = pa.schema([*fields, *((f"param/{name}", kind) for name, kind in params.items())])
    texts = [f"param/{name}" for name, kind in params.items() if kind == pa.string()]
    found = [{**row, **{key: str(row[key]) for key in texts if row.get(key) is not None}} for row in rows]
    return pa.Table.from_pylist(found, schema)


def column_type(values: Iterable[object]) -> pa.DataType:
    """The type of a parameter's column, from the values that it may take; text for those of several types."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pa.bool_()
    if kinds <= {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary)
    temporary.replace(path)


def is_locked(run: Path) -> bool:
    """Whether a search is at work in the folder: it holds a lock that ends with its process."""
    try:
        with open(run / "run.lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
