"""The settings that a replay compares: each combination of the values given for eta, grace and sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, final

from search.config.run_config import Eta, RunConfig, one_of
from search.core.policies.base import Problem
from search.core.policies.registry import POLICIES
from search.core.rungs import milestones
from spaces.validation import PositiveInt, check_value


@final
@dataclass(frozen=True)
class Setting:
    """Settings of a search."""

    eta: int
    grace: int
    sampler: str


def settings_of(
    config: RunConfig, eta: Sequence[Any], grace: Sequence[Any], sampler: Sequence[Any]
) -> list[Setting]:
    """All combinations, each once; an empty list has the run's own value.

    Raises ValueError for a value that no search of the run's space could have.
    """
    for value in eta:
        check_value(Eta, "eta", value)
    for value in grace:
        check_value(PositiveInt, "grace", value)
    for name in sampler:
        one_of("sampler", name, POLICIES)
    combinations = product(sampler or [config.sampler], grace or [config.grace], eta or [config.eta])
    settings = list(dict.fromkeys(Setting(eta, grace, sampler) for sampler, grace, eta in combinations))
    for one in settings:
        rungs = milestones(one.grace, one.eta, config.epochs)
        POLICIES[one.sampler](Problem(config.space, rungs, one.eta, config.seed))
    return settings
