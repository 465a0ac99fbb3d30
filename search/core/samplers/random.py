"""Random search: each parameter is drawn by itself."""

from collections.abc import Sequence
from typing import final

import optuna
from optuna.samplers import RandomSampler

from search.core.history import Observation
from search.core.samplers.base import Params, Sampler
from search.core.samplers.optuna_space import propose
from spaces.seeds import derive_seed


@final
class Random(Sampler):
    """Optuna's RandomSampler, seeded by the number of trials so far."""

    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        seed = derive_seed(self.seed, len(history))
        study = optuna.create_study(sampler=RandomSampler(seed=seed))
        return [propose(self.space, study, derive_seed(seed, number)) for number in range(count)]
