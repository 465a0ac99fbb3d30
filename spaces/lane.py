"""Data types that `search` and `trainables` exchange: a lane of a job, and the report on an epoch.

This module does not import PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from results.sample_scores import SampleScores


class StorageError(OSError):
    """A file of the run cannot be written. No trial is at fault: the search ends and can be resumed."""


class EngineError(RuntimeError):
    """The workers are gone. No trial is at fault: the search ends and can be resumed."""


class ProcessDied(RuntimeError):
    """A process of a job is gone. No trial is at fault: the job is lost, as with its worker."""


class OutOfMemory(RuntimeError):
    """A job does not fit in the memory of its device or machine."""


class SpaceError(ValueError):
    """The space asks for something that its module does not do, for any configuration."""


def is_space_error(error: str | None) -> bool:
    """Whether the recorded `error` of a trial was a SpaceError (see `describe`)."""
    return error is not None and error.startswith(f"{SpaceError.__name__}: ")


def is_memory_error(error: str | None) -> bool:
    """Whether the recorded `error` of a trial was an OutOfMemory (see `describe`)."""
    return error is not None and error.startswith(f"{OutOfMemory.__name__}: ")


@dataclass(frozen=True)
class Lane:
    """One trial of a job: everything that its training needs to know of it."""

    number: int  # of the trial
    params: Mapping[str, Any]
    seed: int  # of the initial weights and of dropout
    start: str | None = None  # checkpoint to continue from; None: start with new weights


@dataclass(frozen=True)
class DeviceMemory:
    """Memory of the device of a job, as shares of all that it has."""

    peak: float  # the most that PyTorch held for the worker of the job
    outside: float  # in use besides: CUDA's context, and other processes


@dataclass(frozen=True)
class Report:
    """Results of one epoch of a job. The keys of the mappings are trial numbers, except those of `facts`."""

    epoch: int  # epochs done, counted from 1
    seconds: float  # of the whole job
    metrics: Mapping[int, Mapping[str, float]]
    diverged: frozenset[int] = frozenset()  # lanes that ended in this epoch
    best: Mapping[int, int] = field(default_factory=dict)  # epoch of the weights, in a confirmation
    test: Mapping[int, float] = field(default_factory=dict)  # score on the test split, in a confirmation
    samples: Mapping[int, SampleScores] = field(default_factory=dict)  # what makes up `test`, where known
    facts: Mapping[str, float] = field(default_factory=dict)  # constants of the data: baselines
    note: str | None = None  # on how the job was trained; shown on the screen
    device: str = ""
    node: str = ""
    memory: DeviceMemory | None = None  # None without a GPU
    job: int = 0  # number of the job; set by the search

    @property
    def lane_seconds(self) -> float:
        """Seconds of one lane: the time of the job divided by its number of lanes."""
        return self.seconds / len(self.metrics)
