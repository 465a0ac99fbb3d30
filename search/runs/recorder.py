"""The queue with everything that happens to it written to the run's tables and shown in the view.

An engine is handed a Recorder in place of the queue. The tables are derived from the queue and its study,
and written again as a whole, never more than a small share of the time.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from results.store import column_type, write_epochs, write_trials
from search.core.job import Job, Report, State
from search.core.queue import Queue
from search.core.rungs import Done, Wait
from search.watch.progress import ProgressView
from spaces.params import Choice, Range
from spaces.space import Space

SHARE = 0.05  # of the time may go into writing tables
KEPT = (State.RUNNING, State.PAUSED, State.COMPLETE)


class Watcher(Protocol):
    """Who else is told of what happens; the queue has changed already."""

    def epoch(self, queue: Queue, report: Report) -> None: ...
    def job(self, queue: Queue, job: Job) -> None: ...
    def close(self, queue: Queue) -> None: ...


class Recorder:
    """The four verbs of a queue; `folder` is the run's."""

    def __init__(
        self, queue: Queue, folder: Path, view: ProgressView, watchers: Sequence[Watcher] = ()
    ) -> None:
        self.queue, self.folder, self.view, self.watchers = queue, folder, view, watchers
        self.columns = column_types(queue.space)
        self.next_write = 0.0
        self.write()

    def next_job(self) -> Job | Wait | Done:
        job = self.queue.next_job()
        if isinstance(job, Done):
            self.tidy()
        self.view.show(self.queue)
        return job

    def report(self, report: Report) -> None:
        self.queue.report(report)
        self.view.epoch(self.queue, report)
        for watcher in self.watchers:
            watcher.epoch(self.queue, report)

    def finish(self, job: Job, checkpoint: str) -> None:
        self.queue.finish(job, checkpoint)
        used = {trial.checkpoint for trial in self.queue.trials.values() if trial.state in KEPT}
        for start in {lane.start for lane in job.lanes if lane.start} - used:
            (self.folder / start).unlink(missing_ok=True)
        self._ended(job)

    def fail(self, job: Job, error: str) -> None:
        self.queue.fail(job, error)
        self._ended(job)

    def _ended(self, job: Job) -> None:
        self.view.job(self.queue, job)
        for watcher in self.watchers:
            watcher.job(self.queue, job)
        if time.monotonic() >= self.next_write:
            self.write()

    def end(self) -> None:
        """The search is over, or broken off."""
        for watcher in self.watchers:
            watcher.close(self.queue)
        self.write()

    def write(self) -> None:
        """Writes both tables."""
        began = time.monotonic()
        rows = [trial.row() for trial in self.queue.trials.values()]
        write_trials(self.folder, rows, self.columns)
        write_epochs(
            self.folder, sorted(self.queue.study.epoch_rows(), key=lambda r: (r["trial"], r["epoch"]))
        )
        now = time.monotonic()
        self.next_write = now + max(1.0, (now - began) / SHARE)

    def tidy(self) -> None:
        """Deletes the checkpoints that nothing will go on from; the complete trials' and the best's stay."""
        best = self.queue.best()
        used = {
            trial.checkpoint for trial in self.queue.trials.values() if trial.state in KEPT or trial is best
        }
        for path in (self.folder / "checkpoints").glob("*.safetensors"):
            if f"checkpoints/{path.name}" not in used:
                path.unlink()


def column_types(space: Space) -> dict[str, pa.DataType]:
    """The type of each parameter's column in a table."""
    return {
        name: column_type(param.options if isinstance(param, Choice) else numbers(param))
        for name, param in space.params.items()
    }


def numbers(param: Range) -> tuple[float]:
    """A value of the range's type."""
    return (int(param.low) if param.whole else float(param.low),)
