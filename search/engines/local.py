"""The local engine: jobs one after the other in this process. For tests, debugging and small searches."""

import logging
from typing import Protocol

from search.job import Job, Report, StorageError
from search.rungs import Done, Wait
from search.work import Train, checkpoint_name

logger = logging.getLogger(__name__)


class JobQueue(Protocol):
    """The four verbs that an engine needs of a queue."""

    def next_job(self) -> Job | Wait | Done: ...
    def report(self, report: Report) -> None: ...
    def finish(self, job: Job, checkpoint: str) -> None: ...
    def fail(self, job: Job, error: str) -> None: ...


class LocalEngine:
    """`LocalEngine(train).run(queue)` runs the queue dry."""

    dashboard: str | None = None
    publish = None  # there is nobody to scrape gauges from this process
    workers = 1

    def __init__(self, train: Train) -> None:
        self.train = train

    def close(self) -> None:
        """Nothing to stop."""

    def run(self, queue: JobQueue) -> None:
        """Runs jobs until the queue is done. What a job raises is the job's failure; a Ctrl-C is not.

        Raises StorageError when a job does, and what the queue raises.
        """
        while not isinstance(job := queue.next_job(), Done):
            assert isinstance(job, Job), "with one job at a time there is never one to wait for"
            try:
                for report in self.train(job):
                    queue.report(report)
            except StorageError:
                raise
            except Exception as error:
                logger.exception("%s failed", job.title)
                queue.fail(job, describe(error))
            else:
                queue.finish(job, checkpoint_name(job))


def describe(error: BaseException) -> str:
    """One line that names the kind of error and says what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
