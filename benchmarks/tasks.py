"""What replayed searches run on: a task answers each proposed configuration with its learning curve.

`Task` is what all tasks are; `curves.py` has tables of curves, `smooth.py` functions.
"""

from abc import ABC, abstractmethod
from math import inf

from search.replay.training import Answer, Replay
from spaces.space import Space


class Task(ABC):
    """A space, and the curves of its configurations.

    A loss is the objective with the sign that makes lower better. Raises ValueError if the median
    configuration diverges or is as good as the best: no scale for regret.
    """

    def __init__(
        self, name: str, space: Space, epochs: int, trials: int, seconds: float, best: float, median: float
    ) -> None:
        self.name, self.space = name, space
        self.epochs = epochs  # length of each curve; the last rung
        self.trials = trials  # that a search may start at most
        self.seconds = seconds  # of a full training, the mean
        self.best = best  # final loss of the best known configuration
        self.median = median  # final loss of the median configuration
        if not best < median < inf:
            raise ValueError(
                f"{name}: the median configuration ends with a loss of {median}, the best with {best}; "
                "the median must be finite and worse (the curves of the task)"
            )

    @abstractmethod
    def answers(self) -> Answer:
        """What answers the proposals of one search, each trial's once."""

    def training(self) -> Replay:
        """What stands in for training in one search."""
        return Replay(self.space.objective.metric, self.answers())

    def regret(self, loss: float) -> float:
        """Normalised regret of a loss: 0 for the best known configuration, 1 for the median one or worse.

        It is linear in the objective, for an accuracy too: both ends of the scale are above chance where more
        than half of the configurations learn. An accuracy over n samples has steps of 1/n, which may be few
        between the two ends.
        """
        return min(1.0, float(loss - self.best) / (self.median - self.best))
