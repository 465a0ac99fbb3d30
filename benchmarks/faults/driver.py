"""A process that searches and may bring a fault upon itself: `python -m benchmarks.faults.driver FOLDER SEED
[KIND AT]` begins the run in FOLDER or goes on with it. The training is a formula.

`python -m benchmarks.faults.driver FOLDER cli KIND AT ARGUMENTS` is `python -m search ARGUMENTS` with a
fault.
The last line of a run that comes to its end is the number of changes of the folder.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from safetensors.numpy import save_file

from benchmarks.faults.injection import KINDS, Fault, Injection
from results.files import replacing
from search.config.run_config import RunConfig, resolve
from search.core.job import Job
from search.engines.local import LocalEngine
from search.runs.folder import locked, sweep_run, write_config
from search.runs.interrupts import interruptible
from search.runs.run import search
from search.watch.progress import ProgressView
from spaces.lane import Report

SPACE = """\
trainable: benchmarks.faults.driver:Formula
data: benchmarks.faults.driver:Formula
objective: {metric: val/f, mode: min}
params:
  x: {low: 0.0, high: 1.0}
  kind: [a, b]
structure: [kind]
seeds: [{x: 0.95, kind: a}, {x: 0.99, kind: b}]
"""
TRIALS, DIVERGES, RAISES = 20, 0.9, 0.98


class Formula:
    """The objective is `(x - 0.3)**2 + 1 / epoch`; a large x diverges, a larger one raises."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, job: Job) -> Iterator[Report]:
        for epoch in range(job.first + 1, job.last + 1):
            xs = {lane.number: float(lane.params["x"]) for lane in job.lanes}
            if max(xs.values()) >= RAISES:
                raise RuntimeError("x is too large")
            gone = frozenset(number for number, x in xs.items() if x >= DIVERGES)
            metrics = {
                n: {"val/f": float("nan") if n in gone else (x - 0.3) ** 2 + 1 / epoch} for n, x in xs.items()
            }
            kept = {f"{n}/x": np.array(x) for n, x in xs.items() if n not in gone}
            if epoch == job.last and kept:
                path = self.folder / job.checkpoint
                path.parent.mkdir(exist_ok=True)
                with replacing(path) as temporary:
                    save_file(kept, temporary)
            yield Report(epoch, 0.01, metrics, gone, device="none", node="here", job=job.number)
            if not kept:
                return


def configuration(folder: Path, seed: int) -> RunConfig:
    """The configuration of the run, with packs of one and more trials."""
    space = folder.parent / "formula.yaml"
    space.write_text(SPACE)
    lanes = 1 + 3 * (seed % 2)
    sizes = [f"trials={TRIALS}", "epochs=9", f"lanes={lanes}", f"seed={seed}", "engine=local"]
    return resolve([f"space={space}", f"storage={folder.parent}", f"name={folder.name}", *sizes])


def run(folder: Path, seed: int) -> None:
    """Begins the run or goes on with it, as `search.runs.run` does."""
    config = configuration(folder, seed)
    folder.mkdir(exist_ok=True)
    view = ProgressView(Console(file=io.StringIO()), "", workers=1)
    with interruptible("", 2), locked(folder):
        if not (folder / "config.yaml").exists():
            write_config(folder, config)
        sweep_run(folder)
        search(LocalEngine(Formula(folder)), config, folder, view)


def main() -> None:
    folder, mode, *rest = sys.argv[1:]
    fault = None
    if rest:
        kind = next(known for known in KINDS if known == rest[0])
        fault = Fault(kind, int(rest[1]))
    injection = Injection(Path(folder), fault)
    injection.arm()
    if mode == "cli":
        from search.cli.commands import app

        app(rest[2:])
    else:
        run(Path(folder), int(mode))
        print(injection.changes)


if __name__ == "__main__":
    main()
