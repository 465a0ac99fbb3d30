"""Whole searches, start-up included: Ladder and the usual recipes, one after the other on one machine.

    python -m benchmarks.search_speed DATA [--trials 64] [--only ladder,reused,...] [--foreign] [--json FILE]

DATA is a folder of IDX files with images of 28 x 28 pixels and up to 10 classes, such as MNIST's t10k files.
All contenders tune the same classifier (784-128-64-10, batch 64) on the same training split for at most 9
epochs, with eta 3, TPE, and one thread per trial:

    ladder    python -m search run space=mnist_classifier
    tune      Ray Tune as in its documentation: function trainable, OptunaSearch, ASHAScheduler, Lightning,
              DataLoader
    reused    the same with reuse_actors=True
    optuna    Optuna's own loop with its SuccessiveHalvingPruner, two processes on one journal
    floor     two bare PyTorch loops with fused AdamW, one thread each: no framework, no search

With `--foreign` the contenders are others. They train plain LightningModules with a plain DataLoader
(benchmarks/foreign.py): the same network, a convolution with batch norm, and an autoencoder of two networks.

    ladder            as above, with a Learner
    foreign:MODULE    python -m search run with the module as it is
    reused:MODULE     Ray Tune with reuse_actors=True, with the same module

Prints the seconds of the whole command, trial-epochs per second, the best accuracy, the seconds until a trial
is within half a point of the best accuracy of all contenders, and the peak memory (PSS) of all processes.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import psutil

from benchmarks import foreign
from results.store import open_run
from search.core.study import Study
from search.runs.folder import read_config

CONTENDERS = ("ladder", "tune", "reused", "optuna", "floor")
FOREIGN = ("ladder", *(f"{who}:{module}" for module in foreign.MODULES for who in ("foreign", "reused")))
ROOT = Path(__file__).parents[1]
LADDER = (
    *("space=mnist_classifier", "sampler=tpe", "name=r"),  # TPE, as the other recipes
    *("param.widths=128-64", "param.batch_size=64", "param.norm=none"),
)
MARGIN = 0.005  # below the best accuracy
SAMPLE_SECONDS = 2  # between two measurements of the memory

Timeline = list[tuple[float, float]]  # unix time and accuracy of each trial-epoch


@final
@dataclass(frozen=True)
class Figures:
    """Measurements of the command of one contender."""

    contender: str
    trials: int
    seconds: float
    trial_epochs: int
    peak_mb: int
    best: float
    rises: list[tuple[float, float]]  # (seconds since the start, metric) at each new best

    @property
    def rate(self) -> float:
        """Trial-epochs per second."""
        return self.trial_epochs / self.seconds

    def reached(self, accuracy: float) -> float | None:
        """Seconds until a trial had this accuracy; None if none had."""
        return next((when for when, value in self.rises if value >= accuracy), None)


def run(contender: str, data: Path, trials: int) -> Figures:
    """Runs the command of one contender in a process of its own and measures it.

    Raises RuntimeError if the command fails.
    """
    name, _, module = contender.partition(":")
    of = foreign.MODULES[module] if module else None
    sign = -1 if of and of.mode == "min" else 1
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "search", "run", f"trials={trials}", f"storage={folder}"]
        if name == "ladder":
            command += [*LADDER, f"data.root={data}"]
        elif name == "foreign" and of:
            space = Path(folder) / "space.yaml"
            space.write_text(of.space(str(data)))
            command += [f"space={space}", "sampler=tpe", "name=r", "epochs=9", "grace=1", "eta=3"]
        else:
            command = ["-m", "benchmarks.recipes", name, str(data), str(trials), folder]
            command += ["--module", module] if module else []
        peak, start, seconds = watch([sys.executable, *command])
        own = name in ("ladder", "foreign")
        metric = of.metric if of else "val/accuracy"
        timeline = ladder_timeline(Path(folder), metric) if own else recipe_timeline(Path(folder))
    rises: list[tuple[float, float]] = []
    for when, value in sorted(timeline):
        if not rises or sign * value > sign * rises[-1][1]:
            rises.append((round(when - start, 2), value))
    return Figures(contender, trials, round(seconds, 2), len(timeline), peak, rises[-1][1], rises)


def watch(command: list[str]) -> tuple[int, float, float]:
    """Runs a command. Returns the peak PSS of its processes in MB, its start (unix time), and its seconds."""
    start = time.time()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    peak, ended = 0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.is_set():
            total = 0
            with suppress(psutil.Error):
                for child in [root := psutil.Process(process.pid), *root.children(recursive=True)]:
                    with suppress(psutil.Error):  # it has ended during the measurement
                        total += child.memory_full_info().pss
            peak = max(peak, total)
            ended.wait(SAMPLE_SECONDS)

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    _, errors = process.communicate()
    seconds = time.time() - start
    ended.set()
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return peak >> 20, start, seconds


def ladder_timeline(storage: Path, metric: str) -> Timeline:
    """The timeline of a metric in a Ladder run. An epoch has the time at which its rung was finished.

    The epochs of a diverged trial after its last rung have the time of the last rung of the run.
    """
    run = open_run(storage / "r")
    config = read_config(run)
    study = Study(run.path / "study.log", config.space, config.rungs, writable=False)
    start = min(trial.datetime_start.timestamp() for trial in study.frozen_trials() if trial.datetime_start)
    rungs = run.rungs.to_pylist()  # in the order of time
    end = rungs[-1]["finished_at"]

    def finished_at(trial: int, epoch: int) -> float:
        times = (row["finished_at"] for row in rungs if row["trial"] == trial and row["epochs"] >= epoch)
        return next(times, end)

    rows = run.epochs.to_pylist()
    return [(start + finished_at(row["trial"], row["epoch"]), row[metric]) for row in rows]


def recipe_timeline(folder: Path) -> Timeline:
    """The timeline that a recipe has logged."""
    lines = [line for file in folder.glob("*.epochs") for line in file.read_text().splitlines()]
    return [(float(when), float(accuracy)) for when, accuracy in (line.split() for line in lines)]


def table(all_figures: list[Figures]) -> str:
    """The figures as a Markdown table, and the ratios of Ladder's rate to those of the others."""
    goal = max(f.best for f in all_figures) - MARGIN
    lines = [
        "| contender | trials | s | trial-epochs | per s | best | s to best known - 0.5 points | peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in all_figures:
        reached = f.reached(goal)
        lines.append(
            f"| {f.contender} | {f.trials} | {f.seconds:.1f} | {f.trial_epochs} | {f.rate:.2f} "
            f"| {f.best:.3f} | {'never' if reached is None else f'{reached:.1f}'} | {f.peak_mb} |"
        )
    ladder = next((f for f in all_figures if f.contender == "ladder"), None)
    if ladder:
        ratios = [f"{f.contender} {ladder.rate / f.rate:.1f}" for f in all_figures if f is not ladder]
        lines.append(f"\nladder's trial-epochs/s over: {', '.join(ratios)}")
    return "\n".join(lines)


def foreign_table(all_figures: list[Figures]) -> str:
    """The figures of `--foreign` as a Markdown table, with the ratio to the reused recipe of each module."""
    rates = {f.contender: f.rate for f in all_figures}
    lines = [
        "| contender | trials | s | trial-epochs | per s | over reused | best | peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in all_figures:
        reused = rates.get(f"reused:{f.contender.partition(':')[2] or 'Net'}")
        ratio = f"{f.rate / reused:.1f}" if reused else ""
        lines.append(
            f"| {f.contender} | {f.trials} | {f.seconds:.1f} | {f.trial_epochs} | {f.rate:.2f} | {ratio} "
            f"| {f.best:.3f} | {f.peak_mb} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--only", help="contenders, joined by commas")
    parser.add_argument("--foreign", action="store_true", help="plain modules instead")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args(argv)
    all_figures = []
    known = FOREIGN if options.foreign else CONTENDERS
    for contender in options.only.split(",") if options.only else known:
        all_figures.append(run(contender, options.data.resolve(), options.trials))
        print(f"{contender}: {all_figures[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    print(foreign_table(all_figures) if options.foreign else table(all_figures))
    machine = {
        "machine": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "gpu": None,
    }
    result = {**machine, "figures": [asdict(figures) for figures in all_figures]}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
