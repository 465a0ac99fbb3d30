"""Tables of learning curves made into tasks that answer any configuration, by a forest fitted to the table.

On a table a proposal gets the curve of another configuration, and each row is used once; that hides what a
sampler can do. Here equal configurations have equal curves, and similar ones similar curves.

Each tree names a recorded row: one in the leaf that the configuration falls into. The answer is the whole
curve of the row that most trees name, which is the nearest one if configurations in the same leaves are near.
So every curve is a recorded one, with its noise, its cliffs and its divergence; a recorded configuration has
its own curve; and good configurations are as rare as in the table. A mean or median over the trees would fit
better and make them rarer (`docs/decisions/0030-more-ways-to-search.md`).

Surrogates of tables as benchmarks: Eggensperger et al., "Efficient Benchmarking of Hyperparameter Optimizers
via Surrogates", AAAI 2015. The forest: Geurts et al., "Extremely Randomized Trees", Machine Learning 2006.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.curves import TableTask
from benchmarks.tasks import Task
from search.core.model.encoding import Encoding
from search.replay.curves import CurveTable
from search.replay.training import Answer, Curve

TREES = 51
TRIALS = 10_000  # more than a search can begin in the time it gets


@final
class Forest:
    """Names for each configuration the row of a table whose curve it gets.

    Trees are grown until each leaf has one row or rows that are equal, and split by the ranks at all epochs.
    """

    def __init__(self, table: CurveTable) -> None:
        self.encoding = Encoding(table.space)
        losses = np.where(np.isfinite(table.curves), table.space.objective.sign * table.curves, np.inf)
        self.order = np.argsort(table.losses, kind="stable")  # rows by final loss, the diverged ones last
        features = self.features([table.configurations[row] for row in self.order])
        model = ExtraTreesRegressor(TREES, random_state=0)
        model.fit(features, rankdata(losses[self.order], axis=0))
        self.trees = [tree.tree_ for tree in model.estimators_]
        leaves = [tree.apply(features) for tree in self.trees]
        self.named = [middles(own, tree.node_count) for own, tree in zip(leaves, self.trees, strict=True)]

    def features(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """As trees take them, (configurations, features)."""
        points = np.array([self.encoding.point(params) for params in configurations])
        return self.encoding.features(points).astype(np.float32)

    def row(self, params: Mapping[str, Any]) -> int:
        """The row of the table that most trees name; of several the middle one by final loss."""
        own = self.features([params])
        places = [named[tree.apply(own)[0]] for named, tree in zip(self.named, self.trees, strict=True)]
        found, counts = np.unique(places, return_counts=True)
        most = found[counts == counts.max()]
        return int(self.order[most[len(most) // 2]])


def middles(leaves: np.ndarray, nodes: int) -> np.ndarray:
    """For each node of a tree the middle one of the rows in it, (nodes,); 0 for nodes that are no leaves."""
    middle = np.zeros(nodes, dtype=int)
    for leaf in np.unique(leaves):
        own = np.flatnonzero(leaves == leaf)
        middle[leaf] = own[len(own) // 2]
    return middle


@final
class ForestTask(Task):
    """A table that answers each configuration with a recorded curve. Its scale of regret is the table's."""

    def __init__(self, task: TableTask) -> None:
        super().__init__(task.name, task.space, task.epochs, TRIALS, task.seconds, task.best, task.median)
        self.table = task.table

    @cached_property
    def forest(self) -> Forest:
        """Fitted when it is asked first: a process needs those of its own searches."""
        return Forest(self.table)

    def answers(self) -> Answer:
        return self.curve

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """The curve of a configuration."""
        table, row = self.table, self.forest.row(params)
        return Curve(table.curves[row], table.seconds[row], float(table.losses[row]))


def answered_by_forests(
    load: Callable[[Path], Sequence[TableTask]],
) -> Callable[[Path], Sequence[ForestTask]]:
    """The loader of the same tables as tasks of this kind."""
    return lambda folder: [ForestTask(task) for task in load(folder)]
