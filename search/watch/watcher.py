"""The seam for everything that follows a search beside the screen: gauges and loggers."""

from abc import ABC, abstractmethod

from search.core.job import Job
from search.core.queue import Queue
from spaces.lane import Report


class Watcher(ABC):
    """Follows a queue, which has changed already when the watcher is told."""

    @abstractmethod
    def epoch(self, queue: Queue, report: Report) -> None:
        """An epoch of a job is done."""

    @abstractmethod
    def job(self, queue: Queue, job: Job) -> None:
        """A job has ended."""

    @abstractmethod
    def close(self, queue: Queue) -> None:
        """The search has ended or was interrupted."""
