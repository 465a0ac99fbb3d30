"""Repeatable searches on several workers: the queue hears of jobs in the order in which they began.

Which job ends first depends on the machine, and each decision on what was heard before. So what an engine
says of a job waits until all earlier jobs have ended. A worker may wait too, for the oldest running job.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import final

from search.core.job import Job
from search.core.queue import WAIT
from search.core.rungs import Done, Wait
from search.engines.base import JobQueue
from spaces.lane import Report


@final
class InOrder:
    """The verbs of `queue`; at most `workers` jobs have begun that the queue has not heard the end of."""

    def __init__(self, queue: JobQueue, workers: int) -> None:
        self.queue, self.workers = queue, workers
        self.running: list[Job] = []  # in the order of their beginning
        self.reports: dict[int, list[Report]] = defaultdict(list)
        self.ends: dict[int, tuple[Callable[[Job, str], None], str]] = {}  # verb and argument
        self.waiting = False  # whether the queue needs the end of a job to decide

    def next_job(self) -> Job | Wait | Done:
        while True:
            if (self.waiting or len(self.running) >= self.workers) and not self._hear_oldest():
                return WAIT
            job = self.queue.next_job()
            self.waiting = isinstance(job, Wait)
            if isinstance(job, Job):
                self.running.append(job)
            if not self.waiting:
                return job

    def report(self, report: Report) -> None:
        self.reports[report.job].append(report)

    def finish(self, job: Job, checkpoint: str) -> None:
        self.ends[job.number] = self.queue.finish, checkpoint

    def fail(self, job: Job, error: str) -> None:
        self.ends[job.number] = self.queue.fail, error

    def lose(self, job: Job, cause: str) -> None:
        self.ends[job.number] = self.queue.lose, cause

    def _hear_oldest(self) -> bool:
        """Tells the queue of the oldest running job; returns whether that has ended."""
        if not self.running or self.running[0].number not in self.ends:
            return False
        job = self.running.pop(0)
        for report in self.reports.pop(job.number, []):
            self.queue.report(report)
        tell, argument = self.ends.pop(job.number)
        tell(job, argument)
        return True
