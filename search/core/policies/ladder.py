"""One model decides both: which trials are promoted and which configurations are tried.

ASHA's rule names the trials that may be promoted, the best `1/eta` of their rung. Among these and new
configurations the model chooses by the expected improvement at the last rung per epoch that is left to it,
as in Bayesian optimization with unequal costs (Snoek et al., "Practical Bayesian Optimization of Machine
Learning Algorithms", NeurIPS 2012, section 3.2). Without the rule's limit it promotes too many trials where
it predicts badly (`docs/decisions/0019-policy.md`).
"""

from collections.abc import Sequence
from math import log
from typing import final

import numpy as np

from search.core.history import History, Observation
from search.core.model.acquisition import improvement_over_last, log_expected_improvement, make_pool, spread
from search.core.model.surrogate import Modeller, Surrogate
from search.core.model.threads import one_thread
from search.core.policies.base import Policy, Problem, ranked
from search.core.rungs import Decision, Promote, Sample, decide, interrupted, promotable
from search.core.samplers.gp import can_model
from search.core.samplers.qmc import Qmc


@final
class Ladder(Policy):
    """Before there are values enough, and when no new trial may start, the rule alone decides."""

    def __init__(self, problem: Problem) -> None:
        self.rungs, self.eta = problem.rungs, problem.eta
        self.modeller = Modeller(problem.space, problem.rungs, problem.seed)
        self.first = Qmc(problem.space, problem.rungs, problem.seed)

    @one_thread
    def decide(
        self, trials: Sequence[Observation], left: int, count: int, min_lanes: Sequence[int]
    ) -> Decision:
        history, own = ranked(trials)
        decision = decide(own, rungs=len(self.rungs), eta=self.eta, left=left, min_lanes=min_lanes)
        if left == 0 or count == 0:
            return decision
        if lost := interrupted(own):
            return Promote(0, lost)
        if not can_model(history, self.modeller.encoding.space):
            is_sample = isinstance(decision, Sample)
            return Sample(tuple(self.first.propose(history, count))) if is_sample else decision
        surrogate = self.modeller.surrogate(history)
        pool = make_pool(surrogate, count)
        gain = float(pool.improvement.max()) - log(self.rungs[-1])
        for promotion in self._promotions(surrogate, history, own, gain):
            if len(promotion.trials) >= min_lanes[promotion.rung]:
                return promotion
        points = spread(surrogate, pool, count)
        return Sample(tuple(surrogate.encoding.configuration(point) for point in points))

    def _promotions(
        self, surrogate: Surrogate, history: History, own: History, least: float
    ) -> list[Promote]:
        """For each rung the trials that may be promoted to it and gain more than `least`, best first.

        A gain is the logarithm of the expected improvement per epoch. The rung with the best one comes first.
        The incumbent is still uncertain itself: it counts with the improvement over its mean.
        """
        posterior, incumbent = surrogate.posterior, surrogate.incumbent - history.first
        found: list[tuple[float, Promote]] = []
        for rung, epochs in enumerate(self.rungs[:-1]):
            ready = promotable(own, rung, self.eta)
            if not ready:
                continue
            positions = [*(history.first + number for number in ready), surrogate.incumbent]
            features = self.modeller.features([history[position] for position in positions])
            mean, variance, half = posterior.predict(features, np.ones(len(features)))
            improvement = np.where(
                np.array(ready) == incumbent,
                log_expected_improvement(mean, variance, float(mean[-1]))[:-1],
                improvement_over_last(posterior, features, mean, variance, half)[:-1],
            )
            gains = improvement - log(self.rungs[-1] - epochs)
            best = [(gain, n) for gain, n in zip(gains.tolist(), ready, strict=True) if gain > least]
            if best:
                best.sort(key=lambda pair: (-pair[0], pair[1]))
                found.append((best[0][0], Promote(rung + 1, tuple(n for _, n in best))))
        return [promotion for _, promotion in sorted(found, key=lambda pair: -pair[0])]
