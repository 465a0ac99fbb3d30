"""Which settings would have found the winner of a run, and at what cost: its search, replayed with others.

A replay is a whole search on one continuation of the run's curves, one job at a time. Its proposals get the
curves of the nearest of the run's configurations, so it can find what the run has tried and nothing else.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np

from results.replays import Replayed, Replays, write_replays
from results.store import Run
from search.config.run_config import RunConfig, one_of
from search.core.policies.base import Problem
from search.core.policies.registry import POLICIES
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.replay.clock import incumbent, scratch_folder, simulate
from search.replay.continuation import Record, continuations, record
from search.replay.curves import Replay
from search.replay.nearest import NearestUnused, Table
from search.runs.folder import read_config
from spaces.seeds import derive_seed
from spaces.validation import PositiveInt, check_value

DRAWS = 20  # continuations of the curves, each with a replay of all settings
MIN_TRIALS = 20  # with a value


@dataclass(frozen=True)
class Settings:
    """Settings of a search to be tried."""

    eta: int
    grace: int
    sampler: str
    rungs: tuple[int, ...]  # in epochs


@dataclass(frozen=True)
class Ended:
    """The end of one replay."""

    regret: float  # of its best trial's final value; 0: as the winner of the run, 1: the median or worse
    found: bool  # whether its best trial ends at least as well as the winner of the run
    epochs: int  # trained
    seconds: float  # of training
    seconds_to_find: float  # until its best trial was at least as good for the first time; infinite: never


def replay(run: Run, values: Mapping[str, Any]) -> Replays:
    """Replays the search of a run with all combinations of the lists `eta`, `grace` and `sampler`, and writes
    the result into its folder.

    A value that is None is that of the run; `trials` is the size of the next search. Raises ValueError as
    `settings_of` and `known_curves`.
    """
    config = read_config(run)
    settings = settings_of(config, values)
    trials = (
        config.trials if values["trials"] is None else check_value(PositiveInt, "trials", values["trials"])
    )
    known = known_curves(run, config)
    best = run.best()
    assert best is not None, "a run with values has a best trial"
    wanted = sorted({epoch for one in settings for epoch in one.rungs})
    tables = continuations(known, config.rungs, wanted, DRAWS, config.seed)
    ended = replay_all(settings, tables, config, known.numbers.index(best["trial"]))
    count = len(known.numbers)
    full = float(known.table.seconds.sum())
    rows = [
        summarised(one, own, config.epochs * count, full, trials / count)
        for one, own in zip(settings, ended, strict=True)
    ]
    replays = Replays(tuple(rows), best["trial"], count, known.complete, trials)
    write_replays(run.path, replays)
    return replays


def settings_of(config: RunConfig, values: Mapping[str, Any]) -> list[Settings]:
    """All combinations of the values of eta, grace and sampler, each one or a list; None: the run's own.

    Raises ValueError for a value that breaks its rule, and a sampler that cannot search the space.
    """
    own = {"eta": config.eta, "grace": config.grace, "sampler": config.sampler}
    given = (own[key] if values[key] is None else values[key] for key in own)
    etas, graces, samplers = (one if isinstance(one, list) else [one] for one in given)
    found = []
    for eta, grace, sampler in product(etas, graces, samplers):
        check_value(PositiveInt, "eta", eta)
        check_value(PositiveInt, "grace", grace)
        rungs = milestones(grace, eta, config.epochs)
        POLICIES[one_of("sampler", sampler, POLICIES)](Problem(config.space, rungs, eta, config.seed))
        found.append(Settings(eta, grace, sampler, rungs))
    return found


def known_curves(run: Run, config: RunConfig) -> Record:
    """The record of a run.

    Raises ValueError if fewer than MIN_TRIALS trials have a value, all values are equal, or the run has
    several objectives, constraints, or image sizes that grow.
    """
    if not config.space.ranks_by_value or config.fidelity != ("epochs",):
        raise ValueError(
            f"{run.name} has several objectives, constraints or growing images, but only a run with one "
            "objective and fidelity=[epochs] can be replayed"
        )
    trials = Study(run.path / "study.log", config.space, config.rungs, writable=False).trials()
    valued = [trial for trial in trials if trial.values]
    if len(valued) < MIN_TRIALS:
        raise ValueError(
            f"{run.name} has {len(valued)} trials with a value, but a replay needs {MIN_TRIALS} "
            "(python -m search list)"
        )
    if len({trial.values[-1] for trial in valued}) == 1:
        raise ValueError(f"all values of {run.name} are equal, so there is nothing to find")
    return record(config.space, trials, run.epochs.to_pylist(), config.epochs)


def replay_all(
    settings: Sequence[Settings], tables: Sequence[Table], config: RunConfig, winner: int
) -> list[list[Ended]]:
    """The end of each setting's replay on each table. `winner` is the row of the run's best trial."""
    cases = [(one, table, draw) for one in settings for draw, table in enumerate(tables)]
    work = partial(replay_case, config=config, winner=winner)
    context = get_context("spawn")  # a fork would copy the threads of libraries
    with ProcessPoolExecutor(min(len(cases), os.cpu_count() or 1), context) as pool:
        ended = list(pool.map(work, cases, chunksize=max(1, len(tables) // 4)))
    return [ended[start : start + len(tables)] for start in range(0, len(ended), len(tables))]


def replay_case(case: tuple[Settings, Table, int], config: RunConfig, winner: int) -> Ended:
    """One replay, in a process of its own."""
    settings, table, draw = case
    seed, trials = derive_seed(config.seed, draw), len(table.configurations)
    known = tuple(config.space.point(point) for point in config.space.seeds)
    plan = Plan(trials, settings.rungs, settings.eta, seed, settings.sampler, known=known)
    training = Replay(config.space.objective.metric, NearestUnused(table))
    with scratch_folder() as folder:
        queue = Queue(config.space, plan, Study(folder / "study.log", config.space, settings.rungs))
        outcomes = simulate(queue, training, workers=1, until=float("inf"))
    losses, sign = table.losses, config.space.objective.sign
    finals = {number: curve.final for number, curve in training.curves.items()}
    last = incumbent(outcomes, sign, float("inf"))
    assert last is not None, "the table has finite values"
    times = sorted({outcome.time for outcome in outcomes})
    good = (
        time
        for time in times
        if (now := incumbent(outcomes, sign, time)) and finals[now.trial] <= losses[winner]
    )
    # Relative to the winner, not to the best of all: the luckiest of many continued curves is too good.
    median, best, end = float(np.median(losses)), float(losses[winner]), finals[last.trial]
    return Ended(
        regret=min(1.0, max(0.0, end - best) / (median - best)) if median > best else 0.0,
        found=end <= best,
        epochs=sum(trial.epochs for trial in queue.trials.values()),
        seconds=times[-1],
        seconds_to_find=next(good, float("inf")),
    )


def summarised(
    settings: Settings, ended: Sequence[Ended], full_epochs: float, full_seconds: float, size: float
) -> Replayed:
    """The replays of one setting.

    `full_epochs` and `full_seconds` are the cost of training all trials in full, `size` is that of the next
    search as a share of the run's trials.
    """
    seconds = float(np.mean([one.seconds for one in ended]))
    to_find = float(np.median([one.seconds_to_find for one in ended]))
    return Replayed(
        eta=settings.eta,
        grace=settings.grace,
        sampler=settings.sampler,
        rungs=settings.rungs,
        found=float(np.mean([one.found for one in ended])),
        regrets=tuple(one.regret for one in ended),
        epochs_share=float(np.mean([one.epochs for one in ended])) / full_epochs,
        seconds_share=seconds / full_seconds,
        share_to_find=to_find / full_seconds if np.isfinite(to_find) else None,
        next_seconds=seconds * size,
    )
