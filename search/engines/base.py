"""What every engine is: a loop over the five verbs of a queue."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from search.core.job import Job
from search.core.rungs import Done, Wait
from spaces.lane import Report

Train = Callable[[Job], Iterator[Report]]
"""Trains a job, yields a report per epoch, and leaves the checkpoint of the job behind (`train_job.py`).
A test passes a formula instead of training."""


class JobQueue(Protocol):
    """The five verbs that an engine calls."""

    def next_job(self) -> Job | Wait | Done: ...
    def report(self, report: Report) -> None: ...
    def finish(self, job: Job, checkpoint: str) -> None: ...
    def fail(self, job: Job, error: str) -> None: ...
    def lose(self, job: Job, cause: str) -> None: ...


class Engine(ABC):
    """Executes jobs. A final subclass in a file of its own is an engine; CONTRIBUTING.md has the steps."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of jobs that run at once."""

    @property
    @abstractmethod
    def dashboard(self) -> str | None:
        """Address of the engine's own dashboard; None if it has none."""

    @abstractmethod
    def run(self, queue: JobQueue) -> None:
        """Runs jobs until the queue is done.

        An exception in a job is the failure of that job; the death of its worker is not, and loses it. Raises
        StorageError when a job does, and any exception of the queue.
        """

    @abstractmethod
    def close(self) -> None:
        """Frees the resources of the engine."""

    @abstractmethod
    def publish(self, name: str, about: str, value: float, tags: Mapping[str, str]) -> None:
        """Sets a gauge for Prometheus; does nothing in an engine without a metrics port."""
