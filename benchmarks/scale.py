"""The cost of a decision as a search grows: many simulated workers, a formula as training, the real journal.

    python -m benchmarks.scale [--trials 20000] [--workers 1000] [--sampler random] [--lanes 1]
        [--tables] [--disk] [--json FILE]

Queue, policy and study are those of every search. The clock is simulated, and training takes none of the
real time. On that clock an epoch takes 0.5 to 1.5 s, so jobs end in another order than they began. One
configuration in fifty diverges. With `--lanes 0` packs are as large as outweighs the overhead of a job
(`lanes=auto`). The journal is in memory; with `--disk` it is among the temporary files, and each record waits
for the disk. `--tables` adds the recorder of a run, which draws, writes tables and deletes checkpoints.

The table has a row for each tenth of the trials: the decisions (jobs handed out) per second of the search's
own work; the milliseconds of that work per trial begun, in all and by part: `policy` (rule, sampler, model),
`journal`, `tables` (all of the recorder), `queue` (the rest: trials and their history); then memory and
journal in MB, and the share of the workers that have a job. The last row is the rest of the search, when no
trial begins any more; its milliseconds are per job. The line below has the peak of the memory, and a digest
of all jobs and final trials: equal digests, equal decisions.
"""

import argparse
import hashlib
import json
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import inf, nan
from pathlib import Path
from typing import Any, final

from rich.console import Console

from benchmarks.overhead import RUNGS, SPACE
from benchmarks.search_quality import positive
from search.core.job import Job
from search.core.policies.registry import POLICIES
from search.core.queue import Plan, Queue
from search.core.rungs import Done, Wait
from search.core.study import Study
from search.replay.simulate import scratch_folder, simulate
from search.runs.recorder import Recorder
from search.watch.progress import ProgressView
from spaces.lane import Report

PARTS = ("policy", "journal", "tables", "queue")
HEAD = ("trials", "decisions/s", "ms", *PARTS, "MB", "journal MB", "busy")
ROWS = 10


@final
@dataclass(frozen=True)
class Settings:
    """Of one search."""

    trials: int = 20_000
    workers: int = 1_000
    sampler: str = "random"
    lanes: int | None = 1  # None: auto
    tables: bool = False
    disk: bool = False
    seed: int = 0


@final
@dataclass(frozen=True)
class Row:
    """The cost of a tenth of the trials."""

    trials: int  # begun at its end
    jobs: int  # begun in it
    ms: dict[str, float]  # of each of the PARTS, per trial; per job where none begins
    decisions_per_second: float
    memory: float  # MB
    journal: float  # MB
    busy: float  # share of the workers

    def line(self) -> str:
        """Its line of the table."""
        cost = (f"{ms:.2f}" for ms in (sum(self.ms.values()), *self.ms.values()))
        cells = [str(self.trials), f"{self.decisions_per_second:.0f}", *cost]
        return f"| {' | '.join([*cells, f'{self.memory:.0f}', f'{self.journal:.1f}', f'{self.busy:.0%}'])} |"


def train(job: Job) -> Iterator[Report]:
    """Reports each epoch. The value depends on three parameters, the time on a fourth."""
    for epoch in range(job.first + 1, job.last + 1):
        seconds, metrics = 0.0, {}
        for lane in job.lanes:
            x = lane.params
            seconds += 0.5 + x["x3"]
            metrics[lane.number] = {"val/f": (x["x0"] - 0.3) ** 2 + x["x1"] / (1 + epoch) + x["x2"] ** 2 / 9}
        gone = frozenset(lane.number for lane in job.lanes if lane.params["x4"] > 0.98)
        metrics |= {number: {"val/f": nan} for number in gone}
        yield Report(epoch, seconds, metrics, gone, device="none", node="here", job=job.number)
        if len(gone) == len(job.lanes):
            return


@final
class Clock:
    """Seconds of each part. Time that a part spends within another one counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inner = 0.0  # seconds of the parts that ended within the current one

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; its time counts for the part."""

        def wrapper(*args: Any, **more: Any) -> Any:
            outer, self.inner, start = self.inner, 0.0, time.perf_counter()
            try:
                return call(*args, **more)
            finally:
                seconds = time.perf_counter() - start
                self.seconds[part] += seconds - self.inner
                self.inner = outer + seconds

        return wrapper


