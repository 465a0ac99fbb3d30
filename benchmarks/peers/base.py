"""What every peer is: another library's search behind the verbs of a queue.

A peer decides after each epoch whether a trial goes on, and never resumes a trial that it has stopped. So its
jobs are one epoch of one trial long, and a worker that has trained one goes on with the same trial, unless it
was stopped. A trial that diverges ends there; its peer is told that it has failed.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from math import isfinite
from typing import Any

from benchmarks.tasks import Task
from search.core.job import Job
from search.core.queue import DONE, WAIT
from search.core.rungs import Done, Wait
from spaces.lane import Lane, Report


class Peer(ABC):
    """Starts at most as many trials as the task allows. `step`: epochs per job."""

    def __init__(self, task: Task, step: int = 1) -> None:
        self.space, self.epochs, self.step = task.space, task.epochs, step
        self.left = task.trials
        self.trials = 0  # started
        self.jobs = 0  # started
        self.ready: deque[tuple[Lane, int]] = deque()  # trials that go on, and their epochs so far
        self.running: dict[int, Report | None] = {}  # the last report of each running job

    @abstractmethod
    def suggest(self, trial: int) -> Mapping[str, Any]:
        """The configuration of a new trial."""

    @abstractmethod
    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        """Takes the objective after an epoch; whether the trial goes on. The last epoch ends the trial."""

    @abstractmethod
    def failed(self, trial: int, epoch: int, value: float) -> None:
        """The trial has diverged in this epoch; `value` is not finite."""

    def next_job(self) -> Job | Wait | Done:
        """The next epochs of a trial that goes on, or a new trial."""
        if self.ready:
            lane, first = self.ready.popleft()
        elif self.trials < self.left:
            lane, first = Lane(self.trials, self.suggest(self.trials), seed=0), 0
            self.trials += 1
        else:
            return WAIT if self.running else DONE
        self.jobs += 1
        self.running[self.jobs] = None
        return Job(self.jobs, (lane,), first, last=min(first + self.step, self.epochs), rung=0)

    def report(self, report: Report) -> None:
        """An epoch is done."""
        self.running[report.job] = report

    def finish(self, job: Job, checkpoint: str) -> None:
        """A job has ended."""
        report, (lane,) = self.running.pop(job.number), job.lanes
        assert report is not None, "a job reports each of its epochs"
        value = report.metrics[lane.number][self.space.objective.metric]
        if not isfinite(value):
            self.failed(lane.number, report.epoch, value)
        elif self.goes_on(lane.number, report.epoch, value) and job.last < self.epochs:
            self.ready.append((lane, job.last))

    def fail(self, job: Job, error: str) -> None:
        """Never called: a table raises nothing."""
        raise AssertionError(error)

    def lose(self, job: Job, cause: str) -> None:
        """Never called: a table has no workers."""
        raise AssertionError(cause)
