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
        case Range(low, high, log) if param.is_integer:
            return IntDistribution(int(low), int(high), log=log)
        case Range(low, high, log):
            return FloatDistribution(low, high, log=log)


def suggest(space: Space, trial: optuna.Trial) -> dict[str, Any]:
    """A configuration: the suggestion of the trial's study for each active parameter."""

    def value(name: str, param: Param, values: Mapping[str, Any]) -> Any:
        match param:
            case Choice(options):
                return trial.suggest_categorical(name, options)
            case Range(low, high, log) if param.is_integer:
                return trial.suggest_int(name, int(low), int(high), log=log)
            case Range(low, high, log):
                return trial.suggest_float(name, low, high, log=log)

    return space.configuration(value)
