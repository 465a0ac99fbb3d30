"""What a run's journal tells beside its tables: when each rung was finished, and with what value."""

from dataclasses import dataclass

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from results.store import Run


@dataclass(frozen=True)
class Finish:
    """A trial has finished a rung."""

    trial: int
    epochs: int  # the rung
    value: float  # the objective there
    at: float  # seconds since the first trial was begun
    seconds: float  # that the trial had been trained for


def history(run: Run) -> list[Finish]:
    """Every finished rung of every trial, in the order of time. Reads `study.log` and changes nothing.

    What the table of trials does not have yet is left out: while a search runs, its journal is ahead of it.
    """
    path = run.path / "study.log"
    if not path.exists():
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path)))
    studies = storage.get_all_studies()
    trials = storage.get_all_trials(studies[0]._study_id, deepcopy=False) if studies else []
    begun = min((trial.datetime_start.timestamp() for trial in trials if trial.datetime_start), default=0.0)
    known = {row["trial"]: row["epochs"] for row in run.trials.to_pylist()}
    found = [
        Finish(trial.number, epochs, value, how["at"] - begun, how["seconds"])
        for trial in trials
        for epochs, value in trial.intermediate_values.items()
        if epochs <= known.get(trial.number, 0) and (how := trial.user_attrs.get(f"rung/{epochs}"))
    ]
    return sorted(found, key=lambda finish: (finish.at, finish.trial))
