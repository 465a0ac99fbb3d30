"""Quality of whole searches, replayed on published learning curves with a simulated clock.

    python -m benchmarks.search_quality FOLDER [--seeds 10] [--workers 4] [--json FILE]
        [--ways random,ladder-tpe] [--grace 3] [--lanes 1] [--processes 2]

FOLDER holds TaskSet's Parquet files (`benchmarks/curves.py`). The ways to search:

    random         random configurations, every trial in full
    optuna-tpe     Optuna's TPESampler, every trial in full
    optuna-gp      Optuna's GPSampler, every trial in full
    ladder-random  this search with sampler=random: promotion at eta 3, first rung at `grace`
    ladder-tpe     the same with sampler=tpe

All ways get the same training time, spread over the workers. Prints the normalised regret of the incumbent
(`Task.regret`) after the time of 5, 10, 20 and 40 full trainings, once by the final value of its curve and
once by its last observed value: means over tasks and seeds, with 95 % intervals over seeds (Student's t),
also of the difference from the first way, paired by seed.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from heapq import heappop, heappush
from math import isfinite
from pathlib import Path
from typing import final

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from benchmarks.curves import CurveTable, Task, load_taskset
from results.stats import estimate
from results.text import half_width
from search.core.job import Job
from search.core.queue import DONE, WAIT, Plan, Queue
from search.core.rungs import Done, Wait, milestones
from search.core.samplers.optuna_space import suggest
from search.core.study import Study
from search.engines.base import JobQueue, Train
from spaces.lane import Lane, Report
from spaces.seeds import derive_seed

ETA = 3
BUDGETS = (5, 10, 20, 40)  # in full trainings, all workers together
MEMORY = Path("/dev/shm")  # a file system in memory, where there is one: journals are written often
SCORES = {"final": "final value of the incumbent", "observed": "last observed value of the incumbent"}
COLUMNS = ("mean", "trials", "ms per trial")  # after those of the budgets


@final
@dataclass(frozen=True)
class Settings:
    """Settings that all searches share."""

    workers: int = 4
    lanes: int = 1  # trials per job of this search
    grace: int = 3  # first rung of this search


@final
@dataclass(frozen=True)
class Outcome:
    """The end of a job for one of its trials."""

    time: float  # on the simulated clock, in seconds: epochs of one trial
    trial: int
    value: float  # of the objective, as last observed; not finite if the trial has diverged


@final
@dataclass(frozen=True)
class Score:
    """Regrets of one search after each of the BUDGETS."""

    way: str
    task: str
    seed: int
    trials: int
    cpu_seconds: float  # of the search itself; training takes none
    final: tuple[float, ...]  # by the final value of the incumbent's curve
    observed: tuple[float, ...]  # by its last observed value


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
    """The best last outcome of all trials that have not diverged by `until`; None before the first."""
    last = {outcome.trial: outcome for outcome in outcomes if outcome.time <= until}
    valid = [outcome for outcome in last.values() if isfinite(outcome.value)]
    return min(valid, key=lambda outcome: (sign * outcome.value, outcome.trial), default=None)


@final
class FullTrainings:
    """The four verbs on an Optuna study; every trial is trained in full, and a diverged one fails."""

    def __init__(self, task: Task, sampler: BaseSampler) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.task, self.objective = task, task.space.objective
        direction = StudyDirection.MINIMIZE if self.objective.mode == "min" else StudyDirection.MAXIMIZE
        self.study = optuna.create_study(sampler=sampler, direction=direction)
        self.left = len(task.configurations)
        self.running: dict[int, Report | None] = {}  # the last report of each running job

    def next_job(self) -> Job | Wait | Done:
        """A new trial, as long as the table has rows."""
        if not self.left:
            return WAIT if self.running else DONE
        self.left -= 1
        trial = self.study.ask()
        lane = Lane(trial.number, suggest(self.task.space, trial), seed=0)
        self.running[trial.number] = None
        return Job(trial.number, (lane,), first=0, last=self.task.epochs, rung=0)

    def report(self, report: Report) -> None:
        """An epoch is done."""
        self.running[report.job] = report

    def finish(self, job: Job, checkpoint: str) -> None:
        """A trial has ended."""
        report = self.running.pop(job.number)
        assert report is not None, "a job reports each of its epochs"
        if report.diverged:
            self.study.tell(job.number, state=TrialState.FAIL)
        else:
            self.study.tell(job.number, report.metrics[job.number][self.objective.metric])

    def fail(self, job: Job, error: str) -> None:
        """Not called: a table raises nothing."""


Way = Callable[[Task, Settings, int, Path], JobQueue]
"""Makes the queue of one search from the task, the settings, a seed and an empty folder."""


def ladder(
    task: Task, settings: Settings, seed: int, folder: Path, *, sampler: str, full: bool = False
) -> JobQueue:
    """This search; `full`: with the last rung only, so every trial is trained in full."""
    rungs = (task.epochs,) if full else milestones(settings.grace, ETA, task.epochs)
    plan = Plan(
        len(task.configurations), rungs, ETA, seed, sampler, lanes=settings.lanes, workers=settings.workers
    )
    return Queue(task.space, plan, Study(folder / "study.log", task.space, rungs))


def optuna_tpe(task: Task, settings: Settings, seed: int, folder: Path) -> JobQueue:
    """TPESampler; `constant_liar` is what its documentation recommends for parallel trials."""
    return FullTrainings(task, TPESampler(seed=seed, constant_liar=True))


def optuna_gp(task: Task, settings: Settings, seed: int, folder: Path) -> JobQueue:
    """GPSampler with its defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return FullTrainings(task, GPSampler(seed=seed))


