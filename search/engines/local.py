"""The local engine: one job at a time in this process. For tests, debugging and small searches."""

import logging
from collections.abc import Mapping
from typing import final

from search.core.job import Job
from search.core.rungs import Done
from search.engines.base import Engine, JobQueue, Train
from spaces.lane import StorageError
from spaces.messages import describe

logger = logging.getLogger(__name__)


@final
class LocalEngine(Engine):
    """`LocalEngine(train).run(queue)` trains the jobs of the queue, one after the other."""

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
                for report in self.train(job):
                    queue.report(report)
            except StorageError:
                raise
            except (Exception, SystemExit) as error:  # sys.exit of a module ends its job, not the search
                logger.exception("%s failed", job.title)
                queue.fail(job, describe(error))
            else:
                queue.finish(job, job.checkpoint)

    def close(self) -> None:
        """Nothing to free."""

    def publish(self, name: str, about: str, value: float, tags: Mapping[str, str]) -> None:
        """Nothing: this process has no metrics port."""
