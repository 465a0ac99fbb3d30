"""Overhead of the search itself: searches with a trainable that does nothing.

    python -m benchmarks.overhead [--trials 100,1000,10000] [--engine ray]

Prints, for each number of trials, the trials per second once the engine has started, the milliseconds per
trial, and the peak memory of this process: in packs (lanes=auto) and, up to 1,000 trials, without (lanes=1).
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from search.core.job import Job
from search.core.queue import Plan, Queue
from search.core.study import Study
from search.engines.base import Engine
from search.engines.local import LocalEngine
from search.runs.recorder import Recorder
from search.watch.progress import ProgressView
from spaces.lane import Report
from spaces.params import Choice, Range
from spaces.space import Objective, Space

SPACE = Space(
    name="nothing",
    about="",
    trainable="nothing:Nothing",
    data="nothing:Nothing",
    objective=Objective("val/f", "min"),
    params={f"x{i}": Range(0.0, 1.0) for i in range(8)} | {"c": Choice(("a", "b", "c"))},
)
RUNGS = (1, 3, 9)
MAX_UNPACKED = 1000  # trials that are searched with lanes=1 too


def train_nothing(job: Job) -> Iterator[Report]:
    """Reports each epoch at once; the value is that of the first parameter plus 1 / epoch."""
    for epoch in range(job.first + 1, job.last + 1):
        metrics = {lane.number: {"val/f": lane.params["x0"] + 1 / epoch} for lane in job.lanes}
        yield Report(epoch, 1e-3 * len(job.lanes), metrics, device="none", node="here", job=job.number)


def measure(engine: Engine, trials: int, lanes: int | None) -> str:
    """Runs one search; `lanes=None` is auto. Returns a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder) / "study.log", SPACE, RUNGS)
        plan = Plan(trials, RUNGS, 3, seed=0, sampler="tpe", lanes=lanes, workers=engine.workers)
        queue = Queue(SPACE, plan, study)
        with ProgressView(Console(file=sys.stderr, quiet=True), "nothing", engine.workers) as view:
            start = time.perf_counter()
            recorder = Recorder(queue, Path(folder), view)
            engine.run(recorder)
            recorder.write()
            seconds = time.perf_counter() - start
        jobs = queue.started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return (
        f"| {trials} | {'auto' if lanes is None else lanes} | {jobs} | {seconds:.1f} "
        f"| {trials / seconds:.0f} | {1e3 * seconds / trials:.1f} | {peak} |"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", default="100,1000,10000", help="numbers of trials, joined by commas")
    parser.add_argument("--engine", choices=("local", "ray"), default="ray")
    options = parser.parse_args(argv)
    engine: Engine = LocalEngine(train_nothing)
    if options.engine == "ray":
        from search.engines.ray_tune import RayEngine

        engine = RayEngine(train_nothing, name="nothing", cpus_per_job=1, gpus_per_job=0)
        measure(engine, 8, 1)  # starts the actors, which is no cost of a trial
    print("| trials | lanes | jobs | s | trials/s | ms per trial | peak MB here |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for trials in map(int, options.trials.split(",")):
        print(measure(engine, trials, None), flush=True)
        if trials <= MAX_UNPACKED:
            print(measure(engine, trials, 1), flush=True)
    engine.close()


if __name__ == "__main__":
    main()
