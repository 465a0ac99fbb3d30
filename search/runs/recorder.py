"""The queue, with each of its events shown on the screen, sent to watchers and written to the tables.

An engine gets a Recorder in place of the queue. Writing the tables takes a small share of the time.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from search.core.job import Job, State
from search.core.queue import Queue
from search.core.rungs import Done, Wait
from search.runs import interrupts
from search.runs.tables import write_tables
from search.watch.progress import ProgressView
from search.watch.watcher import Watcher
from spaces.lane import Report

WRITING_SHARE = 0.05  # of the time, at most, goes into writing tables
KEEPING = (State.RUNNING, State.PAUSED, State.COMPLETE)  # states in which a trial keeps its checkpoint


class Recorder:
    """The five verbs of a queue; `folder` is the run's."""

    def __init__(
        self, queue: Queue, folder: Path, view: ProgressView, watchers: Sequence[Watcher] = ()
    ) -> None:
        self.queue, self.folder, self.view, self.watchers = queue, folder, view, watchers
        self.next_write = 0.0
        self.users: dict[str, set[int]] = defaultdict(set)  # trials that have or had each checkpoint
        self._note(queue.trials)
        self.write()

    def next_job(self) -> Job | Wait | Done:
        interrupts.check()
        job = self.queue.next_job()
        if isinstance(job, Done):
            self.delete_checkpoints()
        self.view.show(self.queue)
        return job

    def report(self, report: Report) -> None:
        self.queue.report(report)
        self.view.epoch(self.queue, report)
        for watcher in self.watchers:
            watcher.epoch(self.queue, report)

    def finish(self, job: Job, checkpoint: str) -> None:
        self.queue.finish(job, checkpoint)
        self._note(lane.number for lane in job.lanes)
        for start in {lane.start for lane in job.lanes if lane.start}:
            trials = [self.queue.trials[number] for number in self.users[start]]
            if not any(trial.checkpoint == start and trial.state in KEEPING for trial in trials):
                (self.folder / start).unlink(missing_ok=True)
                del self.users[start]
        self._ended(job)

    def _note(self, numbers: Iterable[int]) -> None:
        """These trials may have a new checkpoint."""
        for number in numbers:
            if checkpoint := self.queue.trials[number].checkpoint:
                self.users[checkpoint].add(number)

    def fail(self, job: Job, error: str) -> None:
        self.queue.fail(job, error)
        self._ended(job)

    def lose(self, job: Job, cause: str) -> None:
        self.view.say(f"{self.view.clock()} {job.title} lost: {cause}; tried again")
        self.queue.lose(job, cause)
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
        self.write()

    def write(self) -> None:
        """Writes the tables."""
        start = time.monotonic()
        write_tables(self.folder, self.queue.study, self.queue.trials.values())
        now = time.monotonic()
        self.next_write = now + max(1.0, (now - start) / WRITING_SHARE)

    def delete_checkpoints(self) -> None:
        """Deletes all checkpoints except those of complete trials and of the best trial."""
        best = self.queue.best()
        used = {
            trial.checkpoint
            for trial in self.queue.trials.values()
            if trial.state in KEEPING or trial is best
        }
        for path in (self.folder / "checkpoints").glob("*.safetensors"):
            if f"checkpoints/{path.name}" not in used:
                path.unlink()
