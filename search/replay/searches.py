"""One replayed search: the real queue on one continuation of the curves, with a simulated clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, final

import numpy as np

from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.replay.curves import CurveTable
from search.replay.settings import Setting
from search.replay.simulate import incumbent, scratch_folder, simulate
from search.replay.training import Replay

GOOD = 0.05  # share of the configurations, the best at the last rung, that are as good as the winner


@final
@dataclass(frozen=True)
class Size:
    """What all replayed searches share."""

    trials: int
    lanes: int | None
    workers: int
    known: tuple[Mapping[str, Any], ...] = ()  # configurations to try first


@final
@dataclass(frozen=True)
class Score:
    """The end of one search."""

    found: bool  # whether it ends with the winner of the record, or with one of the GOOD configurations
    regret: float  # of the incumbent at the last rung; 0: the best configuration, 1: the median one or worse
    value: float  # of the incumbent at the last rung
    epochs: int  # trained
    full_epochs: int  # of the same trials, each trained to its end
    seconds: float  # of training
    full_seconds: float


def search(table: CurveTable, winner: int, setting: Setting, size: Size, seed: int) -> Score:
    """A search of `size.trials` configurations of the table, whose row `winner` is that of the record."""
    epochs = table.curves.shape[1]
    rungs = milestones(setting.grace, setting.eta, epochs)
    plan = Plan(
        size.trials,
        rungs,
        setting.eta,
        seed,
        setting.sampler,
        lanes=size.lanes,
        workers=size.workers,
        known=size.known,
    )
    training = Replay(table.space.objective.metric, table.answers())
    with scratch_folder() as folder:
        queue = Queue(table.space, plan, Study(folder / "study.log", table.space, rungs))
        outcomes = simulate(queue, training, size.workers, inf)
    best = incumbent(outcomes, table.space.objective.sign, inf)
    loss = training.curves[best.trial].final if best else inf
    trained = {trial.number: trial.epochs for trial in queue.trials.values()}
    ends = {number: length(curve.values) for number, curve in training.curves.items()}
    return Score(
        found=bool(loss <= good_loss(table.losses) or loss == table.losses[winner]),
        regret=regret(loss, table.losses),
        value=table.space.objective.sign * loss,
        epochs=sum(trained.values()),
        full_epochs=sum(ends.values()),
        seconds=sum(float(training.curves[n].seconds[:last].sum()) for n, last in trained.items()),
        full_seconds=sum(float(training.curves[n].seconds[:last].sum()) for n, last in ends.items()),
    )


def length(values: np.ndarray) -> int:
    """The epochs of a curve up to its end or its divergence, the epoch of which counts."""
    finite = np.isfinite(values)
    return len(values) if finite.all() else int(finite.argmin()) + 1


def good_loss(losses: np.ndarray) -> float:
    """The loss of the worst of the GOOD configurations."""
    return float(np.sort(losses)[ceil(GOOD * len(losses)) - 1])


def regret(loss: float, losses: np.ndarray) -> float:
    """The normalised regret of a loss among the final `losses` of all configurations."""
    finite = np.sort(losses[np.isfinite(losses)])
    best, median = finite[0], finite[len(finite) // 2]
    if loss <= best:
        return 0.0
    return float(min(1.0, (loss - best) / (median - best))) if median > best else 1.0
