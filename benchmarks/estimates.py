"""What a report estimates of a search, against the truth: importance, and the agreement of early ranks.

    python -m benchmarks.estimates GROUP... [--seeds 5] [--trials 100] [--sampler ladder]

Searches are replayed on tasks whose truth is known (GROUP as in `search_quality.py`; not `taskset`, whose
tables are of one space). For each task two tables:

- The rank correlation of each early rung with the last one, over all trials of the search, had they been
  trained in full: the mean absolute error of the estimate of `results/agreement.py`, of the
  correlation over the survivors, and how often the 90 % interval has the truth.
- The total effects of the parameters: Kendall's rank correlation of the estimated with the true ones, and how
  often the largest is the true one; of the model (`search/after/importance.py`) and of fANOVA over the ranks
  of the trials at the highest rung with 10 values per parameter, else at the first. How often the 90 %
  interval of the model has the truth, and how many searches have no estimate, because the model explains too
  little.

The true total effects are those of the function itself, or those of a random forest on the whole table, whose
share of explained variance out of bag is printed.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial
from scipy.stats import kendalltau, rankdata, sobol_indices, spearmanr
from sklearn.ensemble import RandomForestRegressor

from benchmarks.curves import TableTask
from benchmarks.scores import markdown
from benchmarks.search_quality import load_groups
from benchmarks.smooth import SmoothTask
from benchmarks.tasks import Task
from benchmarks.ways import ETA, Settings
from results.agreement import agreements
from search.after.importance import estimate, history
from search.after.sensitivity import mixed_samples
from search.core.model.encoding import Encoding
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.samplers.optuna_space import distributions
from search.core.study import Study
from search.replay.simulate import simulate
from search.runs.tables import column_types, trial_rows
from spaces.space import Space

SIZE = 1024  # points of each of the two samples of the truth

Array = np.ndarray
Rows = list[dict[str, Any]]


@final
@dataclass(frozen=True)
class Search:
    """A replayed search."""

    trials: Rows
    rungs: Rows
    losses: Array  # of all its trials at all epochs, had they been trained in full, (trials, epochs)


def replay(task: Task, sampler: str, trials: int, seed: int) -> Search:
    """A whole search, until all trials have ended."""
    settings = Settings()
    rungs = milestones(settings.grace, ETA, task.epochs)
    training, space = task.training(), task.space
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder) / "study.log", space, rungs)
        plan = Plan(trials, rungs, ETA, seed, sampler, lanes=settings.lanes, workers=settings.workers)
        simulate(Queue(space, plan, study), training, settings.workers, np.inf)
        empty = {f"param/{name}": None for name in column_types(space)}
        rows = [{**empty, **row} for row in trial_rows(space, study.trials())]
        values = np.array([training.curves[row["trial"]].values for row in rows])
        losses = np.where(np.isfinite(values), space.objective.sign * values, np.inf)
        return Search(rows, study.rung_rows(), losses)


def true_effects(task: Task) -> tuple[Array, float]:
    """The total effect of each parameter on the rank of the final loss, and the share of variance that the
    model of the truth explains: 1 for a function."""
    names = list(task.space.params)
    points = mixed_samples(len(names), SIZE, seed=1)
    if isinstance(task, SmoothTask):
        return total_effects(task.final_losses(points), len(names)), 1.0
    assert isinstance(task, TableTask)
    encoding, ranks = Encoding(task.space), rankdata(task.table.losses)
    rows = encoding.features(np.array([encoding.point(params) for params in task.table.configurations]))
    forest = RandomForestRegressor(300, min_samples_leaf=3, max_features=0.6, random_state=0, oob_score=True)
    forest.fit(rows, ranks)
    return total_effects(forest.predict(encoding.features(points)), len(names)), float(forest.oob_score_)


def total_effects(values: Array, count: int) -> Array:
    """As the model's, from the values at `mixed_samples`."""
    ranks = rankdata(values)
    parts = {"f_A": ranks[None, :SIZE], "f_B": ranks[None, SIZE : 2 * SIZE]}
    parts["f_AB"] = ranks[2 * SIZE :].reshape(count, 1, SIZE)
    return np.asarray(sobol_indices(func=parts, n=SIZE).total_order).reshape(count)


