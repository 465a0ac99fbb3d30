"""Confirmation: the top trials and the default, retrained on new seeds and scored on the test split.

The jobs are fixed from the start and stand behind the five verbs of a queue, so any engine runs them. Each
result goes into the tables `results/confirm.parquet` and `results/test_samples.parquet` at once: a
confirmation that is repeated trains only configurations and seeds that are missing or failed. The weights
of one seed per configuration are kept.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import ceil, inf
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from results import stats
from results.store import open_run, write_confirmed
from results.test_samples import Key, read_test_samples, write_test_samples
from results.text import number
from search.config.run_config import RunConfig
from search.core.deadline import Deadline
from search.core.job import DEFAULT, Job, State, Trial
from search.core.queue import DONE, WAIT
from search.core.ranking import last_vector, losses, vector
from search.core.retries import MAX_RETRIES
from search.core.rungs import Done, Wait
from search.engines.base import Engine
from search.runs import interrupts
from search.runs.in_order import InOrder
from search.runs.mirror import Mirror
from search.runs.tables import column_types, further_metrics, named_columns
from search.watch.progress import ConfirmProgress, ProgressView
from spaces.lane import EngineError, Lane, Report, is_memory_error
from spaces.seeds import derive_seed
from spaces.space import Space


@dataclass(frozen=True)
class Candidate:
    """A configuration to confirm; its number is that of its trial, or DEFAULT if it is no trial."""

    config: str  # "trial 7" or "default"
    number: int
    params: dict[str, Any]


@dataclass(frozen=True)
class ConfirmPlan:
    """Each candidate is trained on each seed, for all epochs."""

    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    epochs: int
    lanes: int | None = None  # trainings per job; None: all of equal structure
    workers: int = 1  # jobs at once
    timeout: float | None = None  # seconds to an epoch, see Deadline


def candidates(trials: Sequence[Trial], space: Space, top: int) -> tuple[Candidate, ...]:
    """The `top` trials with the best values, no configuration twice, and the default of the space.

    Of several objectives: the incumbent, then the trials of the front that differ most. A trial with the
    parameters of the default is named "default". Raises ValueError if no trial has a value.
    """
    default = space.default()
    if not (valid := has_value(trials)):
        raise ValueError("no trial has a value, so there is nothing to confirm")
    ranked: list[Candidate] = []
    for trial in in_order(valid, space):
        params = dict(trial.params)
        if all(params != other.params for other in ranked):
            name = stats.DEFAULT if params == default else f"trial {trial.number}"
            ranked.append(Candidate(name, trial.number, params))
    defaults = [candidate for candidate in ranked if candidate.config == stats.DEFAULT]
    chosen = ranked[:top]
    chosen += [c for c in defaults or [Candidate(stats.DEFAULT, DEFAULT, default)] if c not in chosen]
    return tuple(chosen)


def in_order(trials: Sequence[Trial], space: Space) -> list[Trial]:
    """Trials with a value in the order of confirmation: the incumbent, then by their rank; of equal ones the
    lower number first."""
    vectors = [last_vector(space, trial) for trial in trials]
    first = min(range(len(trials)), key=lambda n: (vectors[n][:2], trials[n].number))
    ranks = losses(np.array(vectors)).tolist()
    order = sorted(range(len(trials)), key=lambda n: (n != first, ranks[n], trials[n].number))
    return [trials[n] for n in order]


def has_value(trials: Iterable[Trial]) -> list[Trial]:
    """The trials with a value that have not diverged or failed."""
    return [t for t in trials if t.values and t.state not in (State.DIVERGED, State.FAILED)]


def confirmation_seeds(seed: int, number: int) -> tuple[int, ...]:
    """`number` seeds that a search with `seed` does not use; equal arguments give equal seeds."""
    return tuple(derive_seed(seed, 0, index) for index in range(number))


def plan_of(config: RunConfig, trials: Sequence[Trial], workers: int = 1) -> ConfirmPlan:
    """The confirmation that a run configures. Raises ValueError if no trial has a value."""
    return ConfirmPlan(
        candidates=candidates(trials, config.space, config.confirm_top),
        seeds=confirmation_seeds(config.seed, config.confirm_seeds),
        epochs=config.epochs,
        lanes=config.pack,
        workers=workers,
        timeout=None if config.job_timeout == "auto" else float(config.job_timeout),
    )


def confirm_trials(
    engine: Engine, config: RunConfig, folder: Path, view: ProgressView, trials: Sequence[Trial]
) -> None:
    """Confirms the top trials of a run on the engine."""
    plan = plan_of(config, trials, engine.workers)
    names = ", ".join(candidate.config for candidate in plan.candidates)
    view.say(f"confirming {names}: {plan.epochs} epochs on {len(plan.seeds)} new seeds")
    queue = ConfirmQueue(plan, config.space, folder, view)
    engine.run(InOrder(queue, engine.workers) if config.deterministic else queue)


def jobs(plan: ConfirmPlan, structure: Sequence[str], done: Collection[Key]) -> list[Job]:
    """The jobs of a plan without the trainings in `done`.

    The lanes of a job are candidates of equal structure on one seed.
    """
    left = [(c, seed) for seed in plan.seeds for c in plan.candidates if (c.config, seed) not in done]
    size = int(min(plan.lanes or inf, max(1, ceil(len(left) / plan.workers))))
    packs: dict[tuple[int, str], list[Lane]] = {}
    for candidate, seed in left:
        alike = repr([candidate.params.get(name) for name in structure])
        packs.setdefault((seed, alike), []).append(Lane(candidate.number, candidate.params, seed))
    parts = [
        tuple(lanes[start : start + size]) for lanes in packs.values() for start in range(0, len(lanes), size)
    ]
    return [
        Job(number, lanes, first=0, last=plan.epochs, rung=None, confirm_seed=lanes[0].seed)
        for number, lanes in enumerate(parts, 1)
    ]


def jobs_left(config: RunConfig, folder: Path, trials: Sequence[Trial]) -> list[Job]:
    """The jobs that the configured confirmation still needs. Raises ValueError if no trial has a value."""
    return jobs(plan_of(config, trials), config.space.structure, confirmed(folder))


class ConfirmQueue:
    """The five verbs for the jobs of a plan. `folder` is the run's."""

    def __init__(self, plan: ConfirmPlan, space: Space, folder: Path, view: ProgressView) -> None:
        self.plan, self.space, self.folder, self.view = plan, space, folder, view
        self.columns = column_types(space), further_metrics(space)
        self.files = Mirror(folder)
        self.rows, self.samples = confirm_rows(folder), read_test_samples(folder)
        self.waiting = jobs(plan, space.structure, confirmed(folder))
        self.numbers = count(len(self.waiting) + 1)
        self.deadline = Deadline(plan.timeout)
        self.running: dict[int, tuple[Job, list[Report]]] = {}
        self.trainings = sum(len(job.lanes) for job in self.waiting)
        self.ended, self.epochs, self.start = 0, 0, time.monotonic()
        self.losses, self.cause = 0, ""  # workers that died since the last result, and why the last one did

    def next_job(self) -> Job | Wait | Done:
        interrupts.check()
        if self.losses > MAX_RETRIES:
            raise EngineError(f"workers have died {self.losses} times in a row: {self.cause}")
        if not self.waiting:
            return WAIT if self.running else DONE
        job = replace(self.waiting.pop(0), timeout=self.deadline.limit())
        self.running[job.number] = job, []
        self.view.progress(self.progress())
        return job

    def report(self, report: Report) -> None:
        self.losses = 0
        self.deadline.epoch(report)
        self.running[report.job][1].append(report)
        self.epochs += len(report.metrics)
        self.view.progress(self.progress())

    def finish(self, job: Job, checkpoint: str) -> None:
        samples = self.running[job.number][1][-1].samples
        if samples:  # before the rows: a training with a row has its samples
            keys = {lane.number: (self._name(lane), lane.seed) for lane in job.lanes}
            self.samples |= {keys[number]: of for number, of in samples.items()}
            write_test_samples(self.folder, self.samples)
        for lane in job.lanes:
            reports = [r for r in self.running[job.number][1] if lane.number in r.metrics]
            seconds = sum(report.lane_seconds for report in reports)
            last = reports[-1]
            if lane.number in last.diverged:
                self._record(lane, State.DIVERGED, seconds, error=f"diverged in epoch {last.epoch}")
                continue
            best = last.best[lane.number]
            metrics = reports[best - 1].metrics[lane.number]
            scores = {"epoch": best, "val": metrics[self.space.objective.metric]}
            scores |= {"test": last.test[lane.number], "violation": vector(self.space, metrics)[0]}
            own = {name: metrics[name] for name in self.columns[1]}
            self._record(lane, State.COMPLETE, seconds, own, **scores, checkpoint=checkpoint)
        self._keep_best_weights()
        del self.running[job.number]

    def fail(self, job: Job, error: str) -> None:
        """A job has raised: its training has failed. Each training of a pack is tried again alone."""
        self._break_off(job)
        if len(job.lanes) == 1:
            self._record(job.lanes[0], State.FAILED, 0.0, error=error)
        else:
            self.waiting += [replace(job, number=next(self.numbers), lanes=(lane,)) for lane in job.lanes]

    def lose(self, job: Job, cause: str) -> None:
        """The worker of a job is gone: the job is tried again."""
        self._break_off(job)
        if not is_memory_error(cause):  # else the engine gives it more memory, until it has all
            self.losses, self.cause = self.losses + 1, cause
        self.view.say(f"{self.view.clock()} {job.title} lost: {cause}")
        self.waiting.append(replace(job, number=next(self.numbers)))

    def progress(self) -> ConfirmProgress:
        return ConfirmProgress(
            ended=self.ended,
            trainings=self.trainings,
            epochs=self.epochs,
            total_epochs=self.trainings * self.plan.epochs,
            seconds=time.monotonic() - self.start,
            busy=tuple(job.title for job, _ in self.running.values()),
        )

    def _break_off(self, job: Job) -> None:
        """A job has ended before its last epoch."""
        _, reports = self.running.pop(job.number)
        self.epochs -= sum(len(report.metrics) for report in reports)

    def _name(self, lane: Lane) -> str:
        """The name of a lane's configuration."""
        return next(c.config for c in self.plan.candidates if c.number == lane.number)

    def _record(
        self,
        lane: Lane,
        state: State,
        seconds: float,
        metrics: Mapping[str, float] = MappingProxyType({}),
        **more: Any,
    ) -> None:
        """A training has ended: writes its row and prints its score or error."""
        config = self._name(lane)
        self.rows[config, lane.seed] = (
            {"config": config, "trial": None if lane.number == DEFAULT else lane.number, "seed": lane.seed}
            | {"state": state.value, "seconds": seconds, "trained": self.plan.epochs, **more}
            | named_columns(lane.params, metrics)
        )
        write_confirmed(self.folder, self.rows.values(), *self.columns)
        self.ended += 1
        result = (
            more.get("error") or f"{self.space.objective.metric} {number(more['test'])} on the test split"
        )
        seed = self.plan.seeds.index(lane.seed) + 1
        self.view.say(f"{self.view.clock()} {config}, seed {seed} of {len(self.plan.seeds)}: {result}")

    def _keep_best_weights(self) -> None:
        """Deletes all weights of a configuration but those of the seed with the best validation."""
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
        write_confirmed(self.folder, self.rows.values(), *self.columns)
        self.files.delete(files)
        self.files.copy()


def confirm_rows(folder: Path) -> dict[Key, dict[str, Any]]:
    """The rows of the run's table of confirmations."""
    table = open_run(folder).confirmed
    return {} if table is None else {(row["config"], row["seed"]): row for row in table.to_pylist()}


def confirmed(folder: Path) -> set[Key]:
    """Configurations and seeds that need no training: they have a score, or diverged."""
    return {key for key, row in confirm_rows(folder).items() if row["state"] != State.FAILED}
