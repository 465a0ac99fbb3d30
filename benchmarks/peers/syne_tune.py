"""Syne Tune's schedulers, driven as by its Tuner. Needs the extra `peers`.

Its spaces have no conditions: it chooses a value for every parameter, and the configuration keeps those that
are active. Logarithmic ranges are passed as uniform ranges of the logarithm: that is the same for its random
search and its trees, and its density estimates (BOHB) would ignore the logarithm. A diverged trial has
failed.
"""

import logging
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from math import exp, log
from typing import Any, final

import numpy as np
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.baselines import ASHA, BOHB, CQR
from syne_tune.optimizer.scheduler import SchedulerDecision

from benchmarks.peers.base import Peer
from benchmarks.tasks import Task
from spaces.params import Choice, Param, Value
from spaces.space import Space

EARLY = {"asha": ASHA, "bohb": BOHB}  # these stop trials
FULL = {"cqr": CQR}  # these train every trial in full
CREATED = datetime(2026, 1, 1, tzinfo=UTC)  # of all trials; no scheduler reads it


@final
class SyneTune(Peer):
    """`scheduler` is a key of EARLY or FULL; `grace` and `eta` are for those of EARLY."""

    def __init__(self, task: Task, seed: int, scheduler: str, grace: int, eta: int) -> None:
        super().__init__(task, step=task.epochs if scheduler in FULL else 1)
        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # parts of Syne Tune draw from the global generator
        objective = task.space.objective
        options: dict[str, Any] = {
            "config_space": {name: domain(param) for name, param in task.space.params.items()},
            "metric": objective.metric,
            "do_minimize": objective.mode == "min",
            "random_seed": seed % 2**31,
        }
        if scheduler in EARLY:
            options |= {
                "time_attr": "epoch",
                "max_t": task.epochs,
                "grace_period": grace,
                "reduction_factor": eta,
            }
        self.scheduler = (EARLY | FULL)[scheduler](**options)
        self.open: dict[int, Trial] = {}

    def suggest(self, trial: int) -> Mapping[str, Any]:
        suggestion = self.scheduler.suggest()
        self.open[trial] = Trial(trial, suggestion.config, CREATED)
        self.scheduler.on_trial_add(self.open[trial])
        return configuration(self.space, suggestion.config)

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        own = self.open[trial]
        result = {"epoch": epoch, self.space.objective.metric: value}
        if self.scheduler.on_trial_result(own, result) == SchedulerDecision.STOP:
            self.scheduler.on_trial_remove(own)
            return False
        if epoch == self.epochs:
            self.scheduler.on_trial_complete(own, result)
        return True

    def failed(self, trial: int, epoch: int, value: float) -> None:
        self.scheduler.on_trial_error(self.open[trial])


def domain(param: Param) -> Any:
    """A parameter in Syne Tune's terms. An option is its position, as text; one alone is a constant."""
    if isinstance(param, Choice):
        names = [str(position) for position in range(len(param.options))]
        return config_space.choice(names) if len(names) > 1 else names[0]
    if param.log:
        return config_space.uniform(log(param.low), log(param.high))
    if param.is_integer:
        return config_space.randint(int(param.low), int(param.high))
    return config_space.uniform(param.low, param.high)


def configuration(space: Space, config: Mapping[str, Any]) -> dict[str, Value]:
    """The configuration of the space for one of Syne Tune's."""

    def value(name: str, param: Param, _: Mapping[str, Value]) -> Value:
        if isinstance(param, Choice):
            return param.options[int(config[name])]
        number = exp(config[name]) if param.log else config[name]
        number = min(max(number, param.low), param.high)
        return round(number) if param.is_integer else number

    return space.configuration(value)
