"""The tables of a run, derived from its study: trials, rungs, epochs, and the facts of its data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from results.store import Run, column_type, open_run, write_epochs, write_facts, write_rungs, write_trials
from search.core.job import Trial
from search.core.study import Study
from search.runs.folder import read_config
from spaces.params import Choice, Range
from spaces.space import Space


def write_tables(folder: Path, study: Study, trials: Iterable[Trial]) -> None:
    """Writes all tables of the run in `folder`; `trials` have the states of this moment."""
    write_trials(folder, [trial_row(trial) for trial in trials], column_types(study.space))
    write_rungs(folder, study.rung_rows())
    write_epochs(folder, sorted(study.epoch_rows(), key=lambda row: (row["trial"], row["epoch"])))
    write_facts(folder, study.facts())


def with_tables(run: Run) -> Run:
    """The run, after its tables are rebuilt from its journal if there is no table of rungs.

    That is so in a run of an earlier version, which had none.
    """
    journal = run.path / "study.log"
    if run.rungs.num_rows or run.status == "running" or not journal.exists():
        return run
    config = read_config(run)
    study = Study(journal, config.space, config.rungs, writable=False)
    write_tables(run.path, study, study.trials())
    return open_run(run.path)


def trial_row(trial: Trial) -> dict[str, Any]:
    """A trial as a row of the table of trials."""
    return {
        "trial": trial.number,
        "state": trial.state.value,
        "rung": len(trial.values) - 1 if trial.values else None,
        "epochs": trial.epochs,
        "objective": trial.values[-1] if trial.values else None,
        "seconds": trial.seconds,
        "device": trial.device or None,
        "node": trial.node or None,
        "error": trial.error,
    } | {f"param/{name}": value for name, value in trial.params.items()}


def column_types(space: Space) -> dict[str, pa.DataType]:
    """The type of the column of each parameter."""
    return {
        name: column_type(param.options if isinstance(param, Choice) else (bound(param),))
        for name, param in space.params.items()
    }


def bound(param: Range) -> int | float:
    """The lower bound, of the type that the values of the range have."""
    return int(param.low) if param.is_integer else float(param.low)
