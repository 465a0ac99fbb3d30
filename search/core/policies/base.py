"""The seam between the queue and its policy: history in, next action out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from search.core.history import History, Observation
from search.core.ranking import scalarised
from search.core.rungs import Decision
from spaces.space import Space


@dataclass(frozen=True)
class Problem:
    """All that a policy knows before the first trial."""

    space: Space
    rungs: tuple[int, ...]  # in epochs
    eta: int
    seed: int


class Policy(ABC):
    """Decides which trials go on and which configurations are tried.

    It keeps no state but what saves time, so a resumed search continues as if never interrupted.
    """

    @abstractmethod
    def decide(
        self, trials: Sequence[Observation], left: int, count: int, min_lanes: Sequence[int]
    ) -> Decision:
        """The next action when a worker is free; equal arguments give equal actions.

        `trials` are a History, or those of the search in the order of their numbers; `left` more may start. A
        Sample has `count` configurations. While `left` > 0, a promotion to rung k waits for `min_lanes[k]`
        trials.
        """


def ranked(trials: Sequence[Observation]) -> tuple[History, History]:
    """All trials, ranked among each other, for the model; then those of the search alone, for the rule."""
    history = History.of(trials)
    own = History(history[history.first :]) if history.first and history.has_vectors else history
    return scalarised(history), scalarised(own)
