"""Quasi-random search: points of a Sobol sequence, which fill the space more evenly than random ones."""

from collections.abc import Sequence
from typing import final

from search.core.history import Observation
from search.core.model.candidates import sobol
from search.core.model.encoding import Encoding
from search.core.samplers.base import Params, Sampler


@final
class Qmc(Sampler):
    """The scrambled Sobol sequence, from the number of trials so far on."""

    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        encoding, first = Encoding(self.space), len(history)
        points = sobol(len(self.space.params), first + count, self.seed)
        return [encoding.configuration(point) for point in points[first:]]
