"""The forecast of what more trials would bring, on searches that are continued.

    python -m benchmarks.forecast taskset=FOLDER recorded=benchmarks/data smooth [--seeds 4] [--first-seed 0]

Each search begins 30 or 60 trials, is made larger at its end as by `resume trials=60` (or 120), and is
searched on. Counted is how often the gain is at most the bound of `results/forecast.py`, and at most its
two parts. For comparison: how often it lies within the middle two thirds of what the model of the search
(`--model`) expects of as many trials. These are drawn from its posterior: each function that may be true,
at the best points of as many others (a batch of Thompson samples). The groups of tasks are those of
`benchmarks.search_quality`.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from zlib import crc32

import numpy as np

from benchmarks.search_quality import load_groups
from benchmarks.tasks import Task
from benchmarks.ways import ETA, Settings
from results.forecast import largest_gain
from search.core.job import LOST
from search.core.model.prospect import features
from search.core.model.surrogate import Modeller
from search.core.model.threads import one_thread
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.replay.simulate import scratch_folder, simulate
from spaces.seeds import derive_seed

SIZES = (30, 60)  # trials
SAMPLERS = ("ladder", "tpe", "random")
DRAWS = 256  # functions from the posterior


@dataclass(frozen=True)
class Continued:
    """A search that was made twice as large. Losses are lower-is-better."""

    losses: list[float]  # of its first trials, infinite without a value
    gain: float  # of the other half of its trials
    expected: tuple[float, float] | None  # the middle two thirds of the gains that its model expects


def continued(task: Task, sampler: str, seed: int, trials: int, *, model: bool) -> Continued:
    """One search with `trials` trials, then with twice as many."""
    settings = Settings()
    rungs = milestones(settings.grace, ETA, task.epochs)
    own, sign = derive_seed(seed, crc32(task.name.encode())), task.space.objective.sign
    training, queues = task.training(), []
    with scratch_folder() as folder:
        for size in (trials, 2 * trials):
            plan = Plan(size, rungs, ETA, own, sampler, workers=settings.workers)
            queues.append(Queue(task.space, plan, Study(folder / "study.log", task.space, rungs)))
            simulate(queues[-1], training, settings.workers, until=inf)
            if size == trials and model:
                expected = expected_gains(queues[0], trials)
    first, second = (
        [sign * t.values[-1] if t.values and t.state not in LOST else inf for t in queue.trials.values()]
        for queue in queues
    )
    return Continued(first, max(0.0, min(first) - min(second)), expected if model else None)


@one_thread
def expected_gains(queue: Queue, trials: int) -> tuple[float, float]:
    """The quantiles 1/6 and 5/6 of the gains that the model expects of so many further trials."""
    history, plan = queue.trials.history, queue.plan
    modeller = Modeller(queue.space, plan.rungs, plan.seed)
    surrogate = modeller.surrogate(history)
    _, untried = features(modeller, surrogate, history)
    drawn = surrogate.posterior.draw(untried, np.ones(len(untried)), DRAWS, surrogate.seed)
    chosen = drawn[drawn.argmin(axis=0)]  # (points, functions): at the best point of each function
    rng, found = np.random.default_rng(surrogate.seed), []
    for function in range(DRAWS):
        others = rng.choice(np.delete(np.arange(DRAWS), function), trials, replace=False)
        found.append(chosen[others, function].min())
    best = min(one.values[-1] for one in history if one.values)
    gains = np.maximum(0.0, best - surrogate.posterior.rows.scale.back(np.array(found)))
    return float(np.quantile(gains, 1 / 6)), float(np.quantile(gains, 5 / 6))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="+", metavar="GROUP", help="of tasks")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--model", action="store_true")
    options = parser.parse_args(argv)
    print("| curves | sampler | trials | searches | improved | bound | second half | third best | model |")
    print("| --- " * 9 + "|")
    rows: dict[tuple[str, str, int], list[list[float]]] = defaultdict(list)
    for group, tasks in load_groups(options.groups).items():
        for sampler in SAMPLERS:
            for trials in SIZES:
                for task in tasks:
                    for seed in range(options.first_seed, options.first_seed + options.seeds):
                        if 2 * trials <= task.trials:
                            one = continued(task, sampler, seed, trials, model=options.model)
                            rows[group, sampler, trials].append(counts(one))
                own = rows[group, sampler, trials]
                print(line(group, sampler, str(trials), own), flush=True)
    print(line("all", "all", "all", [row for own in rows.values() for row in own]))


def counts(one: Continued) -> list[float]:
    """Whether the search improved, and whether its gain is at most each bound, and as the model expects."""
    best = min(one.losses)
    second_half, third = min(one.losses[: len(one.losses) // 2]) - best, sorted(one.losses)[2] - best
    low, high = one.expected or (np.nan, np.nan)
    within = float(low <= one.gain <= high) if one.expected else np.nan
    bounds = [one.gain <= bound for bound in (largest_gain(one.losses), second_half, third)]
    return [float(one.gain > 0), *map(float, bounds), within]


def line(group: str, sampler: str, trials: str, rows: Sequence[Sequence[float]]) -> str:
    """A line of the table."""
    cells = " | ".join(f"{value:.0%}" for value in np.mean(rows, axis=0).tolist()) if rows else "-"
    return f"| {group} | {sampler} | {trials} | {len(rows)} | {cells} |"


if __name__ == "__main__":
    main()
