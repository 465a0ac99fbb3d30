"""Proposes configurations from what all finished rungs have shown. Optuna's samplers stand behind it.

Rung-honest: a value after one epoch says little about a value after 27, so the model is fitted to values
of one rung at a time, the highest that enough trials have finished. It is made anew for each proposal:
a pure function of the history, so there is no state to keep, and a resumed search goes on as if it had
never stopped.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config import SAMPLERS
from spaces.params import Choice, Param, Range
from spaces.space import Space

ENOUGH = 10  # finished values before a rung can be modelled; TPE's own n_startup_trials
MOST = 250  # values a model is fitted to, so that a proposal costs the same late in a search as early
AT_ONCE = 32  # proposals from one model


@dataclass(frozen=True)
class Observation:
    """A trial as the sampler sees it: objectives by rung, less is better; `busy` if it is being trained."""

    params: Mapping[str, Any]
    values: tuple[float, ...]
    busy: bool


def propose(
    space: Space, history: Sequence[Observation], count: int, *, sampler: str, seed: int
) -> list[dict[str, Any]]:
    """`count` configurations to try next.

    `history` holds all trials in the order of their numbers. Equal arguments give equal proposals.
    """
    distributions = {name: distribution(param) for name, param in space.params.items()}
    seen = observed(history, distributions) if sampler != "random" else []
    proposals: list[dict[str, Any]] = []
    while len(proposals) < count:
        # What has been asked for counts as running, which makes each further one dearer; so begin anew.
        key = hash((seed, len(history), len(proposals))) % 2**32
        study = optuna.create_study(sampler=make_sampler(sampler, key))
        study.add_trials(seen)
        proposals += [configuration(space, study.ask()) for _ in range(min(AT_ONCE, count - len(proposals)))]
    return proposals


def configuration(space: Space, trial: optuna.Trial) -> dict[str, Any]:
    """What the study's sampler suggests for each parameter that counts."""

    def suggest(name: str, param: Param, values: Mapping[str, Any]) -> Any:
        match param:
            case Choice(options):
                return trial.suggest_categorical(name, options)
            case Range(low, high, log) if param.whole:
                return trial.suggest_int(name, int(low), int(high), log=log)
            case Range(low, high, log):
                return trial.suggest_float(name, low, high, log=log)

    return space.configuration(suggest)


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Optuna's sampler of that name. Raises ValueError if there is none."""
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "tpe":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group
            # group: parameters that count together are modelled together, the rest in groups of their own.
            return TPESampler(
                seed=seed, multivariate=True, group=True, n_startup_trials=ENOUGH, constant_liar=True
            )
    raise ValueError(f"sampler is {name!r}, but must be one of {', '.join(SAMPLERS)} (sampler=...)")


def model_rung(history: Sequence[Observation]) -> int:
    """The highest rung that enough trials have finished; the first one if there is none."""
    highest = max((len(seen.values) for seen in history), default=0)
    for rung in reversed(range(highest)):
        if sum(len(seen.values) > rung for seen in history) >= ENOUGH:
            return rung
    return 0


def observed(
    history: Sequence[Observation], distributions: Mapping[str, BaseDistribution]
) -> list[FrozenTrial]:
    """The history as Optuna trials of one rung: values where there are any, RUNNING where one is due."""
    rung = model_rung(history)
    finished = [seen for seen in history if len(seen.values) > rung]
    if len(finished) > MOST:
        # TPE models the best 25 at most against the rest, so a sample of the rest will do.
        ranked = sorted(finished, key=lambda seen: seen.values[rung])
        rest = ranked[25:]
        finished = ranked[:25] + [rest[i * len(rest) // (MOST - 25)] for i in range(MOST - 25)]
    due = [seen for seen in history if seen.busy and len(seen.values) <= rung]
    return [
        past(seen, distributions, seen.values[rung] if not isinf(seen.values[rung]) else 1e300)
        for seen in finished
    ] + [past(seen, distributions, None) for seen in due]


def past(
    seen: Observation, distributions: Mapping[str, BaseDistribution], value: float | None
) -> FrozenTrial:
    """An observation as an Optuna trial, RUNNING if it has no value."""
    return create_trial(
        state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
        value=value,
        params=dict(seen.params),
        distributions={name: distributions[name] for name in seen.params},
    )


def distribution(param: Param) -> BaseDistribution:
    """Optuna's word for a parameter of a space."""
    match param:
        case Choice(options):
            return CategoricalDistribution(options)
        case Range(low, high, log) if param.whole:
            return IntDistribution(int(low), int(high), log=log)
        case Range(low, high, log):
            return FloatDistribution(low, high, log=log)
