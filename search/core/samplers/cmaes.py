"""CMA-ES: Hansen, "The CMA Evolution Strategy: A Tutorial", 2016, arXiv:1604.00772; by the package cmaes.

A normal distribution of configurations moves towards the better half of each generation. A generation is a
number of trials that have finished the first rung, in the order of time. In it, a trial that has gone to a
higher rung ranks before one that has not, and at the same rung the better value ranks first.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, final

import numpy as np

from search.core.history import Observation
from search.core.model.encoding import INACTIVE, Encoding
from search.core.samplers.base import Params, Sampler
from spaces.params import Range
from spaces.seeds import derive_seed
from spaces.space import Space

if TYPE_CHECKING:
    from cmaes import CMA

MEAN, DEVIATION = 0.5, 0.3  # of the first distribution, in coordinates from 0 to 1


@final
class Cmaes(Sampler):
    """The distribution is made anew from the history in each call; it follows from ranks alone.

    Raises ValueError for a choice of more than one option, and for fewer than two ranges.
    """

    def __init__(self, space: Space, rungs: Sequence[int], seed: int) -> None:
        super().__init__(space, rungs, seed)
        ranges = {name: param for name, param in space.params.items() if isinstance(param, Range)}
        for name, param in space.params.items():
            if not isinstance(param, Range) and len(param.options) > 1:
                raise ValueError(
                    f"sampler is 'cmaes', which searches ranges alone, but {name} is a choice of "
                    f"{len(param.options)} (sampler=ladder, or param.{name}=OPTION)"
                )
        self.searched = [i for i, name in enumerate(space.params) if name in ranges and is_wide(ranges[name])]
        if len(self.searched) < 2:
            raise ValueError("sampler is 'cmaes', which needs at least two ranges (sampler=ladder)")
        self.encoding = Encoding(space)

    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        optimizer = self._begin()
        for generation in self._generations(history, optimizer.population_size):
            optimizer.tell(generation)
            if optimizer.should_stop():
                optimizer = self._begin()
        optimizer.reseed_rng(derive_seed(self.seed, len(history)))
        proposals: list[Params] = []
        for number in range(count):
            seed = derive_seed(self.seed, len(history), number)
            proposals.append(self.space.kept(lambda: self._ask(optimizer), seed))
        return proposals

    def _ask(self, optimizer: "CMA") -> Params:
        point = np.full(len(self.space.params), INACTIVE)
        point[self.searched] = optimizer.ask()
        return self.encoding.configuration(point)

    def _begin(self) -> "CMA":
        from cmaes import CMA  # here, because it takes long and a search begins with its known points

        number = len(self.searched)
        return CMA(np.full(number, MEAN), DEVIATION, np.tile([0.0, 1.0], (number, 1)), seed=self.seed)

    def _generations(
        self, history: Sequence[Observation], size: int
    ) -> Iterator[list[tuple[np.ndarray, float]]]:
        """The points of each full generation with their ranks."""
        valued = [one for one in history if one.values]
        valued.sort(key=lambda one: one.order[:1])  # those of an earlier search come first
        for start in range(0, len(valued) - size + 1, size):
            ranked = sorted(valued[start : start + size], key=standing)
            points = [np.array(self.encoding.point(one.params))[self.searched] for one in ranked]
            yield [(point, float(rank)) for rank, point in enumerate(points)]


def is_wide(param: Range) -> bool:
    """Whether a range has more than one value."""
    return param.low < param.high


def standing(observation: Observation) -> tuple[bool, int, float]:
    """A key that sorts trials: diverged ones last, else by rung, the highest first, then by value."""
    return observation.values[-1] == inf, -len(observation.values), observation.values[-1]
