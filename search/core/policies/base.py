"""The seam between the queue and its policy: history in, next action out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from search.core.history import Observation
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
    earlier: tuple[Observation, ...] = ()  # trials of an earlier search


class Policy(ABC):
    """Decides which trials go on and which configurations are tried.

    It keeps no state but what saves time, so a resumed search continues as if never interrupted.
    """

    @abstractmethod
    def decide(
        self, trials: Sequence[Observation], left: int, count: int, min_lanes: Sequence[int]
    ) -> Decision:
        """The next action when a worker is free; equal arguments give equal actions.

        `trials` are those of the search, in the order of their numbers; `left` more may start. A Sample has
        `count` configurations. While `left` > 0, a promotion to rung k waits for `min_lanes[k]` trials.
        """


def ranked(
    earlier: Sequence[Observation], trials: Sequence[Observation]
) -> tuple[list[Observation], list[Observation]]:
    """All trials, ranked among each other, for the model; then those of the search alone, for the rule."""
    own = scalarised(trials)
    return (scalarised([*earlier, *trials]) if earlier else own), own


def values_and_busy(trials: Sequence[Observation]) -> tuple[dict[int, tuple[float, ...]], set[int]]:
    """The values of each trial that has not failed, and the numbers of those in a job, for the rule."""
    values = {number: trial.values for number, trial in enumerate(trials) if not trial.failed}
    return values, {number for number, trial in enumerate(trials) if trial.busy}
