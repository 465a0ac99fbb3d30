"""TPE on one rung: tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011), by Optuna.

A value after one epoch says little about a value after 27, so the model is fitted to the values of one rung.
The choice of the rung is BOHB's rule (Falkner et al., ICML 2018): the highest with enough values.
"""

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any, Self, final

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

from search.core.history import History, Observation
from search.core.samplers.base import MIN_VALUES, Params, Sampler
from search.core.samplers.optuna_space import distributions, propose
from spaces.seeds import derive_seed

MAX_VALUES = 250  # values that a model is fitted to, so that late proposals take no longer than early ones
MAX_GOOD = 25  # values that Optuna's TPE counts as good, at most
MAX_PROPOSALS = 32  # proposals of one model
FINITE = 1e300  # in place of infinity, which Optuna does not take


@final
class Tpe(Sampler):
    """Optuna's TPESampler, fitted from scratch in each call."""

    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        trials = model_trials(History.of(history), distributions(self.space))
        proposals: list[Params] = []
        while len(proposals) < count:
            # Each proposal counts as running, which makes the next one slower; so a new study now and then.
            seed = derive_seed(self.seed, len(history), len(proposals))
            study = optuna.create_study(sampler=tpe_sampler(seed))
            study.add_trials(trials)
            number = min(MAX_PROPOSALS, count - len(proposals))
            proposals += [propose(self.space, study, derive_seed(seed, n)) for n in range(number)]
        return proposals


def tpe_sampler(seed: int) -> TPESampler:
    """The sampler: multivariate; running trials count as bad, so that they are not proposed again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group
        # group: one model for parameters that are active together, one for each other group.
        return TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=MIN_VALUES, constant_liar=True
        )


def model_rung(history: History) -> int:
    """The highest rung with MIN_VALUES finished values; the first if there is none."""
    return max((rung for rung, places in history.ranked.items() if len(places) >= MIN_VALUES), default=0)


def model_trials(history: History, space: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    """The history as Optuna trials of one rung: complete with its value, or running on the way to it."""
    rung = model_rung(history)
    positions = [position for _, position in history.ranked[rung]]
    if len(positions) > MAX_VALUES:
        # TPE models the good values against the rest, so a sample of the rest suffices.
        rest, keep = positions[MAX_GOOD:], MAX_VALUES - MAX_GOOD
        positions = positions[:MAX_GOOD] + [rest[i * len(rest) // keep] for i in range(keep)]
    else:
        positions.sort()
    finished = [history[position] for position in positions]
    running = [history[position] for position in history.busy if len(history[position].values) <= rung]
    values = [*(min(trial.values[rung], FINITE) for trial in finished), *[None] * len(running)]
    return [
        known_trial(trial, value, space) for trial, value in zip([*finished, *running], values, strict=True)
    ]


@final
class Known(FrozenTrial):
    """A trial that a study takes without a deep copy, which would take most of the time of a proposal."""

    def __deepcopy__(self, memo: Any) -> Self:
        return copy(self)


def known_trial(
    trial: Observation, value: float | None, space: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    """A trial of Optuna: complete with a value, or running."""
    now = datetime.now()
    return Known(
        number=-1,  # as in Optuna's create_trial: the study gives it a number
        trial_id=-1,
        state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
        value=value,
        datetime_start=now,
        datetime_complete=None if value is None else now,
        params=dict(trial.params),
        distributions={name: space[name] for name in trial.params},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
