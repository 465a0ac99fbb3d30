"""Bayesian optimization with one Gaussian process over the results of all rungs (`search/core/model/`)."""

from collections.abc import Sequence
from typing import final

from search.core.history import History, Observation
from search.core.model.acquisition import make_pool, spread
from search.core.model.results import first_trials
from search.core.model.surrogate import Modeller
from search.core.model.threads import one_thread
from search.core.samplers.base import Params, Sampler
from search.core.samplers.qmc import Qmc
from spaces.space import Space


@final
class Gp(Sampler):
    """The largest expected improvement at the last rung."""

    def __init__(self, space: Space, rungs: Sequence[int], seed: int) -> None:
        super().__init__(space, rungs, seed)
        self.modeller, self.first = Modeller(space, rungs, seed), Qmc(space, rungs, seed)

    @one_thread
    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        history = History.of(history)
        if not can_model(history, self.space):
            return self.first.propose(history, count)
        surrogate = self.modeller.surrogate(history)
        points = spread(surrogate, make_pool(surrogate, count), count)
        return [surrogate.encoding.configuration(point) for point in points]


def can_model(history: History, space: Space) -> bool:
    """Whether there are trials enough with a value."""
    return len(history.ranked[0]) >= first_trials(space)
