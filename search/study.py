"""The one persistent Optuna study of a run: its journal file is the whole state of the search.

A finished Optuna trial can't be changed, so a trial stays RUNNING there while it may yet be promoted. Its
rung values are its intermediate values; how it came by each stands in a user attribute `rung/<epochs>`,
written first: a rung counts as finished once its value is there.
"""

import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.job import State, Trial
from search.sampler import distribution
from spaces.space import Space

OPTUNA_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.STOPPED: TrialState.PRUNED,
    State.DIVERGED: TrialState.FAIL,
    State.FAILED: TrialState.FAIL,
}


class FileLock(BaseJournalFileLock):
    """The operating system's lock on the journal, which no process can leave behind.

    Optuna's own is a file beside it: a Ctrl-C while that was made or removed came out as another error, and
    one that was left behind held the next process up for 30 seconds.
    """

    def __init__(self, path: Path) -> None:
        self.file = open(path, "ab")  # noqa: SIM115 (open as long as the study)

    def acquire(self) -> bool:
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        fcntl.flock(self.file, fcntl.LOCK_UN)


class Study:
    """Creates trials and writes down what became of them; `trials()` reads all of it back."""

    def __init__(self, path: Path, space: Space, rungs: Sequence[int]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.rungs = space, tuple(rungs)
        self.distributions = {name: distribution(param) for name, param in space.params.items()}
        mend(path)
        self.storage = JournalStorage(JournalFileBackend(str(path), FileLock(path)))
        direction = StudyDirection.MINIMIZE if space.objective.mode == "min" else StudyDirection.MAXIMIZE
        name = path.parent.name
        known = {study.study_name: study._study_id for study in self.storage.get_all_studies()}
        self.study_id = known[name] if name in known else self.storage.create_new_study([direction], name)

    def create(self, params: Mapping[str, Any]) -> Trial:
        """A new trial with these parameters."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions={name: self.distributions[name] for name in params},
        )
        trial_id = self.storage.create_new_trial(self.study_id, template)
        return Trial(number=self.storage.get_trial_number_from_id(trial_id), params=dict(params))

    def trained(self, trial: Trial, rung: int, epochs: Sequence[Mapping[str, Any]]) -> None:
        """A job has brought the trial to rung `rung`, or it has diverged on the way there.

        `epochs` are the rows of the epochs that the job trained.
        """
        how = {
            "checkpoint": trial.checkpoint,
            "seconds": trial.seconds,
            "device": trial.device,
            "node": trial.node,
            "trained": trial.epochs,
            "epochs": list(epochs),
            "at": time.time(),
        }
        trial_id = self._id(trial)
        self.storage.set_trial_user_attr(trial_id, f"rung/{self.rungs[rung]}", how)
        if len(trial.values) > rung:
            self.storage.set_trial_intermediate_value(trial_id, self.rungs[rung], trial.values[rung])

    def end(self, trial: Trial) -> None:
        """The trial is over: complete, stopped, diverged or failed. The last thing said of it."""
        trial_id = self._id(trial)
        self.storage.set_trial_user_attr(trial_id, "state", trial.state.value)
        if trial.error:
            self.storage.set_trial_user_attr(trial_id, "error", trial.error)
        value = [trial.values[-1]] if trial.state in (State.COMPLETE, State.STOPPED) else None
        self.storage.set_trial_state_values(trial_id, OPTUNA_STATES[trial.state], value)

    def trials(self) -> list[Trial]:
        """All trials in the order of their numbers. What was running when the run broke off is paused."""
        return [self._trial(frozen) for frozen in self.storage.get_all_trials(self.study_id, deepcopy=False)]

    def epochs(self) -> list[dict[str, Any]]:
        """The rows of all epochs that count: of finished rungs, and of trials that have ended."""
        return [
            row
            for frozen in self.storage.get_all_trials(self.study_id, deepcopy=False)
            for rung in self._kept(frozen)
            for row in rung["epochs"]
        ]

    def _id(self, trial: Trial) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial.number)

    def _kept(self, frozen: FrozenTrial) -> list[dict[str, Any]]:
        """What is noted of each rung that is finished, or that the trial ended on the way to."""
        return [
            frozen.user_attrs[f"rung/{epochs}"]
            for epochs in self.rungs
            if f"rung/{epochs}" in frozen.user_attrs
            and (epochs in frozen.intermediate_values or frozen.state.is_finished())
        ]

    def _trial(self, frozen: FrozenTrial) -> Trial:
        last = (self._kept(frozen) or [{}])[-1]
        ended = frozen.state.is_finished()
        return Trial(
            number=frozen.number,
            params=dict(frozen.params),
            state=State(frozen.user_attrs["state"]) if ended else State.PAUSED,
            values=tuple(
                frozen.intermediate_values[epochs]
                for epochs in self.rungs
                if epochs in frozen.intermediate_values
            ),
            epochs=last.get("trained", 0),
            checkpoint=last.get("checkpoint"),
            error=frozen.user_attrs.get("error"),
            seconds=last.get("seconds", 0.0),
            device=last.get("device", ""),
            node=last.get("node", ""),
        )


def mend(path: Path) -> None:
    """Takes out of a journal what a killed process left: half a last line.

    Only for who holds the run's own lock (search/run.py): then nobody else is writing.
    """
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
