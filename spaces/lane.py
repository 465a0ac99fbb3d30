"""A lane of a job, and the report on an epoch: the data that a search and its trainables exchange.

Neither side imports the other here, and nothing here needs PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class StorageError(OSError):
    """A file of the run cannot be written. No trial is at fault: the search ends and can be resumed."""


@dataclass(frozen=True)
class Lane:
    """One trial of a job, as its training needs it."""

    number: int  # of the trial
    params: Mapping[str, Any]
    seed: int  # of the initial weights and of dropout
    start: str | None = None  # checkpoint to continue from; None to begin


@dataclass(frozen=True)
class Report:
    """Result of one epoch of a job; mappings go by trial number."""

    epoch: int  # epochs done, counted from 1
    seconds: float  # of the whole job
    metrics: Mapping[int, Mapping[str, float]]
    diverged: frozenset[int] = frozenset()  # lanes that ended in this epoch
    best: Mapping[int, int] = field(default_factory=dict)  # best epoch of each lane, where that one is kept
    test: Mapping[int, float] = field(default_factory=dict)  # score on the test split, where one is asked for
    facts: Mapping[str, float] = field(default_factory=dict)  # constants of the data: baselines
    note: str | None = None  # a remark on how the job was trained, for the screen
    device: str = ""
    node: str = ""
    job: int = 0  # number of the job; the search fills it in

    @property
    def lane_seconds(self) -> float:
        """Seconds of one lane: the lanes of a job share its time equally."""
        return self.seconds / len(self.metrics)