WAYS: dict[str, Way] = {
    "random": partial(ladder, sampler="random", full=True),
    "optuna-tpe": optuna_tpe,
    "optuna-gp": optuna_gp,
    "ladder-random": partial(ladder, sampler="random"),
    "ladder-tpe": partial(ladder, sampler="tpe"),
}


def replay(way: str, task: Task, seed: int, settings: Settings) -> Score:
    """One search until the last of the BUDGETS is spent."""
    start = time.process_time()
    table = CurveTable(task)
    times = [budget * task.epochs / settings.workers for budget in BUDGETS]
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        queue = WAYS[way](task, settings, seed, Path(folder))
        outcomes = simulate(queue, table, settings.workers, times[-1])
    seconds = time.process_time() - start
    sign = task.space.objective.sign
    best = [incumbent(outcomes, sign, until) for until in times]
    final = tuple(task.regret(task.losses[table.rows[b.trial], -1]) if b else 1.0 for b in best)
    observed = tuple(task.regret(sign * b.value) if b else 1.0 for b in best)
    return Score(way, task.name, seed, len(table.rows), seconds, final, observed)


def replay_all(
    ways: Sequence[str], tasks: Sequence[Task], seeds: int, settings: Settings, processes: int
) -> list[Score]:
    """Each way on each task and seed. One process is this one. The seeds are the same for all ways."""
    cases = [(task, derive_seed(seed, index)) for seed in range(seeds) for index, task in enumerate(tasks)]
    calls = [(way, *case, settings) for way in ways for case in cases]
    if processes == 1:
        return [replay(*call) for call in calls]
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the new processes
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        return list(pool.map(replay, *zip(*calls, strict=True)))


def regrets(scores: Sequence[Score], way: str, kind: str, tasks: int) -> np.ndarray:
    """Mean over tasks of the regrets of one way, (seeds, budgets)."""
    values = np.array([getattr(score, kind) for score in scores if score.way == way])
    return values.reshape(-1, tasks, len(BUDGETS)).mean(axis=1)


def interval(values: np.ndarray) -> str:
    """Mean of a value per seed, with its interval if there are two or more seeds: `.54 ± .02`."""
    result = estimate(values.tolist())
    half = half_width(result)
    return short(result.mean) + ("" if half is None else f" ± {short(half)}")


def short(value: float) -> str:
    """Two decimals without a leading zero: `.54`, `-.01`, `1.00`."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def table(scores: Sequence[Score], kind: str, tasks: int) -> str:
    """One kind of regret as a Markdown table; `kind` is a key of SCORES."""
    ways = list(dict.fromkeys(score.way for score in scores))
    first = regrets(scores, ways[0], kind, tasks).mean(axis=1)
    lines = [
        f"| {' | '.join([SCORES[kind], *map(str, BUDGETS), *COLUMNS, f'minus {ways[0]}'])} |",
        f"| {' | '.join(['---'] * (len(BUDGETS) + len(COLUMNS) + 2))} |",
    ]
    for way in ways:
        values = regrets(scores, way, kind, tasks)
        own = [score for score in scores if score.way == way]
        trials = sum(score.trials for score in own)
        cells = [
            way,
            *map(short, values.mean(axis=0)),
            interval(values.mean(axis=1)),
            f"{trials / len(own):.0f}",
            f"{1e3 * sum(score.cpu_seconds for score in own) / trials:.1f}",
            interval(values.mean(axis=1) - first) if way != ways[0] else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of TaskSet's Parquet files")
    parser.add_argument("--seeds", type=int, default=10, help="searches per way and task")
    parser.add_argument("--ways", default=",".join(WAYS), help="joined by commas")
    for name, default in asdict(Settings()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file to write the scores to")
    options = parser.parse_args(argv)
    ways = options.ways.split(",")
    if unknown := set(ways) - WAYS.keys():
        parser.error(f"--ways: {', '.join(sorted(unknown))}: not one of {', '.join(WAYS)}")
    settings = Settings(options.workers, options.lanes, options.grace)
    tasks = load_taskset(options.folder)
    scores = replay_all(ways, tasks, options.seeds, settings, options.processes)
    print("\n\n".join(table(scores, kind, len(tasks)) for kind in SCORES))
    if options.json:
        rows = [asdict(score) for score in scores]
        result = {"settings": asdict(settings), "budgets": BUDGETS, "scores": rows}
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
