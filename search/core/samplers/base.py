"""The seam between the queue and its samplers: history in, configurations out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from search.core.history import Observation
from spaces.space import Space

Params = dict[str, Any]
MIN_VALUES = 10  # finished values before a rung is modelled; the default n_startup_trials of Optuna's TPE


class Sampler(ABC):
    """Proposes configurations of one space, all of which keep its rules.

    It keeps no state but what saves time, so a resumed search continues as if never interrupted.
    """

    def __init__(self, space: Space, rungs: Sequence[int], seed: int) -> None:
        """`rungs` are in epochs. Raises ValueError if the sampler cannot search the space."""
        self.space, self.rungs, self.seed = space, tuple(rungs), seed

    @abstractmethod
    def propose(self, history: Sequence[Observation], count: int) -> list[Params]:
        """`count` configurations to try next; equal arguments give equal proposals.

        `history` holds all trials: those of an earlier search, then its own in the order of their numbers. A
        History (search/core/history.py) has them sorted in several ways too, as `History.of` makes it.
        """
