"""The rank of trials by several objectives and by constraints, as one number per trial; lower is better.

Several objectives: the maximin fitness (Balling, "The Maximin Fitness Function: Multi-objective City and
Regional Planning", EMO 2003). It is the largest, over the other trials, of the smallest lead of that trial in
any objective:

    fitness(i) = max over j != i of min over k of (y[i, k] - y[j, k])

A trial that another one dominates has a positive fitness, one of the front a negative one, and the lower
the further it is from the rest of the front. So it sorts by dominance and by diversity at once. An objective
counts by ranks, which have no unit, and each with a small share of the others, so that trials which are equal
in one objective are sorted by the other.

Constraints: a trial that breaks one ranks behind all trials that keep them, by how far it breaks them.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from search.core.history import History
from search.core.job import Trial
from spaces.space import Space

Array = NDArray[np.float64]
SHARE = 0.05  # of the other objectives in each


def vector(space: Space, metrics: Mapping[str, float]) -> tuple[float, ...]:
    """The violation of the constraints, 0 if all are kept, then the objectives; lower is better."""
    violation = sum(constraint.violation(metrics[constraint.metric]) for constraint in space.constraints)
    return (violation, *(one.sign * metrics[one.metric] for one in space.objectives))


def last_vector(space: Space, trial: Trial) -> tuple[float, ...]:
    """The `vector` of a trial at its last finished rung."""
    only = {space.objective.metric: trial.values[-1]}
    return vector(space, trial.metrics[-1] if trial.metrics else only)


def scalarised(history: History) -> History:
    """The history with the `losses` of each rung in place of its values, if several metrics rank trials.

    A loss depends on all trials of the rung, so those of a part of the history differ.
    """
    if not history.has_vectors:
        return history
    values = [list(observation.values) for observation in history]
    for rung in range(max((len(observation.vectors) for observation in history), default=0)):
        there = [number for number, one in enumerate(history) if len(one.vectors) > rung]
        found = losses(np.array([history[number].vectors[rung] for number in there]))
        for number, loss in zip(there, found.tolist(), strict=True):
            values[number][rung] = loss
    ranked = [replace(one, values=tuple(own)) for one, own in zip(history, values, strict=True)]
    scaled = History(ranked[history.first :], ranked[: history.first])
    scaled.log = history.log  # equal, and known as the same one
    return scaled


def losses(vectors: Array) -> Array:
    """The rank of each trial as one number, (trials,).

    `vectors` are those of `vector`, (trials, 1 + objectives).
    """
    violation, objectives = vectors[:, 0], vectors[:, 1:]
    kept = violation == 0
    if not kept.any():
        return violation
    result = np.empty(len(vectors))
    result[kept] = objectives[kept, 0] if objectives.shape[1] == 1 else maximin_fitness(objectives[kept])
    span, broken = np.ptp(result[kept]) or 1.0, violation[~kept]
    result[~kept] = result[kept].max() + span * (1 + broken / (1 + broken))
    return result


def maximin_fitness(objectives: Array) -> Array:
    """The maximin fitness of each trial, (trials,), of (trials, objectives); lower is better."""
    count = len(objectives)
    better = np.stack([np.searchsorted(np.sort(column), column) for column in objectives.T], axis=1)
    ranks = better / max(1, count - 1)
    ranks += SHARE * ranks.sum(axis=1, keepdims=True)
    front = np.flatnonzero(is_dominated_by_none(ranks))
    # No trial leads by more than those of the front. Only these need all others to be compared with.
    fitness = leads(ranks, ranks[front]).max(axis=1)
    own = leads(ranks[front], ranks)
    own[np.arange(len(front)), front] = -np.inf
    fitness[front] = own.max(axis=1)
    return np.maximum(fitness, -1 - SHARE * ranks.shape[1])


def leads(points: Array, others: Array) -> Array:
    """The smallest lead of each other point over each point in any objective, (points, others)."""
    smallest = np.full((len(points), len(others)), np.inf)
    for own, other in zip(points.T, others.T, strict=True):
        np.minimum(smallest, own[:, None] - other[None], out=smallest)
    return smallest


def is_front(vectors: Array) -> NDArray[np.bool_]:
    """Whether each trial keeps the constraints, and no other such trial dominates it, (trials,).

    A trial dominates another one if it is better in one objective and worse in none.
    """
    front = vectors[:, 0] == 0
    front[front] = is_dominated_by_none(vectors[front, 1:])
    return front


def is_dominated_by_none(objectives: Array) -> NDArray[np.bool_]:
    """Whether no other point dominates each point, (points,), of (points, objectives)."""
    front = np.zeros(len(objectives), dtype=bool)
    left = np.lexsort(objectives.T[::-1])  # a point comes after all that dominate it
    while len(left):
        best, rivals = objectives[left[0]], objectives[left]
        front[left[0]] = True
        dominated = (rivals >= best).all(axis=1) & (rivals > best).any(axis=1)
        left = left[1:][~dominated[1:]]
    return front
