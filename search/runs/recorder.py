"""The queue, with each of its events shown on the screen, sent to watchers and written to the tables.

An engine gets a Recorder in place of the queue. Writing and copying them takes a small share of the time.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from results import text
from search.core.job import Job
from search.core.queue import Queue
from search.core.rungs import UNLIMITED, Done, Wait
from search.runs import interrupts, stop_requests
from search.runs.checkpoints import Checkpoints
from search.runs.mirror import Mirror
from search.runs.tables import write_tables
from search.watch.progress import ProgressView
from search.watch.watcher import Watcher
from spaces.lane import Report

WRITING_SHARE = 0.05  # of the time, at most, goes into writing and copying tables


class Recorder:
    """The five verbs of a queue; `folder` is the run's, `disk` the bytes for its checkpoints."""

    def __init__(
        self,
        queue: Queue,
        folder: Path,
        view: ProgressView,
        watchers: Sequence[Watcher] = (),
        disk: int | None = None,
    ) -> None:
        self.queue, self.folder, self.view, self.watchers = queue, folder, view, watchers
        self.next_write = 0.0
        self.files = Mirror(folder)
        self.checkpoints = Checkpoints(queue, self.files, disk)
        self.write()

    def next_job(self) -> Job | Wait | Done:
        interrupts.check()
        if not self.queue.closed and self.checkpoints.is_full():
            self.queue.closed = True
            self.view.say(f"{self.view.clock()} no room for further trials (disk=...): begins no more")
        for number in stop_requests.take_in(self.folder, self.queue):
            self.view.say(f"{self.view.clock()} trial {number} stopped on request")
        had_ended = self.queue.stopping.end is not None
        job = self.queue.next_job()
        if not had_ended and (end := self.queue.stopping.end):
            why = "the time is over" if "time" in end else f"a gain of {end['gain']:.1%} is expected"
            self.view.say(f"{self.view.clock()} {why}: begins no further trial")
        if isinstance(job, Done):
            self.checkpoints.delete_unused()
        self.view.show(self.queue)
        return job

    def report(self, report: Report) -> None:
        self.queue.report(report)
        self.view.epoch(self.queue, report)
        for watcher in self.watchers:
            watcher.epoch(self.queue, report)

    def finish(self, job: Job, checkpoint: str) -> None:
        first = not self.checkpoints.largest
        self.queue.finish(job, checkpoint)
        self.checkpoints.finished(job)
        if first and self.checkpoints.largest:
            each, most = text.bytes_(self.checkpoints.largest), text.bytes_(self.checkpoints.most())
            in_all = f", at most {most} in all" if self.queue.plan.trials < UNLIMITED else ""
            self.view.say(f"{self.view.clock()} checkpoints: {each} a trial{in_all}")
        self._ended(job)

    def fail(self, job: Job, error: str) -> None:
        self.queue.fail(job, error)
        self._ended(job)

    def lose(self, job: Job, cause: str) -> None:
        self.queue.lose(job, cause)
        self.view.say(f"{self.view.clock()} {job.title} lost: {cause}")
        self._ended(job)

    def _ended(self, job: Job) -> None:
        self.view.job(self.queue, job)
        for watcher in self.watchers:
            watcher.job(self.queue, job)
        if time.monotonic() >= self.next_write:
            self.write()

    def end(self) -> None:
        """The search has ended or was interrupted."""
        for watcher in self.watchers:
            watcher.close(self.queue)
        stop_requests.remove(self.folder)
        self.write()

    def write(self) -> None:
        """Writes the tables, and brings the remote copy of the run up to date."""
        start = time.monotonic()
        write_tables(self.folder, self.queue.study, self.queue.trials.values())
        self.files.copy()
        now = time.monotonic()
        self.next_write = now + max(1.0, (now - start) / WRITING_SHARE)
