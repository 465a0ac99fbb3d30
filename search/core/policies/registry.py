"""All policies by the name that `sampler=NAME` takes: ASHA's rule with each sampler, and the joint one."""

from collections.abc import Callable
from functools import partial

from search.core.policies.asha import Asha
from search.core.policies.base import Policy, Problem
from search.core.policies.ladder import Ladder
from search.core.samplers.registry import SAMPLERS

POLICIES: dict[str, Callable[[Problem], Policy]] = {
    **{name: partial(Asha, sampler) for name, sampler in SAMPLERS.items()},
    "ladder": Ladder,
}
