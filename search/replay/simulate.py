"""A simulated clock for searches: runs the jobs of a queue, with a table of curves in place of training."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isfinite
from pathlib import Path
from typing import final

from search.core.job import Job
from search.engines.base import JobQueue, Train
from spaces.lane import Report

MEMORY = Path("/dev/shm")  # a file system in memory, where there is one


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the journal of a replayed search: in memory, because it is written often, then deleted."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@final
@dataclass(frozen=True)
class Outcome:
    """The end of a job for one of its trials."""

    time: float  # on the simulated clock, in seconds
    trial: int
    value: float  # of the objective, as last observed; not finite if the trial has diverged


def simulate(queue: JobQueue, train: Train, workers: int, until: float) -> list[Outcome]:
    """Runs the jobs of a queue on a simulated clock, until all are done or the clock reaches `until`.

    A worker asks for the next job as soon as it is free. The seconds of a job are those of its reports.
    """
    outcomes: list[Outcome] = []
    running: list[tuple[float, int, Job, list[Report]]] = []  # a heap: the job that ends first
    now = 0.0
    while True:
        while len(running) < workers and isinstance(job := queue.next_job(), Job):
            reports = list(train(job))
            heappush(running, (now + sum(report.seconds for report in reports), job.number, job, reports))
        if not running or running[0][0] > until:
            return outcomes
        now, _, job, reports = heappop(running)
        last: dict[int, float] = {}  # value of each trial
        for report in reports:
            queue.report(report)
            last |= {number: next(iter(metrics.values())) for number, metrics in report.metrics.items()}
        queue.finish(job, job.checkpoint)
        outcomes += [Outcome(now, number, value) for number, value in last.items()]


def incumbent(outcomes: Sequence[Outcome], sign: int, until: float) -> Outcome | None:
    """The best last outcome of all trials that have not diverged by `until`; None before the first.

    `sign` is that of the objective: 1 if lower values are better, -1 if higher ones are.
    """
    last = {outcome.trial: outcome for outcome in outcomes if outcome.time <= until}
    valid = [outcome for outcome in last.values() if isfinite(outcome.value)]
    return min(valid, key=lambda outcome: (sign * outcome.value, outcome.trial), default=None)
