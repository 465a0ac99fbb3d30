"""Searches for two objectives, with and without early stopping, on recorded learning curves.

    python -m benchmarks.objectives benchmarks/data [--seeds 4] [--ways random,ladder,optuna-tpe]

The objectives are that of the recorded space and the logarithm of the mean seconds of an epoch, as a stand-in
for the size of a model. The score is the hypervolume of the front as a share of that of all configurations
known, after 5, 10, 20 and 40 full trainings by 4 workers: 1 is best. Both objectives are scaled: 0
is the best value and 1 the median (of the seconds: the 0.9 quantile), the reference point. A trial counts
with the final value of its curve, the front is that of the values seen. 95 % intervals over seeds.
"""

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from math import isfinite, log
from pathlib import Path

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from benchmarks.curves import TableTask
from benchmarks.recorded import load_recorded
from results.stats import estimate
from search.core.job import Job
from search.core.queue import Plan, Queue
from search.core.ranking import is_front
from search.core.rungs import milestones
from search.core.samplers.optuna_space import suggest
from search.core.study import Study
from search.replay.simulate import scratch_folder, simulate
from search.replay.training import Curve
from spaces.lane import Report
from spaces.space import Objective

TIMES = (5, 10, 20, 40)  # full trainings
WORKERS, GRACE, ETA = 4, 3, 3
SIZE = "model/params"  # the name that stands for the second objective
Point = tuple[float, float]


class Scales:
    """The scales of both objectives of a task, and the hypervolume of all that is known."""

    def __init__(self, task: TableTask) -> None:
        finite = np.isfinite(task.table.losses)
        sizes = np.log(task.table.seconds[finite].mean(axis=1))
        self.task, self.low, self.high = task, float(sizes.min()), float(np.quantile(sizes, 0.9))
        losses = task.table.losses[finite].tolist()
        self.best = hypervolume(self.point(a, b) for a, b in zip(losses, sizes.tolist(), strict=True))

    def point(self, loss: float, size: float) -> Point:
        """Both objectives, scaled."""
        task = self.task
        return (loss - task.best) / (task.median - task.best), (size - self.low) / (self.high - self.low)


def hypervolume(points: Iterable[Point]) -> float:
    """The area that the points dominate, up to the reference point (1, 1)."""
    area, last = 0.0, 1.0
    for a, b in sorted(point for point in points if max(point) < 1):
        if b < last:
            area, last = area + (1 - a) * (last - b), b
    return area


def size_of(curve: Curve) -> float:
    """The second objective."""
    return log(float(curve.seconds.mean()))


def ladder(scales: Scales, seed: int, sampler: str, full: bool = False) -> list[float]:
    """This search; `full`: every trial is trained in full."""
    task = scales.task
    space = replace(task.space, further_objectives=(Objective(SIZE, "min"),))
    rungs = (task.epochs,) if full else milestones(GRACE, ETA, task.epochs)
    training = task.training()

    def train(job: Job) -> Iterator[Report]:
        for report in training(job):
            sizes = {number: size_of(training.curves[number]) for number in report.metrics}
            metrics = {number: {**own, SIZE: sizes[number]} for number, own in report.metrics.items()}
            yield replace(report, metrics=metrics)

    with scratch_folder() as folder:
        plan = Plan(task.trials, rungs, ETA, seed, sampler, workers=WORKERS)
        queue = Queue(space, plan, Study(folder / "study.log", space, rungs))
        outcomes = simulate(queue, train, WORKERS, TIMES[-1] * task.seconds / WORKERS)
    scores = []
    for time in TIMES:
        last = {o.trial: o.value for o in outcomes if o.time <= time * task.seconds / WORKERS}
        seen = [number for number, value in last.items() if isfinite(value)]
        sign = space.objective.sign
        vectors = [(0.0, sign * last[number], size_of(training.curves[number])) for number in seen]
        fronts = is_front(np.array(vectors).reshape(-1, 3)).tolist()
        ends = (
            scales.point(training.curves[number].final, vector[2])
            for number, vector, front in zip(seen, vectors, fronts, strict=True)
            if front
        )
        scores.append(hypervolume(ends) / scales.best)
    return scores


def peer(scales: Scales, seed: int, make: Callable[[int], BaseSampler]) -> list[float]:
    """Optuna with one of its samplers for several objectives. It trains every trial in full: its pruners need
    a single objective."""
    task, answer = scales.task, scales.task.answers()
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=make(seed))
    running: list[tuple[float, int, optuna.Trial, Curve]] = []
    ends: list[tuple[float, Point]] = []

    def begin(now: float) -> None:
        trial = study.ask()
        curve = answer(suggest(task.space, trial))
        heappush(running, (now + float(curve.seconds.sum()), trial.number, trial, curve))

    for _ in range(WORKERS):
        begin(0.0)
    while running[0][0] <= TIMES[-1] * task.seconds / WORKERS:
        now, _, trial, curve = heappop(running)
        if isfinite(curve.final):
            study.tell(trial, [curve.final, size_of(curve)])
            ends.append((now, scales.point(curve.final, size_of(curve))))
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        begin(now)
    return [
        hypervolume(p for at, p in ends if at <= time * task.seconds / WORKERS) / scales.best
        for time in TIMES
    ]


WAYS: dict[str, Callable[[Scales, int], list[float]]] = {
    "random, in full": lambda scales, seed: ladder(scales, seed, "random", full=True),
    "optuna-tpe": lambda scales, seed: peer(
        scales, seed, lambda own: TPESampler(seed=own, multivariate=True, constant_liar=True)
    ),
    "optuna-nsga2": lambda scales, seed: peer(
        scales, seed, lambda own: NSGAIISampler(seed=own, population_size=20)
    ),
    # With several objectives: the logarithm of the expected hypervolume improvement.
    "optuna-gp": lambda scales, seed: peer(scales, seed, lambda own: GPSampler(seed=own)),
    "random": lambda scales, seed: ladder(scales, seed, "random"),
    "tpe": lambda scales, seed: ladder(scales, seed, "tpe"),
    "ladder": lambda scales, seed: ladder(scales, seed, "ladder"),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--ways", default=",".join(name for name in WAYS if "," not in name))
    options = parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    names = [name for name in WAYS if name in options.ways.split(",") or name == "random, in full"]
    for task in load_recorded(options.folder):
        scales = Scales(task)
        for name in names:
            scores = np.array([WAYS[name](scales, seed) for seed in range(options.seeds)])
            mean = estimate(scores.mean(axis=1).tolist())
            half = 0.0 if mean.high is None else mean.high - mean.mean
            at = "  ".join(f"{value:.2f}" for value in scores.mean(axis=0))
            print(f"{task.name:20} {name:16} {at}  mean {mean.mean:.2f} ± {half:.2f}", flush=True)


if __name__ == "__main__":
    main()
