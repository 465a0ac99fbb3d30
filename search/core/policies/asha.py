"""ASHA's promotions with the configurations of a sampler."""

from collections.abc import Sequence
from typing import final

from search.core.history import Observation
from search.core.policies.base import Policy, Problem, ranked
from search.core.rungs import Decision, Sample, decide
from search.core.samplers.base import Sampler


@final
class Asha(Policy):
    """The rule of `search/core/rungs.py`; a sampler proposes each new configuration.

    Raises ValueError if the sampler cannot search the space.
    """

    def __init__(self, sampler: type[Sampler], problem: Problem) -> None:
        self.sampler = sampler(problem.space, problem.rungs, problem.seed)
        self.problem = problem

    def decide(
        self, trials: Sequence[Observation], left: int, count: int, min_lanes: Sequence[int]
    ) -> Decision:
        rungs, eta = len(self.problem.rungs), self.problem.eta
        history, own = ranked(trials)
        decision = decide(own, rungs=rungs, eta=eta, left=left, min_lanes=min_lanes)
        if isinstance(decision, Sample):
            return Sample(tuple(self.sampler.propose(history, count)))
        return decision
