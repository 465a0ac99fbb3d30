"""The ways to search that `search_quality.py` compares, by name: this search and other libraries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler

from benchmarks.peers.optuna import Optuna, gp, tpe
from benchmarks.tasks import Task
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.engines.base import JobQueue

ETA = 3


@final
@dataclass(frozen=True)
class Settings:
    """Settings that all searches share."""

    workers: int = 4
    lanes: int = 1  # trials per job of this search
    grace: int = 3  # first rung


Way = Callable[[Task, Settings, int, Path], JobQueue]
"""Makes the queue of one search from the task, the settings, a seed and an empty folder."""


def ladder(
    task: Task, settings: Settings, seed: int, folder: Path, *, sampler: str, full: bool = False
) -> JobQueue:
    """This search; `full`: with the last rung only, so every trial is trained in full."""
    rungs = (task.epochs,) if full else milestones(settings.grace, ETA, task.epochs)
    plan = Plan(task.trials, rungs, ETA, seed, sampler, lanes=settings.lanes, workers=settings.workers)
    return Queue(task.space, plan, Study(folder / "study.log", task.space, rungs))


def optuna(
    task: Task,
    settings: Settings,
    seed: int,
    folder: Path,
    *,
    sampler: Callable[[int], BaseSampler] = tpe,
    pruner: Callable[[Task, Settings], BasePruner] | None = None,
) -> JobQueue:
    """Without a pruner every trial is trained in full."""
    return Optuna(task, seed, sampler(seed), pruner(task, settings) if pruner else None)


def ray(task: Task, settings: Settings, seed: int, folder: Path, *, stock: bool) -> JobQueue:
    """`stock`: with the defaults of ASHAScheduler."""
    from benchmarks.peers.ray import RayAsha  # imported late: it is slow

    options = {} if stock else {"grace_period": settings.grace, "reduction_factor": ETA}
    return RayAsha(task, seed, **options)


def syne_tune(task: Task, settings: Settings, seed: int, folder: Path, *, scheduler: str) -> JobQueue:
    """`scheduler` is one of Syne Tune's."""
    from benchmarks.peers.syne_tune import SyneTune  # imported late: an extra

    return SyneTune(task, seed, scheduler, settings.grace, ETA)


def median(task: Task, settings: Settings) -> BasePruner:
    return MedianPruner(n_warmup_steps=settings.grace)


def halving(task: Task, settings: Settings) -> BasePruner:
    return SuccessiveHalvingPruner(settings.grace, ETA)


def hyperband(task: Task, settings: Settings) -> BasePruner:
    return HyperbandPruner(settings.grace, task.epochs, ETA)


WAYS: dict[str, Way] = {
    "random": partial(ladder, sampler="random", full=True),
    "optuna-tpe": optuna,
    "optuna-gp": partial(optuna, sampler=gp),
    "optuna-median": partial(optuna, pruner=median),
    "optuna-halving": partial(optuna, pruner=halving),
    "optuna-hyperband": partial(optuna, pruner=hyperband),
    "ray-stock": partial(ray, stock=True),
    "ray-asha": partial(ray, stock=False),
    "syne-asha": partial(syne_tune, scheduler="asha"),
    "syne-bohb": partial(syne_tune, scheduler="bohb"),
    "syne-cqr": partial(syne_tune, scheduler="cqr"),
    "ladder-random": partial(ladder, sampler="random"),
    "ladder-tpe": partial(ladder, sampler="tpe"),
    "ladder-gp": partial(ladder, sampler="gp"),
    "ladder": partial(ladder, sampler="ladder"),
}
