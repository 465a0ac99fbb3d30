"""Confirm: whether what a search found holds. Its top trials and the default, trained anew on fresh seeds.

The jobs are fixed from the start and stand behind the queue's four verbs, so any engine runs them. Each
result goes into the run's `results/confirm.parquet` as it comes: a confirmation that is made again trains
only what is not there yet, and what failed. Of each configuration the weights of one seed are kept.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import ceil, inf
from pathlib import Path
from typing import Any

from results import stats
from results.store import open_run, write_confirmed
from results.text import number
from search.config.run_config import RunConfig
from search.core.job import DEFAULT, Job, Lane, Report, State, Trial
from search.core.queue import DONE, WAIT
from search.core.rungs import Done, Wait
from search.runs.recorder import column_types
from search.watch.progress import ConfirmProgress, ProgressView
from spaces.space import Space

Key = tuple[str, int]  # a configuration's name and a seed


@dataclass(frozen=True)
class Candidate:
    """A configuration that is to be confirmed; its number is its trial's, or DEFAULT if it is none."""

    config: str  # "trial 7" or "default"
    number: int
    params: dict[str, Any]


@dataclass(frozen=True)
class ConfirmPlan:
    """Every candidate is trained on every seed, for all epochs."""

    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    epochs: int
    lanes: int | None = None  # trainings a job; None: all that are alike
    workers: int = 1  # jobs at once


def candidates(trials: Sequence[Trial], space: Space, top: int) -> tuple[Candidate, ...]:
    """The `top` trials with the best values, no configuration twice, and the space's default.

    A trial that has the default's parameters goes by that name. Raises ValueError if no trial has a value.
    """
    default = space.default()
    if not (sound := with_value(trials)):
        raise ValueError("no trial has a value, so there is nothing to confirm")
    found: list[Candidate] = []
    for trial in sorted(sound, key=lambda t: (space.objective.sign * t.values[-1], t.number)):
        params = dict(trial.params)
        if all(params != other.params for other in found):
            name = stats.DEFAULT if params == default else f"trial {trial.number}"
            found.append(Candidate(name, trial.number, params))
    defaults = [candidate for candidate in found if candidate.config == stats.DEFAULT]
    chosen = found[:top]
    chosen += [c for c in defaults or [Candidate(stats.DEFAULT, DEFAULT, default)] if c not in chosen]
    return tuple(chosen)


