"""Replays against the truth: whether a replay of a censored record ranks settings as the full curves do.

    python -m benchmarks.replay_quality FOLDER [--records 4] [--trials 64] [--searches 20]

FOLDER holds recorded curves (`recorded.py`): benchmarks/data. A record is made by a search with the defaults
of a run (`sampler=ladder`, eta 3, first rung 3), which stops most trials early. Each setting is then replayed
on continuations of that record, as `python -m search replay` does, and for the truth on the full curves of
the same trials. Both have the same number of searches, each of half as many trials as the record has: so
a search may miss the best one.

The table has for each record: the complete curves; Spearman's rank correlation over the settings of the mean
regret in the replay with that in truth; both regrets, the mean over the settings; the share of settings whose
true mean lies in the interval of the replay; the same correlation for the share of the training time; and
how many of the settings that the replay calls worse than that with its least regret are worse in truth.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from benchmarks.curves import TableTask
from benchmarks.recorded import load_recorded
from benchmarks.scores import markdown
from results.replays import Row
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.replay.continuation import continuations
from search.replay.record import Record, completed_seconds
from search.replay.replay import SEARCHES, Bench, Case, scores_of, summarise
from search.replay.searches import Size
from search.replay.settings import Setting
from search.replay.simulate import incumbent, scratch_folder, simulate

OWN = Setting(eta=3, grace=3, sampler="ladder")  # of the searches that make the records
SETTINGS = [
    Setting(eta, grace, sampler) for sampler, grace, eta in product(("tpe", "ladder"), (1, 3), (2, 3, 4))
]
WORKERS = 2
HEAD = ["task", "record", "complete", "rank", "replayed", "true", "covered", "rank of cost", "right"]


def censored(task: TableTask, trials: int, seed: int) -> tuple[Record, np.ndarray]:
    """The record of a search, and the full curves of its trials, (trials, epochs)."""
    rungs = milestones(OWN.grace, OWN.eta, task.epochs)
    training = task.training()
    with scratch_folder() as folder:
        study = Study(folder / "study.log", task.space, rungs)
        plan = Plan(trials, rungs, OWN.eta, seed, OWN.sampler, lanes=None, workers=WORKERS)
        queue = Queue(task.space, plan, study)
        outcomes = simulate(queue, training, WORKERS, inf)
    best = incumbent(outcomes, task.space.objective.sign, inf)
    assert best is not None, "a task has configurations with a value"
    curves = np.array([training.curves[number].values for number in range(trials)])
    seconds = np.array([training.curves[number].seconds for number in range(trials)])
    epochs = np.array([queue.trials[number].epochs for number in range(trials)])
    diverged = np.array([queue.trials[number].state == "diverged" for number in range(trials)])
    untrained = np.arange(task.epochs) >= epochs[:, None]
    configurations = tuple(dict(queue.trials[number].params) for number in range(trials))
    record = Record(
        task.space,
        configurations,
        np.where(untrained, np.nan, curves),
        completed_seconds(np.where(untrained, np.nan, seconds)),
        epochs - diverged,
        diverged,
        best.trial,
    )
    return record, curves


def rows_of(record: Record, draws: np.ndarray, seed: int) -> tuple[Row, ...]:
    """The searches of each setting on these curves, (searches, trials, epochs)."""
    count = len(record.configurations)
    size = Size(count // 2, lanes=None, workers=WORKERS)
    bench = Bench(record, np.arange(count), draws, size, seed)
    cases = [Case(setting, draw) for setting in SETTINGS for draw in range(len(draws))]
    scores = list(scores_of(bench, cases))
    by_setting = [scores[first : first + len(draws)] for first in range(0, len(scores), len(draws))]
    return summarise(SETTINGS, by_setting, record.epochs, 1.0)


def rank(first: ArrayLike, second: ArrayLike) -> str:
    """Spearman's rank correlation; `equal` if all values of one are."""
    if min(np.ptp(first), np.ptp(second)) == 0:
        return "equal"
    return f"{spearmanr(first, second).statistic:.2f}"


def compare(task: TableTask, trials: int, searches: int, seed: int) -> list[str]:
    """A replay of the record of one search, beside the truth, as a row of the table."""
    record, curves = censored(task, trials, seed)
    replayed = rows_of(record, continuations(record, searches, seed), seed)
    true = rows_of(record, np.repeat(curves[None], searches, axis=0), seed + 1000)
    said, is_so = (np.array([row.regret for row in rows]) for rows in (replayed, true))
    covered = [row.regret_low <= value <= row.regret_high for row, value in zip(replayed, is_so, strict=True)]
    least = int(np.argmin(said))
    worse = [number for number, row in enumerate(replayed) if not row.is_as_good]
    right = sum(is_so[number] > is_so[least] for number in worse)
    costs = ([row.seconds_share for row in rows] for rows in (replayed, true))
    return [
        task.name,
        str(seed),
        f"{int(record.complete.sum())} of {trials}",
        rank(said, is_so),
        f"{said.mean():.2f}",
        f"{is_so.mean():.2f}",
        f"{np.mean(covered):.0%}",
        rank(*costs),
        f"{right} of {len(worse)}",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=4, help="per task")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--searches", type=int, default=SEARCHES, help="per setting")
    options = parser.parse_args(argv)
    rows = [HEAD]
    for task in load_recorded(options.folder):
        for seed in range(options.records):
            rows.append(compare(task, options.trials, options.searches, seed))
            print(*rows[-1], flush=True)
    print(markdown(rows))


if __name__ == "__main__":
    main()
