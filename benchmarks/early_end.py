"""The early end of a search (`stop=auto`) on learning curves: trials and time saved, and regret lost.

    python -m benchmarks.early_end taskset=FOLDER recorded=benchmarks/data smooth [--seeds 4] [--trials 100]

The groups of tasks are those of `benchmarks.search_quality`. Each search runs with each least gain, with the
same seed. Printed are, over tasks and seeds: the share of searches that ended early, trials and time compared
with the whole search, and the mean and the largest increase of the regret.
"""

import argparse
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from benchmarks.search_quality import load_groups
from benchmarks.tasks import Task
from benchmarks.ways import ETA, Settings
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.replay.simulate import scratch_folder, simulate
from spaces.seeds import derive_seed

GAINS = (0.01, 0.02, 0.05)


def search(task: Task, seed: int, trials: int, min_gain: float | None) -> tuple[int, float, float]:
    """Trials begun, seconds of training, and the regret of the best trial at the end of one search."""
    settings = Settings()
    rungs = milestones(settings.grace, ETA, task.epochs)
    own = derive_seed(seed, crc32(task.name.encode()))
    training = task.training()
    with scratch_folder() as folder:
        plan = Plan(trials, rungs, ETA, own, "ladder", workers=settings.workers, min_gain=min_gain)
        queue = Queue(task.space, plan, Study(folder / "study.log", task.space, rungs))
        simulate(queue, training, settings.workers, until=float("inf"))
        best = queue.best()
    seconds = sum(trial.seconds for trial in queue.trials.values())
    regret = task.regret(training.curves[best.number].final) if best else 1.0
    return len(queue.trials), seconds, regret


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="+", metavar="GROUP", help="of tasks")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args(argv)
    for group, tasks in load_groups(options.groups).items():
        cases = [(task, seed) for task in tasks for seed in range(options.seeds)]
        whole = np.array([search(task, seed, options.trials, None) for task, seed in cases])
        for gain in GAINS:
            early = np.array([search(task, seed, options.trials, gain) for task, seed in cases])
            lost = early[:, 2] - whole[:, 2]
            trials, seconds = (early[:, :2] / whole[:, :2]).mean(axis=0)
            print(
                f"{group:10} min_gain={gain:<5} ended early {(early[:, 0] < whole[:, 0]).mean():4.0%}  "
                f"trials {trials:4.0%}  time {seconds:4.0%}  "
                f"regret lost {lost.mean():.3f}, at most {lost.max():.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
