"""What the engine itself costs: searches of a trainable that does nothing.

    python -m benchmarks.overhead [--trials 100,1000,10000] [--engine ray]

For each number of trials, in packs (lanes=auto) and without (lanes=1, up to 1,000 trials): trials a second
once the engine is up, milliseconds a trial, and the peak memory of this process.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from search.core.job import Job, Report
from search.core.queue import Plan, Queue
from search.core.study import Study
from search.engines.local import LocalEngine
from search.runs.recorder import Recorder
from search.watch.progress import ProgressView
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


def nothing(job: Job) -> Iterator[Report]:
    """An epoch takes no time, and its value is that of the first parameter."""
    for epoch in range(job.first + 1, job.last + 1):
        metrics = {lane.number: {"val/f": lane.params["x0"] + 1 / epoch} for lane in job.lanes}
        yield Report(job.number, epoch, 1e-3 * len(job.lanes), metrics, device="none", node="here")


def measure(engine: Any, trials: int, lanes: int | None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder) / "study.log", SPACE, RUNGS)
        plan = Plan(trials, RUNGS, 3, seed=0, sampler="tpe", lanes=lanes, workers=engine.workers)
        queue = Queue(SPACE, plan, study)
        with ProgressView(Console(file=sys.stderr, quiet=True), "nothing", engine.workers) as view:
            began = time.perf_counter()
            recorder = Recorder(queue, Path(folder), view)
            engine.run(recorder)
            recorder.write()
            seconds = time.perf_counter() - began
        jobs = queue.started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return (
        f"| {trials} | {'auto' if lanes is None else lanes} | {jobs} | {seconds:.1f} "
        f"| {trials / seconds:.0f} | {1e3 * seconds / trials:.1f} | {peak} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", default="100,1000,10000")
    parser.add_argument("--engine", choices=("local", "ray"), default="ray")
    options = parser.parse_args()
    engine: Any = LocalEngine(nothing)
    if options.engine == "ray":
        from search.engines.ray_tune import RayEngine

        engine = RayEngine(nothing, name="nothing", cpus_per_job=1, gpus_per_job=0)
        measure(engine, 8, 1)  # the actors' start is not a trial's cost
    print("| trials | lanes | jobs | s | trials/s | ms a trial | peak MB here |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for trials in map(int, options.trials.split(",")):
        print(measure(engine, trials, None), flush=True)
        if trials <= 1000:
            print(measure(engine, trials, 1), flush=True)
    engine.close()


if __name__ == "__main__":
    main()
