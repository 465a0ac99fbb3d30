"""Quality of whole searches, replayed on learning curves with a simulated clock.

    python -m benchmarks.search_quality GROUP... [--seeds 30] [--workers 4] [--lanes 1]
        [--ways ladder-tpe,random] [--json FILE] [--processes 2]

The groups of tasks:

    taskset=FOLDER    published tables of learning curves, one Parquet file a task (`taskset.py`)
    recorded=FOLDER   the same of Ladder's own spaces (`recorded.py`): recorded=benchmarks/data
    taskset-forest=FOLDER   the first tables, with an answer for any configuration (`forest.py`)
    recorded-forest=FOLDER  the second ones in the same way
    smooth            random smooth functions (`smooth.py`)

The ways to search:

    random            random configurations, every trial in full
    optuna-tpe        Optuna's TPESampler, every trial in full
    optuna-gp         Optuna's GPSampler, every trial in full
    optuna-median     TPESampler with MedianPruner, from the first rung on
    optuna-halving    TPESampler with SuccessiveHalvingPruner, the first rung and eta as below
    optuna-hyperband  TPESampler with HyperbandPruner, the first rung and eta as below
    ray-stock         Ray Tune's ASHAScheduler and OptunaSearch with their defaults (first rung 1, eta 4)
    ray-asha          the same with the first rung and eta as below
    syne-asha         Syne Tune's ASHA: random configurations, the first rung and eta as below
    syne-bohb         Syne Tune's BOHB, the same
    syne-cqr          Syne Tune's CQR, every trial in full
    ladder-random     this search with sampler=random: first rung at epoch 3, eta 3
    ladder-tpe        the same with sampler=tpe
    ladder-gp         the same with sampler=gp
    ladder            the same with sampler=ladder, which chooses the promotions too

All ways get the same training time, spread over the workers. `--lanes` are trials per job of this search; the
others know no packs. The tables show the normalised regret of the incumbent (`Task.regret`) after the time of
5, 10, 20 and 40 full trainings of mean length, once by the final value of its curve and once by its last
observed value: means over tasks and seeds with 95 % intervals over seeds (Student's t), and differences from
the first way, paired by seed.

With --json each score is added to FILE as soon as it is known, and a search that has a score there is not run
again: an interrupted call continues, and a changed way is measured anew once its lines are deleted.
The syne- ways need the extra `peers`.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

from benchmarks.forest import answered_by_forests
from benchmarks.recorded import load_recorded
from benchmarks.scores import BUDGETS, Score, ScoreFile, report
from benchmarks.smooth import load_smooth
from benchmarks.tasks import Task
from benchmarks.taskset import load_taskset
from benchmarks.ways import WAYS, Settings
from search.replay.simulate import incumbent, scratch_folder, simulate
from spaces.seeds import derive_seed

PROGRESS_SECONDS = 10  # between two lines of progress
LOADERS: dict[str, Callable[[Path], Sequence[Task]]] = {
    "taskset": load_taskset,
    "recorded": load_recorded,
    "taskset-forest": answered_by_forests(load_taskset),
    "recorded-forest": answered_by_forests(load_recorded),
}

Groups = dict[str, Sequence[Task]]
Case = tuple[str, str, int, int]  # way, group, index of the task in the group, seed


def replay(way: str, group: str, task: Task, seed: int, settings: Settings) -> Score:
    """One search until the last of the BUDGETS is spent. The seeds of a task are the same for all ways."""
    start = time.process_time()
    training = task.training()
    times = [budget * task.seconds / settings.workers for budget in BUDGETS]
    with scratch_folder() as folder:
        own = derive_seed(seed, crc32(task.name.encode()))
        queue = WAYS[way](task, settings, own, folder)
        outcomes = simulate(queue, training, settings.workers, times[-1])
    seconds = time.process_time() - start
    sign = task.space.objective.sign
    best = [incumbent(outcomes, sign, until) for until in times]
    final = [task.regret(training.curves[b.trial].final) if b else 1.0 for b in best]
    observed = [task.regret(sign * b.value) if b else 1.0 for b in best]
    trials = len(training.curves)
    return Score(way, group, task.name, seed, trials, round(seconds, 2), rounded(final), rounded(observed))


def rounded(values: Iterable[float]) -> tuple[float, ...]:
    """To three decimals."""
    return tuple(round(value, 3) for value in values)


def load_groups(names: Sequence[str]) -> Groups:
    """The tasks of each group, by its kind.

    Raises ValueError for an unknown kind, a missing or needless folder, a kind given twice, and as the
    loaders.
    """
    groups: Groups = {}
    for name in names:
        kind, _, folder = name.partition("=")
        if kind in groups:
            raise ValueError(f"{name}: the group {kind} is given twice")
        if name == "smooth":
            groups[kind] = load_smooth()
        elif kind in LOADERS and folder:
            groups[kind] = LOADERS[kind](Path(folder))
        else:
            raise ValueError(f"{name} is no group, which is smooth, or KIND=FOLDER with {', '.join(LOADERS)}")
    return groups


GROUPS: Groups = {}  # of a process of its own


def start_process(names: Sequence[str]) -> None:
    """Loads the tasks, once in each process."""
    GROUPS.update(load_groups(names))


def replay_case(case: Case, settings: Settings) -> Score:
    """In a process of its own."""
    way, group, index, seed = case
    return replay(way, group, GROUPS[group][index], seed, settings)


def replay_all(
    cases: Sequence[Case], groups: Sequence[str], settings: Settings, processes: int
) -> Iterator[Score]:
    """The scores in the order in which they become known."""
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the new processes
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, start_process, (groups,)) as pool:
        calls = [pool.submit(replay_case, case, settings) for case in cases]
        try:
            for call in as_completed(calls):
                yield call.result()
        finally:
            pool.shutdown(cancel_futures=True)


def with_progress(scores: Iterable[Score], total: int) -> Iterator[Score]:
    """The same scores; every few seconds stderr tells how many are done and how long the rest takes."""
    start = shown = time.monotonic()
    for done, score in enumerate(scores, 1):
        yield score
        now = time.monotonic()
        if now - shown > PROGRESS_SECONDS:
            shown = now
            left = (now - start) / done * (total - done) / 60
            print(f"{done} of {total} searches, {left:.0f} min left", file=sys.stderr, flush=True)


def positive(text: str) -> int:
    """A number of the command line. Raises ValueError, which argparse reports, if it is not 1 or more."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="+", metavar="GROUP", help="of tasks")
    parser.add_argument("--seeds", type=positive, default=30, help="searches per way and task")
    parser.add_argument("--workers", type=positive, default=Settings.workers)
    parser.add_argument("--lanes", type=positive, default=Settings.lanes)
    parser.add_argument("--ways", default=",".join(WAYS), help="joined by commas")
    parser.add_argument("--json", type=Path, help="file of scores")
    parser.add_argument("--processes", type=positive, default=2)
    options = parser.parse_args(argv)
    ways = options.ways.split(",")
    if unknown := set(ways) - WAYS.keys():
        parser.error(f"--ways: {', '.join(sorted(unknown))}: not one of {', '.join(WAYS)}")
    settings = Settings(options.workers, options.lanes)
    try:
        groups = load_groups(options.groups)
        file = ScoreFile(options.json, asdict(settings)) if options.json else None
    except ValueError as error:
        parser.error(str(error))
    cases = {
        (way, group, task.name, seed): (way, group, index, seed)
        for seed in range(options.seeds)
        for group, tasks in groups.items()
        for index, task in enumerate(tasks)
        for way in ways
    }
    known = {score.key: score for score in file.read()} if file else {}
    new = [case for key, case in cases.items() if key not in known]
    if any(way.startswith("syne-") for way, *_ in new) and not find_spec("syne_tune"):
        parser.error(
            "the syne- ways need `pip install -c constraints.txt -e .[peers]`; or leave them out (--ways)"
        )
    for score in with_progress(replay_all(new, options.groups, settings, options.processes), len(new)):
        known[score.key] = score
        if file:
            file.append(score)
    scores = sorted((known[key] for key in cases), key=lambda score: (ways.index(score.way), score.seed))
    print(report(scores, ways[0]))


if __name__ == "__main__":
    main()
