"""The tables of a run, derived from its study: trials, rungs, epochs, and the facts of its data."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from results.config_file import read_config_file
from results.facts import STOP_FILE, end_of, write_early_end, write_facts
from results.store import Run, column_type, open_run, write_epochs, write_rungs, write_trials
from search.config.run_config import from_plain
from search.core.job import LOST, Trial
from search.core.ranking import is_front, last_vector
from search.core.study import Study
from search.runs.journal import open_study
from spaces.params import Choice, Range
from spaces.space import Space


def write_tables(folder: Path, study: Study, trials: Iterable[Trial]) -> None:
    """Writes all tables of the run in `folder`; `trials` have the states of this moment."""
    space = study.space
    write_trials(folder, trial_rows(space, list(trials)), column_types(space), further_metrics(space))
    write_rungs(folder, study.rung_rows())
    write_epochs(folder, sorted(study.epoch_rows(), key=lambda row: (row["trial"], row["epoch"])))
    write_facts(folder, study.facts())
    if end := study.early_end():
        write_early_end(folder, end_of(end))
    else:
        (folder / STOP_FILE).unlink(missing_ok=True)  # a torn one, or a copy's


def with_tables(run: Run) -> Run:
    """The run, after its tables are rebuilt from its journal if there is no table of rungs.

    That is so in a run of an earlier version, which had none.
    """
    if run.rungs.num_rows or run.status == "running" or not (run.path / "study.log").exists():
        return run
    return rebuild(run.path)


def rebuild(folder: Path) -> Run:
    """Writes all tables of a run that is not running from its journal, and opens it.

    Raises ValueError if the journal or the configuration is damaged, or the folder can't be written.
    """
    config = from_plain(read_config_file(folder), str(folder / "config.yaml"))
    study = open_study(folder, config, writable=False)
    try:
        write_tables(folder, study, study.trials())
    except OSError as error:
        raise ValueError(f"the tables of {folder} can't be made again: {error}") from error
    return open_run(folder)


def trial_rows(space: Space, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """The rows of the table of trials."""
    rows = [trial_row(trial) for trial in trials]
    if space.ranks_by_value:
        return rows
    valued = [number for number, trial in enumerate(trials) if trial.values and trial.state not in LOST]
    vectors = np.array([last_vector(space, trials[number]) for number in valued])
    fronts = is_front(vectors).tolist() if valued and space.further_objectives else [None] * len(valued)
    for number, vector, front in zip(valued, vectors, fronts, strict=True):
        rows[number] |= {"violation": float(vector[0]) if space.constraints else None, "front": front}
    return rows


def trial_row(trial: Trial) -> dict[str, Any]:
    """A trial as a row of the table of trials, without its place among the others."""
    metrics = trial.metrics[-1] if trial.metrics else {}
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
    } | named_columns(trial.params, metrics)


def named_columns(params: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    """Parameters and metrics under the names of their columns."""
    return {f"metric/{name}": value for name, value in metrics.items()} | {
        f"param/{name}": value for name, value in params.items()
    }


def column_types(space: Space) -> dict[str, pa.DataType]:
    """The type of the column of each parameter."""
    return {
        name: column_type(param.options if isinstance(param, Choice) else (bound(param),))
        for name, param in space.params.items()
    }


def further_metrics(space: Space) -> list[str]:
    """The metrics that rank trials beside the first objective."""
    return [name for name in space.ranking_metrics if name != space.objective.metric]


def bound(param: Range) -> int | float:
    """The lower bound, of the type that the values of the range have."""
    return int(param.low) if param.is_integer else float(param.low)