def with_value(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that have a value, and have not diverged or failed since."""
    return [t for t in trials if t.values and t.state not in (State.DIVERGED, State.FAILED)]


def confirmation_seeds(seed: int, how_many: int) -> tuple[int, ...]:
    """Seeds that a search with `seed` does not use, the same each time."""
    return tuple(hash((seed, 0, index)) % 2**31 for index in range(how_many))


def plan_of(config: RunConfig, trials: Sequence[Trial], workers: int = 1) -> ConfirmPlan:
    """What a run's configuration asks to be confirmed of these trials. Raises ValueError."""
    return ConfirmPlan(
        candidates=candidates(trials, config.space, config.confirm_top),
        seeds=confirmation_seeds(config.seed, config.confirm_seeds),
        epochs=config.epochs,
        lanes=None if config.lanes == "auto" else int(config.lanes),
        workers=workers,
    )


def confirm_winners(
    engine: Any, config: RunConfig, folder: Path, view: ProgressView, trials: Sequence[Trial]
) -> None:
    """Confirms a run's top trials on the engine."""
    plan = plan_of(config, trials, engine.workers)
    names = ", ".join(candidate.config for candidate in plan.candidates)
    view.say(f"confirming {names}: {plan.epochs} epochs on {len(plan.seeds)} fresh seeds")
    engine.run(ConfirmQueue(plan, config.space, folder, view))


def jobs(plan: ConfirmPlan, structure: Sequence[str], done: Collection[Key]) -> list[Job]:
    """What is left to train: candidates of equal structure on one seed are the lanes of a job."""
    left = [(c, seed) for seed in plan.seeds for c in plan.candidates if (c.config, seed) not in done]
    size = int(min(plan.lanes or inf, max(1, ceil(len(left) / plan.workers))))
    packs: dict[tuple[int, str], list[Lane]] = {}
    for candidate, seed in left:
        alike = repr([candidate.params.get(name) for name in structure])
        packs.setdefault((seed, alike), []).append(Lane(candidate.number, candidate.params, seed, None))
    parts = [
        tuple(lanes[start : start + size]) for lanes in packs.values() for start in range(0, len(lanes), size)
    ]
    return [
        Job(number, lanes, first=0, last=plan.epochs, confirm_seed=lanes[0].seed)
        for number, lanes in enumerate(parts, 1)
    ]


def unconfirmed(config: RunConfig, folder: Path, trials: Sequence[Trial]) -> list[Job]:
    """What is left to train of what a run's configuration asks to be confirmed. Raises ValueError."""
    return jobs(plan_of(config, trials), config.space.structure, confirmed(folder))


class ConfirmQueue:
    """The four verbs for the jobs of a plan. `folder` is the run's."""

    def __init__(self, plan: ConfirmPlan, space: Space, folder: Path, view: ProgressView) -> None:
        self.plan, self.space, self.folder, self.view = plan, space, folder, view
        self.columns = column_types(space)
        self.rows = rows(folder)
        self.waiting = jobs(plan, space.structure, confirmed(folder))
        self.numbers = count(len(self.waiting) + 1)
        self.running: dict[int, tuple[Job, list[Report]]] = {}
        self.left = sum(len(job.lanes) for job in self.waiting)  # trainings
        self.ended, self.epochs, self.began = 0, 0, time.monotonic()

    def next_job(self) -> Job | Wait | Done:
        if not self.waiting:
            return WAIT if self.running else DONE
        job = self.waiting.pop(0)
        self.running[job.number] = job, []
        self.view.progress(self.progress())
        return job

    def report(self, report: Report) -> None:
        self.running[report.job][1].append(report)
        self.epochs += len(report.metrics)
        self.view.progress(self.progress())

    def finish(self, job: Job, checkpoint: str) -> None:
        for lane in job.lanes:
            reports = [r for r in self.running[job.number][1] if lane.number in r.metrics]
            seconds = sum(report.seconds / len(report.metrics) for report in reports)
            last = reports[-1]
            if lane.number in last.diverged:
                self._put(lane, State.DIVERGED, seconds, error=f"diverged in epoch {last.epoch}")
                continue
            best = last.best[lane.number]
            val = reports[best - 1].metrics[lane.number][self.space.objective.metric]
            scores = {"epoch": best, "val": val, "test": last.test[lane.number]}
            self._put(lane, State.COMPLETE, seconds, **scores, checkpoint=checkpoint)
        self._keep_best()
        del self.running[job.number]

    def fail(self, job: Job, error: str) -> None:
        """A job has broken off: its training has failed. Those of a pack are each tried again alone."""
        _, reports = self.running.pop(job.number)
        self.epochs -= sum(len(report.metrics) for report in reports)
        if len(job.lanes) == 1:
            self._put(job.lanes[0], State.FAILED, 0.0, error=error)
        else:
            self.waiting += [replace(job, number=next(self.numbers), lanes=(lane,)) for lane in job.lanes]

    def progress(self) -> ConfirmProgress:
        return ConfirmProgress(
            ended=self.ended,
            trainings=self.left,
            epochs=self.epochs,
            of_epochs=self.left * self.plan.epochs,
            seconds=time.monotonic() - self.began,
            busy=tuple(job.title for job, _ in self.running.values()),
        )

    def _put(self, lane: Lane, state: State, seconds: float, **more: Any) -> None:
        """A training has ended: its row is written, and what it came to is said."""
        config = next(c.config for c in self.plan.candidates if c.number == lane.number)
        self.rows[config, lane.seed] = (
            {"config": config, "trial": None if lane.number == DEFAULT else lane.number, "seed": lane.seed}
            | {"state": state.value, "seconds": seconds, **more}
            | {f"param/{name}": value for name, value in lane.params.items()}
        )
        write_confirmed(self.folder, self.rows.values(), self.columns)
        self.ended += 1
        came_to = (
            more.get("error") or f"{self.space.objective.metric} {number(more['test'])} on the test split"
        )
        seed = self.plan.seeds.index(lane.seed) + 1
        self.view.say(f"{self.view.clock()} {config}, seed {seed} of {len(self.plan.seeds)}: {came_to}")

    def _keep_best(self) -> None:
        """Deletes all weights but those of the seed on which a configuration has its best validation."""
        order = sorted(
            (key for key, row in self.rows.items() if row.get("checkpoint")),
            key=lambda key: self.space.objective.sign * self.rows[key]["val"],
        )
        best = {config: (config, seed) for config, seed in reversed(order)}
        dropped = [self.rows[key] for key in order if key not in best.values()]
        used = {self.rows[key]["checkpoint"] for key in best.values()}
        files = {row["checkpoint"] for row in dropped} - used
        for row in dropped:
            row["checkpoint"] = None
        write_confirmed(self.folder, self.rows.values(), self.columns)
        for file in files:
            (self.folder / file).unlink(missing_ok=True)


def rows(folder: Path) -> dict[Key, dict[str, Any]]:
    """What has been confirmed of a run so far."""
    table = open_run(folder).confirmed
    return {} if table is None else {(row["config"], row["seed"]): row for row in table.to_pylist()}


def confirmed(folder: Path) -> set[Key]:
    """What need not be trained again: what has a score, and what diverged."""
    return {key for key, row in rows(folder).items() if row["state"] != State.FAILED}
