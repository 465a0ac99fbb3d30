"""A space in Optuna's terms: distributions of its parameters, and configurations asked of a study."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from spaces.params import Choice, Param, Range
from spaces.space import Space


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The distribution of each parameter, by name."""
    return {name: distribution(param) for name, param in space.params.items()}


def distribution(param: Param) -> BaseDistribution:
    """The distribution of one parameter."""
    match param:
        case Choice(options):
            return CategoricalDistribution(options)
        case Range(low, _, log, step) if param.is_integer:
            return IntDistribution(int(low), int(param.last), log=log, step=int(step or 1))
        case Range(low, _, log, step):
            return FloatDistribution(low, param.last, log=log, step=step)


def propose(space: Space, study: optuna.Study, seed: int) -> dict[str, Any]:
    """A suggestion of the study that keeps the rules of the space (`Space.kept`)."""
    return space.kept(lambda: suggest(space, study.ask()), seed)


def suggest(space: Space, trial: optuna.Trial) -> dict[str, Any]:
    """A configuration: the suggestion of the trial's study for each active parameter."""

    def value(name: str, param: Param, values: Mapping[str, Any]) -> Any:
        match param:
            case Choice(options):
                return trial.suggest_categorical(name, options)
            case Range(low, _, log, step) if param.is_integer:
                return trial.suggest_int(name, int(low), int(param.last), log=log, step=int(step or 1))
            case Range(low, _, log, step):
                # Optuna's sums have rounding errors: 0.1 + 0.2 is 0.30000000000000004.
                return param.nearest(trial.suggest_float(name, low, param.last, log=log, step=step))

    return space.configuration(value)
