"""Ray Tune: ASHAScheduler with OptunaSearch, without starting Ray.

The two objects are called in the order of Ray's `TuneController`: the scheduler decides on each result; the
searcher learns it, or, when the trial ends, its last result. A diverged trial has raised. Ray asks for one
suggestion ahead of a free worker; here the suggestion is made when the worker is free, with all results.
"""

import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, final

import optuna
from ray.tune.schedulers import ASHAScheduler
from ray.tune.schedulers.trial_scheduler import TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.peers.base import Peer
from benchmarks.tasks import Task
from search.core.samplers.optuna_space import suggest


@final
class RayAsha(Peer):
    """`options` are those of ASHAScheduler, beside the metric, the mode and the last epoch."""

    def __init__(self, task: Task, seed: int, **options: int) -> None:
        super().__init__(task)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("ray.tune").setLevel(logging.ERROR)
        objective = task.space.objective
        names = {"metric": objective.metric, "mode": objective.mode}
        self.scheduler = ASHAScheduler(**names, max_t=task.epochs, **options)
        self.searcher = OptunaSearch(lambda trial: suggest(task.space, trial), **names, seed=seed)

    def suggest(self, trial: int) -> Mapping[str, Any]:
        params: Mapping[str, Any] = self.searcher.suggest(str(trial))
        self.scheduler.on_trial_add(None, ray_trial(trial))
        return params

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        result = {"training_iteration": epoch, self.space.objective.metric: value}
        if self.scheduler.on_trial_result(None, ray_trial(trial), result) != TrialScheduler.STOP:
            self.searcher.on_trial_result(str(trial), result)
            return True
        self.scheduler.on_trial_complete(None, ray_trial(trial), result)
        self.searcher.on_trial_complete(str(trial), result)
        return False

    def failed(self, trial: int, epoch: int, value: float) -> None:
        self.scheduler.on_trial_error(None, ray_trial(trial))
        self.searcher.on_trial_complete(str(trial), error=True)


def ray_trial(trial: int) -> Any:
    """Stands in for Ray's Trial, of which ASHAScheduler reads this field alone."""
    return SimpleNamespace(trial_id=str(trial))
