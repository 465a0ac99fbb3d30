"""The seam between the queue and its samplers: history in, configurations out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spaces.space import Space

Params = dict[str, Any]
MIN_VALUES = 10  # finished values before a rung is modelled; the default n_startup_trials of Optuna's TPE


@dataclass(frozen=True)
class Observation:
    """A trial as a sampler sees it."""

    params: Mapping[str, Any]
    values: tuple[float, ...]  # objective at each finished rung; lower is better, infinite if it diverged
    busy: bool  # whether it is being trained


class Sampler(ABC):
    """Proposes configurations. It keeps no state, so a resumed search continues as if never interrupted."""

    @abstractmethod
    def propose(self, space: Space, history: Sequence[Observation], count: int, seed: int) -> list[Params]:
        """`count` configurations to try next; equal arguments give equal proposals.

        `history` holds all trials in the order of their numbers.
        """
