"""How well replays on continued curves agree with replays on the true ones.

    python -m benchmarks.replays benchmarks/data [--seeds 5] [--trials 64]

For each recorded table of learning curves and each seed: a search with the default settings, whose curves end
where its trials were stopped, as in a run. The settings are then replayed twice, on continuations of these
curves (`python -m search replay`) and on the true curves of the same configurations. Prints, per table, the
mean regret of each setting in both, Spearman's rank correlation of the two over the settings, and the true
regret of the setting that `replay` recommends beside that of the best setting.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.curves import TableTask
from benchmarks.recorded import load_recorded
from results.replays import Replayed, Replays
from search.config.run_config import resolve
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.replay.clock import scratch_folder, simulate
from search.replay.continuation import Record, continuations, record
from search.replay.curves import Replay
from search.replay.nearest import Table
from search.replay.replay import DRAWS, Settings, replay_all, summarised

GRID = tuple(product((2, 3, 4), (1, 3), ("tpe", "ladder")))  # eta, grace, sampler
GRACE, ETA = 3, 3  # of the search that makes the record


def searched(task: TableTask, seed: int, trials: int) -> tuple[Record, Table, int]:
    """The record of one search, the true curves of its trials, and the row of its best trial."""
    rungs = milestones(GRACE, ETA, task.epochs)
    with scratch_folder() as folder:
        plan = Plan(trials, rungs, ETA, seed, "ladder")
        queue = Queue(task.space, plan, Study(folder / "study.log", task.space, rungs))
        training = Replay(task.space.objective.metric, task.answers())
        simulate(queue, training, workers=1, until=float("inf"))
        known = record(task.space, list(queue.trials.values()), queue.study.epoch_rows(), task.epochs)
        best = queue.best()
    assert best is not None, "the table has finite values"
    curves = [training.curves[number] for number in known.numbers]
    true = replace(
        known.table,
        values=np.array([curve.values for curve in curves]),
        seconds=np.array([curve.seconds for curve in curves]),
    )
    return known, true, known.numbers.index(best.number)


def compare(task: TableTask, seed: int, trials: int) -> tuple[Replays, list[Replayed]]:
    """The replays on continued curves, and those on the true ones."""
    known, true, winner = searched(task, seed, trials)
    settings = [Settings(eta, grace, name, milestones(grace, eta, task.epochs)) for eta, grace, name in GRID]
    wanted = sorted({epoch for one in settings for epoch in one.rungs})
    config = replace(resolve(["space=mnist_classifier"]), space=task.space, seed=seed, epochs=task.epochs)
    rows = []
    for tables in (
        continuations(known, milestones(GRACE, ETA, task.epochs), wanted, DRAWS, seed),
        [true] * DRAWS,
    ):
        ended = replay_all(settings, tables, config, winner)
        full = float(tables[0].seconds.sum())
        rows.append(
            [
                summarised(one, own, task.epochs * trials, full, 1.0)
                for one, own in zip(settings, ended, strict=True)
            ]
        )
    return Replays(tuple(rows[0]), winner, trials, known.complete, trials), rows[1]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=64)
    options = parser.parse_args(argv)
    for task in load_recorded(options.folder):
        results = [compare(task, seed, options.trials) for seed in range(options.seeds)]
        told = np.array([[row.regret for row in replays.rows] for replays, _ in results])
        true = np.array([[row.regret for row in rows] for _, rows in results])
        ranks = [spearmanr(a, b).statistic for a, b in zip(told, true, strict=True)]
        chosen = [
            next(row.regret for row in rows if row.name == replays.equal()[0].name)
            for replays, rows in results
        ]
        print(f"{task.name}: {options.trials} trials, {options.seeds} searches")
        for name, a, b in zip((row.name for row in results[0][1]), told.mean(0), true.mean(0), strict=True):
            print(f"  {name:24} told {a:.2f}  true {b:.2f}")
        print(f"  Spearman over the settings: {', '.join(f'{rank:.2f}' for rank in ranks)}")
        best = true.min(axis=1).mean()
        print(f"  true regret of the recommended setting {np.mean(chosen):.2f}, of the best {best:.2f}")


if __name__ == "__main__":
    main()
