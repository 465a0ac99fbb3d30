"""Quasi-random search: points of a Sobol sequence, which fill the space more evenly than random ones."""

from collections.abc import Sequence
from random import Random
from typing import final

from search.core.history import Observation
from search.core.model.candidates import sobol
from search.core.model.encoding import Encoding
from search.core.samplers.base import Params, Sampler
from spaces.seeds import derive_seed

SPARE = 16  # times as many points, of which some keep the rules of the space


@final
class Qmc(Sampler):
    """The scrambled Sobol sequence, from the number of trials so far on.

    Points that break a rule of the space are left out; if too few are left, random configurations follow.
    """

    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        encoding, first, last = Encoding(self.space), len(history), len(history) + count
        points = sobol(len(self.space.params), last * (SPARE if self.space.rules else 1), self.seed)
        if not self.space.rules:
            return [encoding.configuration(point) for point in points[first:]]
        known = [p for p in map(encoding.configuration, points) if self.space.broken_rule(p) is None]
        rngs = [Random(derive_seed(self.seed, n)) for n in range(max(first, len(known)), last)]
        return [*known[first:last], *map(self.space.sample, rngs)]
