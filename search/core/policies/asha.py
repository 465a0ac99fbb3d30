"""ASHA's promotions with the configurations of a sampler."""

from collections.abc import Sequence
from typing import final

from search.core.history import Observation
from search.core.policies.base import Policy, values_and_busy
from search.core.rungs import Decision, Sample, decide
from search.core.samplers.base import Sampler
from spaces.space import Space


@final
class Asha(Policy):
    """The rule of `search/core/rungs.py`; a sampler proposes each new configuration.

    `earlier`: trials of an earlier search, for the sampler.
    """

    def __init__(
        self,
        sampler: type[Sampler],
        space: Space,
        rungs: Sequence[int],
        eta: int,
        seed: int,
        earlier: Sequence[Observation] = (),
    ) -> None:
        self.sampler = sampler(space, rungs, seed)
        self.rungs, self.eta, self.earlier = len(rungs), eta, earlier

    def decide(
        self, trials: Sequence[Observation], left: int, count: int, min_lanes: Sequence[int]
    ) -> Decision:
        values, busy = values_and_busy(trials)
        decision = decide(values, busy, rungs=self.rungs, eta=self.eta, left=left, min_lanes=min_lanes)
        if isinstance(decision, Sample):
            return Sample(tuple(self.sampler.propose([*self.earlier, *trials], count)))
        return decision
