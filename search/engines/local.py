"""The local engine: one job at a time in this process. For tests, debugging and small searches."""

import logging
import signal
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from typing import final

from search.core.job import Job
from search.core.rungs import Done
from search.engines.base import Engine, JobQueue, Train
from search.engines.train_job import end_processes
from spaces.lane import ProcessDied, Report, StorageError
from spaces.messages import describe_with_place

logger = logging.getLogger(__name__)


@final
class LocalEngine(Engine):
    """`LocalEngine(train).run(queue)` trains the jobs of the queue, one after the other.

    A job that hangs has failed. Its thread can't be ended, and is left behind.
    """

    def __init__(self, train: Train) -> None:
        self.train = train

    @property
    def workers(self) -> int:
        return 1

    @property
    def dashboard(self) -> None:
        return None

    def run(self, queue: JobQueue) -> None:
        while not isinstance(job := queue.next_job(), Done):
            assert isinstance(job, Job), "with one job at a time there is never one to wait for"
            try:
                reports = self.train(job)
                while report := next_report(reports, job.timeout):
                    queue.report(report)
            except StorageError:
                raise
            except ProcessDied as error:
                logger.exception("%s is lost", job.title)
                queue.lose(job, str(error))
            except (Exception, SystemExit) as error:  # sys.exit of a module ends its job, not the search
                logger.exception("%s failed", job.title)
                queue.fail(job, describe_with_place(error))
            else:
                queue.finish(job, job.checkpoint)

    def close(self) -> None:
        """Ends the processes of trials on several devices, and forgets the data kept from training."""
        end_processes()
        if kept_data := sys.modules.get("trainables.training.kept_data"):  # else nothing was trained
            kept_data.forget()

    def publish(self, name: str, about: str, value: float, tags: Mapping[str, str]) -> None:
        """Nothing: this process has no metrics port."""


def next_report(reports: Iterator[Report], seconds: float | None) -> Report | None:
    """The next report; None at the end. Raises TimeoutError after so many seconds, in the main thread."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        return next(reports, None)

    def hangs(signum: int, frame: types.FrameType | None) -> None:
        raise TimeoutError(f"no epoch in {seconds:g} s (job_timeout=SECONDS)")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return next(reports, None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
