"""All policies by the name that `sampler=NAME` takes: ASHA's rule with each sampler, and the joint one."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from search.core.history import Observation
from search.core.policies.asha import Asha
from search.core.policies.base import Policy
from search.core.policies.ladder import Ladder
from search.core.samplers.registry import SAMPLERS
from spaces.space import Space


class MakePolicy(Protocol):
    """Makes the policy of one search."""

    def __call__(
        self, space: Space, rungs: Sequence[int], eta: int, seed: int, earlier: Sequence[Observation]
    ) -> Policy:
        """`earlier`: trials of an earlier search. Raises ValueError if it cannot search the space."""


POLICIES: dict[str, MakePolicy] = {
    **{name: partial(Asha, sampler) for name, sampler in SAMPLERS.items()},
    "ladder": Ladder,
}