@final
class Timed:
    """An object whose methods count for a part."""

    def __init__(self, target: object, part: str, clock: Clock) -> None:
        self.target, self.part, self.clock = target, part, clock

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.target, name)
        return self.clock.timed(self.part, member) if callable(member) else member


@final
class Meter:
    """The five verbs, which tell the rows of the table on the way."""

    def __init__(
        self, verbs: Any, queue: Queue, journal: Path, clock: Clock, tell: Callable[[Row], None]
    ) -> None:
        self.verbs, self.queue, self.journal, self.clock, self.tell = verbs, queue, journal, clock, tell
        self.digest = hashlib.sha256()
        self.jobs = self.trials = self.rows = 0
        self.report, self.finish = verbs.report, verbs.finish
        self.fail, self.lose = verbs.fail, verbs.lose

    def next_job(self) -> Job | Wait | Done:
        job = self.verbs.next_job()
        if isinstance(job, Job):
            self.jobs += 1
            self.digest.update(repr(job).encode())
            if len(self.queue.trials) >= self.queue.plan.trials * (self.rows + 1) / ROWS:
                self.note()
        return job

    def note(self) -> None:
        """A tenth of the trials has begun, or the search has ended."""
        seconds = sum(self.clock.seconds.values())
        begun = len(self.queue.trials) - self.trials
        ms = {part: 1e3 * self.clock.seconds[part] / (begun or self.jobs or 1) for part in PARTS}
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.tell(
            Row(
                len(self.queue.trials),
                self.jobs,
                ms,
                self.jobs / seconds,
                pages * resource.getpagesize() / 1e6,
                self.journal.stat().st_size / 1e6,
                len(self.queue.jobs) / self.queue.plan.workers,
            )
        )
        self.clock.seconds.clear()
        self.trials, self.jobs, self.rows = len(self.queue.trials), 0, self.rows + 1


def measure(settings: Settings, tell: Callable[[Row], None]) -> str:
    """One search. The digest of its jobs and final trials."""
    folder = tempfile.TemporaryDirectory() if settings.disk else None
    with folder or scratch_folder() as name:
        clock, journal = Clock(), Path(name) / "study.log"
        plan = Plan(
            settings.trials,
            RUNGS,
            3,
            settings.seed,
            settings.sampler,
            lanes=settings.lanes,
            workers=settings.workers,
        )
        queue = Queue(SPACE, plan, Study(journal, SPACE, RUNGS))
        queue.policy = Timed(queue.policy, "policy", clock)  # type: ignore[assignment]
        queue.study = Timed(queue.study, "journal", clock)  # type: ignore[assignment]
        verbs: Any = Timed(queue, "queue", clock)
        if settings.tables:
            view = ProgressView(Console(file=sys.stderr, quiet=True), "scale", settings.workers)
            recorder = Recorder(queue, Path(name), view)
            recorder.queue = verbs
            verbs = Timed(recorder, "tables", clock)
        meter = Meter(verbs, queue, journal, clock, tell)
        simulate(meter, train, settings.workers, inf)
        meter.note()
        meter.digest.update(repr(list(queue.trials.values())).encode())
    return meter.digest.hexdigest()[:16]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=positive, default=Settings.trials)
    parser.add_argument("--workers", type=positive, default=Settings.workers)
    parser.add_argument("--sampler", choices=POLICIES, default=Settings.sampler)
    parser.add_argument("--lanes", type=int, default=Settings.lanes, help="0: auto")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--tables", action="store_true", help="with the recorder of a run")
    parser.add_argument("--disk", action="store_true", help="the journal on the disk")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    options = vars(parser.parse_args(argv))
    file = options.pop("json")
    settings = Settings(**options | {"lanes": options["lanes"] or None})
    rows: list[Row] = []

    def tell(row: Row) -> None:
        rows.append(row)
        print(row.line(), flush=True)

    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    digest = measure(settings, tell)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"peak of the memory: {peak:.0f} MB; jobs {digest}")
    if file:
        found = {"settings": asdict(settings), "rows": [asdict(row) for row in rows]}
        file.write_text(json.dumps(found | {"peak": peak, "jobs": digest}, indent=1) + "\n")


if __name__ == "__main__":
    main()
