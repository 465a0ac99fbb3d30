"""Replays a run: searches with other settings on its own curves, many times, each on another continuation.

The result says which settings would have found the winner of the run, and at what cost.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from results.analysis import cost
from results.replays import Basis, Replay, Row
from results.stats import LEVEL, estimate
from results.store import Run
from search.config.run_config import RunConfig
from search.core.rungs import milestones
from search.replay.continuation import continuations
from search.replay.curves import CurveTable
from search.replay.record import Record
from search.replay.searches import Score, Size, search
from search.replay.settings import Setting
from spaces.seeds import derive_seed

SEARCHES = 20  # per setting, each on a continuation of its own
CHUNK = 5  # searches that a process takes at once


@final
@dataclass(frozen=True)
class Case:
    """One search."""

    setting: Setting
    draw: int


@final
@dataclass(frozen=True)
class Bench:
    """All that the searches of a replay need."""

    record: Record
    chosen: np.ndarray  # rows of the record, (rows,)
    draws: np.ndarray  # continuations of their curves, (draws, rows, epochs)
    size: Size
    seed: int

    def score(self, case: Case) -> Score:
        """The search of a case. The seeds and the curves are the same for all settings."""
        record = self.record
        table = CurveTable(
            record.space,
            [record.configurations[row] for row in self.chosen],
            self.draws[case.draw],
            record.seconds[self.chosen],
        )
        winner = int(np.flatnonzero(self.chosen == record.winner)[0])
        return search(table, winner, case.setting, self.size, derive_seed(self.seed, case.draw))


def replay(
    record: Record,
    run: Run,
    config: RunConfig,
    settings: Sequence[Setting],
    trials: int,
    advance: Callable[[], object],
) -> Replay:
    """Replays the record of a run with each of the `settings`, and estimates the time of `trials` trials.

    Each search begins so many trials too, or all of the record if these are fewer. `advance` is called after
    each search.
    """
    bench = make_bench(record, run, config, trials)
    cases = [Case(setting, draw) for setting in settings for draw in range(SEARCHES)]
    scores: list[Score] = []
    for score in scores_of(bench, cases):
        scores.append(score)
        advance()
    by_setting = [scores[first : first + SEARCHES] for first in range(0, len(scores), SEARCHES)]
    trial = run.best()
    assert trial is not None, "a record has a winner"
    continued = ~record.complete & ~record.diverged
    basis = Basis(
        winner=trial["trial"],
        curves=len(record.configurations),
        complete=int(record.complete.sum()),
        continued=int(continued.sum()),
        diverged=int(record.diverged.sum()),
        epochs=record.epochs,
        trials=bench.size.trials,
        searches=SEARCHES,
        workers=bench.size.workers,
        next_trials=trials,
    )
    return Replay(basis, summarise(settings, by_setting, record.epochs, trials / bench.size.trials))


def make_bench(record: Record, run: Run, config: RunConfig, trials: int) -> Bench:
    """The continuations of the curves, and the size of each search."""
    chosen = record.sample(config.seed)
    size = Size(
        trials=min(trials, len(chosen)),
        lanes=config.pack,
        workers=workers_of(run),
        known=tuple(config.space.point(seed) for seed in config.space.seeds),
    )
    draws = continuations(record, SEARCHES, config.seed)[:, chosen]
    return Bench(record, chosen, draws, size, config.seed)


def workers_of(run: Run) -> int:
    """About how many jobs of a run were trained at once: its training time by its duration."""
    spent = cost(run.trials.to_pylist(), run.config["epochs"], run.rungs.to_pylist())
    return max(1, round(spent.seconds / spent.wall_seconds)) if spent.wall_seconds else 1


def scores_of(bench: Bench, cases: Sequence[Case]) -> Iterator[Score]:
    """The scores of the cases, in their order, from as many processes as there are cores."""
    processes = min(os.cpu_count() or 1, len(cases) // CHUNK or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        try:
            yield from pool.map(partial(Bench.score, bench), cases, chunksize=CHUNK)
        finally:
            pool.shutdown(cancel_futures=True)


def summarise(
    settings: Sequence[Setting], scores: Sequence[Sequence[Score]], epochs: int, larger: float
) -> tuple[Row, ...]:
    """A row per setting, from the scores of its searches.

    `epochs` are those of the last rung; the time is that of a search with `larger` times as many trials.
    """
    regrets = np.array([[score.regret for score in own] for own in scores])
    least = int(regrets.mean(axis=1).argmin())
    level = 1 - (1 - LEVEL) / max(1, len(settings) - 1)  # Bonferroni's: for all comparisons together
    rows = []
    for number, (setting, own) in enumerate(zip(settings, scores, strict=True)):
        mean = estimate(regrets[number].tolist())
        behind = estimate((regrets[number] - regrets[least]).tolist(), level)
        assert mean.low is not None and mean.high is not None, "there are several searches"
        seconds = float(np.mean([score.seconds for score in own]))
        rows.append(
            Row(
                setting.eta,
                setting.grace,
                setting.sampler,
                milestones(setting.grace, setting.eta, epochs),
                found=float(np.mean([score.found for score in own])),
                regret=mean.mean,
                regret_low=max(0.0, mean.low),
                regret_high=min(1.0, mean.high),
                value=float(np.mean([score.value for score in own])),
                epochs_share=float(np.mean([one.epochs / one.full_epochs for one in own])),
                seconds_share=float(np.mean([one.seconds / one.full_seconds for one in own])),
                seconds=seconds * larger,
                behind=behind.mean,
                behind_low=None if number == least else behind.low,
            )
        )
    return tuple(rows)
