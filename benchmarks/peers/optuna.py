"""Optuna: a sampler, and a pruner that stops trials early.

As in Optuna's documentation: `trial.report` after each epoch, `trial.should_prune`, `study.tell`. A pruner is
asked about a diverged trial too, since all of them prune a NaN; without one the trial has failed, as if the
objective function had returned NaN.
"""

import warnings
from collections.abc import Mapping
from typing import Any, final

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from benchmarks.peers.base import Peer
from benchmarks.tasks import Task
from search.core.samplers.optuna_space import suggest


@final
class Optuna(Peer):
    """A study in memory. Without a pruner every trial is trained in full.

    The study is named after `seed`: HyperbandPruner draws the bracket of a trial from that name, which
    Optuna otherwise chooses at random.
    """

    def __init__(self, task: Task, seed: int, sampler: BaseSampler, pruner: BasePruner | None = None) -> None:
        super().__init__(task, step=1 if pruner else task.epochs)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        mode = self.space.objective.mode
        direction = StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE
        self.study = optuna.create_study(
            study_name=str(seed), sampler=sampler, pruner=pruner or NopPruner(), direction=direction
        )
        self.open: dict[int, optuna.Trial] = {}

    def suggest(self, trial: int) -> Mapping[str, Any]:
        self.open[trial] = self.study.ask()
        return suggest(self.space, self.open[trial])

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        self.open[trial].report(value, epoch)
        if epoch == self.epochs:
            self.study.tell(self.open.pop(trial), value)
        elif self.open[trial].should_prune():
            self.study.tell(self.open.pop(trial), state=TrialState.PRUNED)
        return trial in self.open

    def failed(self, trial: int, epoch: int, value: float) -> None:
        own = self.open.pop(trial)
        own.report(value, epoch)
        self.study.tell(own, state=TrialState.PRUNED if own.should_prune() else TrialState.FAIL)


def tpe(seed: int) -> BaseSampler:
    """TPESampler; `constant_liar` is what its documentation recommends for parallel trials."""
    return TPESampler(seed=seed, constant_liar=True)


def gp(seed: int) -> BaseSampler:
    """GPSampler with its defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return GPSampler(seed=seed)
