"""Whole searches, start-up included: Ladder beside the usual recipes, all in one run on one machine.

    python -m benchmarks.search_speed DATA [--trials 64] [--only ladder,reused,...] [--json FILE]

DATA is a folder with MNIST's t10k files. Everyone tunes the same classifier (784-128-64-10, batch 64) on the
same 8,000 images for at most 9 epochs, with eta 3, TPE, and one thread a trial:

    ladder    python -m search run space=mnist_classifier
    tune      Ray Tune as its documentation gives it: function trainable, OptunaSearch, ASHAScheduler,
              Lightning, DataLoader
    reused    the same with reuse_actors=True
    optuna    Optuna's own loop with its SuccessiveHalvingPruner, two processes on one journal
    floor     two bare PyTorch loops with fused AdamW, one thread each: no framework, no search

Figures: seconds of the whole command, trial-epochs a second, seconds to the best known accuracy less half a
point, the peak of the memory of all processes (PSS), the best accuracy.
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
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

CONTENDERS = ("ladder", "tune", "reused", "optuna", "floor")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Figures:
    """What one contender's command brought."""

    contender: str
    trials: int
    seconds: float
    trial_epochs: int
    peak_mb: int
    best: float
    rises: list[tuple[float, float]]  # (seconds since the start, accuracy) at each new best

    @property
    def rate(self) -> float:
        return self.trial_epochs / self.seconds

    def reached(self, accuracy: float) -> float | None:
        """Seconds until a trial had this accuracy."""
        return next((when for when, value in self.rises if value >= accuracy), None)


def run(contender: str, data: Path, trials: int) -> Figures:
    """Runs one contender's command in a process of its own and watches it."""
    with tempfile.TemporaryDirectory() as folder:
        if contender == "ladder":
            command = [
                "-m",
                "search",
                "run",
                "space=mnist_classifier",
                f"data.root={data}",
                f"trials={trials}",
            ]
            command += [
                "param.widths=128-64",
                "param.batch_size=64",
                "param.norm=none",
                f"storage={folder}",
                "name=r",
            ]
        else:
            command = ["-m", "benchmarks.recipes", contender, str(data), str(trials), folder]
        peak, began, wall = watch([sys.executable, *command])
        rows = ladder_rows(Path(folder)) if contender == "ladder" else recipe_rows(Path(folder))
    rises: list[tuple[float, float]] = []
    for when, accuracy in sorted(rows):
        if not rises or accuracy > rises[-1][1]:
            rises.append((round(when - began, 2), accuracy))
    return Figures(contender, trials, round(wall, 2), len(rows), peak, rises[-1][1], rises)


def watch(command: list[str]) -> tuple[int, float, float]:
    """Peak PSS of a command and its descendants in MB, when it began (unix time), and how long it took."""
    began = time.time()
    process = subprocess.Popen(
        command, cwd=HERE.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    peak = 0

    def sample() -> None:
        nonlocal peak
        while process.poll() is None:
            total = 0
            try:
                for child in [root := psutil.Process(process.pid), *root.children(recursive=True)]:
                    total += child.memory_full_info().pss
            except psutil.Error:
                continue  # a process ended while it was looked at
            peak = max(peak, total)
            time.sleep(2)

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    _, errors = process.communicate()
    wall = time.time() - began
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return peak >> 20, began, wall


def ladder_rows(storage: Path) -> list[tuple[float, float]]:
    """(unix time, accuracy) of each trial-epoch of a Ladder run, the time that of its rung's record."""
    rows = []
    for line in (storage / "r" / "study.log").read_text().splitlines():
        log = json.loads(line)
        for key, value in log.get("user_attr", {}).items():
            if key.startswith("rung/"):
                rows += [(value["at"], row["val/accuracy"]) for row in value["epochs"]]
    return rows


def recipe_rows(folder: Path) -> list[tuple[float, float]]:
    """(unix time, accuracy) of each trial-epoch, as the recipes log them."""
    lines = [line for file in folder.glob("*.epochs") for line in file.read_text().splitlines()]
    return [(float(when), float(accuracy)) for when, accuracy in (line.split() for line in lines)]


def table(all_figures: list[Figures]) -> str:
    """The figures as a Markdown table; each rate beside those of the recipes."""
    goal = max(f.best for f in all_figures) - 0.005
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
    ours = next((f for f in all_figures if f.contender == "ladder"), None)
    if ours:
        ratios = [f"{f.contender} {ours.rate / f.rate:.1f}" for f in all_figures if f is not ours]
        lines.append(f"\nladder's trial-epochs/s over: {', '.join(ratios)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    all_figures = []
    for contender in options.only.split(","):
        all_figures.append(run(contender, options.data.resolve(), options.trials))
        print(f"{contender}: {all_figures[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    print(table(all_figures))
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