def fanova(search: Search, space: Space) -> Array:
    """The main effects of the survivors at one rung, 0 for conditional parameters."""
    by_rung: dict[int, dict[int, float]] = {}
    for row in search.rungs:
        by_rung.setdefault(row["rung"], {})[row["trial"]] = row["value"]
    values = by_rung[max((k for k in by_rung if len(by_rung[k]) >= 10 * len(space.params)), default=0)]
    kept = distributions(space)
    names = [name for name, param in space.params.items() if not param.when]
    ranks = dict(zip(values, rankdata(list(values.values())), strict=True))
    study = optuna.create_study()
    for trial, rank in ranks.items():
        params = {name: search.trials[trial][f"param/{name}"] for name in names}
        own = {name: kept[name] for name in names}
        study.add_trial(create_trial(params=params, distributions=own, value=float(rank)))
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=64, seed=0))
    return np.array([found.get(name, 0.0) for name in space.params])


def measure(task: Task, searches: Sequence[Search]) -> tuple[list[str], list[str]]:
    """The row of a task in the two tables."""
    rungs, sign = milestones(Settings.grace, ETA, task.epochs), task.space.objective.sign
    effects, share = true_effects(task)
    ranks, found = [], []
    for number, search in enumerate(searches):
        values: dict[int, dict[int, float]] = {}
        for row in search.rungs:
            values.setdefault(row["epochs"], {})[row["trial"]] = sign * row["value"]
        own = agreements(values)
        for epochs in rungs[:-1]:
            truth = spearman(search.losses[:, epochs - 1], search.losses[:, -1])
            both = sorted(values[epochs].keys() & values[rungs[-1]].keys())
            survivors = spearman(*([values[at][trial] for trial in both] for at in (epochs, rungs[-1])))
            if epochs in own:
                one = own[epochs]
                ranks.append(
                    [
                        truth,
                        abs(one.correlation - truth),
                        abs(survivors - truth),
                        one.low <= truth <= one.high,
                    ]
                )
        model = estimate(history(search.trials, search.rungs, task.space), task.space, rungs, number)
        if model and model.shares:
            shares = {share.name: share for share in model.shares}
            own_shares = [shares[name] for name in task.space.params]
            total, old = np.array([one.total for one in own_shares]), fanova(search, task.space)
            inside = [one.low <= true <= one.high for one, true in zip(own_shares, effects, strict=True)]
            taus = (kendalltau(effects, estimated).statistic for estimated in (total, old))
            largest = (effects.argmax() == estimated.argmax() for estimated in (total, old))
            found.append([*taus, *largest, np.mean(inside)])
    first = [task.name, *(f"{value:.2f}" for value in np.nanmean(np.array(ranks, dtype=float), axis=0))]
    means = np.nanmean(np.array(found, dtype=float), axis=0) if found else []
    cells = [f"{value:.2f}" for value in means] or [""] * 5
    return first, [task.name, f"{share:.2f}", *cells, f"{len(searches) - len(found)} of {len(searches)}"]


def spearman(first: Sequence[float] | Array, second: Sequence[float] | Array) -> float:
    """The rank correlation; infinite values are the worst."""
    return float(spearmanr(rankdata(first), rankdata(second)).statistic)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="+", metavar="GROUP", help="of tasks")
    parser.add_argument("--seeds", type=int, default=5, help="searches per task")
    parser.add_argument("--trials", type=int, default=100, help="of each search")
    parser.add_argument("--sampler", default="ladder")
    options = parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ranks = [["task", "true correlation", "error", "error of the survivors'", "in the interval"]]
    effects = [["task", "truth explains", "tau", "tau of fANOVA", "largest", "largest of fANOVA"]]
    effects[0] += ["in the interval", "no estimate"]
    for tasks in load_groups(options.groups).values():
        for task in tasks:
            searches = [replay(task, options.sampler, options.trials, seed) for seed in range(options.seeds)]
            first, second = measure(task, searches)
            ranks.append(first)
            effects.append(second)
    print(markdown(ranks), markdown(effects), sep="\n\n")


if __name__ == "__main__":
    main()
