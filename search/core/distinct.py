"""No configuration twice: others in place of those that a search has already."""

import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, final

from search.core.history import History
from search.core.policies.base import Policy
from search.core.rungs import Decision, Sample
from spaces.seeds import derive_seed
from spaces.size import every_configuration
from spaces.space import Space

MORE = (4, 16)  # times as many proposals as are missing, in each further question to the policy
DRAWS = 100  # of a random configuration, before the free ones are sought one by one
Params = Mapping[str, Any]


@final
class Distinct:
    """A policy that proposes no configuration that has begun or is a known point.

    Where the policy proposes one, it is asked for more; then random configurations fill the gaps. It keeps no
    state but what saves time: the configurations follow from the trials.
    """

    def __init__(self, policy: Policy, space: Space, seed: int, begun: Iterable[Params]) -> None:
        """`begun` are the configurations of all trials, and the known points."""
        self.policy, self.space, self.seed = policy, space, seed
        self.taken = {key(params) for params in begun}
        self.every = every_configuration(space)

    def decide(self, history: History, left: int, count: int, min_lanes: Sequence[int]) -> Decision:
        """As `Policy.decide`. The configurations of a Sample count as begun.

        One comes twice only where the space has none left.
        """
        decision = self.policy.decide(history, left, count, min_lanes)
        if not isinstance(decision, Sample):
            return decision
        new: list[dict[str, Any]] = []
        for more in MORE:
            new += self._take(decision.params, count - len(new))
            if len(new) == count:
                return Sample(tuple(new))
            again = self.policy.decide(history, left, more * (count - len(new)), min_lanes)
            decision = again if isinstance(again, Sample) else Sample()
        new += self._take(decision.params, count - len(new))
        return Sample((*new, *self._random(count - len(new), len(history))))

    def _take(self, proposed: Iterable[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        """The first `count` of the proposed configurations that are new, or all of these."""
        found: list[dict[str, Any]] = []
        for params in proposed:
            if len(found) < count and key(params) not in self.taken:
                self.taken.add(key(params))
                found.append(params)
        return found

    def _random(self, count: int, trials: int) -> list[dict[str, Any]]:
        """`count` new configurations, random ones where draws find them."""
        rng = random.Random(derive_seed(self.seed, trials))
        found: list[dict[str, Any]] = []
        while len(found) < count:
            drawn = [self.space.sample(rng) for _ in range(DRAWS)]
            found += self._take(drawn, 1) or self._take(self.every, 1) or drawn[:1]
        return found


def key(params: Params) -> Hashable:
    """Equal for equal configurations."""
    return frozenset(params.items())


def unique(points: Iterable[Params]) -> tuple[Params, ...]:
    """The configurations without those that came before."""
    found: dict[Hashable, Params] = {}
    for params in points:
        found.setdefault(key(params), params)
    return tuple(found.values())
