"""Trial, Job and Report: plain frozen data that the queue, the engines and the results pass around."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StorageError(OSError):
    """The run's folder can't be written. No trial is at fault, so the search ends and can be resumed."""


class State(StrEnum):
    """What became of a trial; the same words in every table."""

    RUNNING = "running"  # in a job now
    PAUSED = "paused"  # waits at a rung
    COMPLETE = "complete"  # reached the last rung
    STOPPED = "stopped"  # never promoted
    DIVERGED = "diverged"  # its loss was not finite
    FAILED = "failed"  # its training raised


DEFAULT = -1  # the number of the space's default configuration where it is no trial


@dataclass(frozen=True)
class Trial:
    """One configuration and what is known of it. It is an Optuna trial and has its number."""

    number: int
    params: Mapping[str, Any]
    state: State = State.PAUSED
    values: tuple[float, ...] = ()  # the objective at each rung that it has finished
    epochs: int = 0  # trained and kept
    checkpoint: str | None = None  # where its last finished rung is kept
    error: str | None = None
    seconds: float = 0.0
    device: str = ""
    node: str = ""

    def row(self) -> dict[str, Any]:
        """As a row of the trials table (results/store.py)."""
        return {
            "trial": self.number,
            "state": self.state.value,
            "rung": len(self.values) - 1 if self.values else None,
            "epochs": self.epochs,
            "objective": self.values[-1] if self.values else None,
            "seconds": self.seconds,
            "device": self.device or None,
            "node": self.node or None,
            "error": self.error,
        } | {f"param/{name}": value for name, value in self.params.items()}


def first_seed(seed: int, number: int, given: int | None = None) -> int:
    """What a trial's first weights and its dropout are drawn from: `given`, or by the run's seed."""
    return hash((seed, number)) % 2**31 if given is None else given


@dataclass(frozen=True)
class Lane:
    """A trial's part of a job: what its training needs to know."""

    number: int
    params: Mapping[str, Any]
    seed: int
    start: str | None  # the checkpoint to go on from


@dataclass(frozen=True)
class Job:
    """A pack of trials to be trained from one rung to the next.

    With a `fresh` seed it confirms them: its batches come in the order of that seed, the best epochs are
    kept, and these are scored on the test split.
    """

    number: int
    lanes: tuple[Lane, ...]
    first: int  # epochs that the trials have done
    last: int  # epochs that they will have done
    fresh: int | None = None

    @property
    def title(self) -> str:
        """`trial 7 epochs 3-9`, for people."""
        numbers = ", ".join(
            "default" if lane.number == DEFAULT else str(lane.number) for lane in self.lanes[:4]
        )
        many = "s" if len(self.lanes) > 1 else ""
        more = f" and {len(self.lanes) - 4} more" if len(self.lanes) > 4 else ""
        return f"trial{many} {numbers}{more} epochs {self.first}-{self.last}"


@dataclass(frozen=True)
class Report:
    """What one epoch of a job brought, for each lane by trial number."""

    job: int
    epoch: int  # epochs done, counted from 1
    seconds: float
    metrics: Mapping[int, Mapping[str, float]]
    diverged: frozenset[int] = field(default_factory=frozenset)
    device: str = ""
    node: str = ""
    best: Mapping[int, int] = field(default_factory=dict)  # in a job that confirms, each lane's best epoch
    test: Mapping[int, float] = field(default_factory=dict)  # and, at the end, its score on the test split
    note: str | None = None  # what a person should know of how the job was trained
