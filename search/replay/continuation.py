"""The learning curves of a run, continued where its trials were stopped.

The model of the search (`search/core/model/`) continues them: each continuation is a joint draw from the
posterior of all unknown values, with the noise of a value. The mean in its place would have no noise, and
would flatter early stopping. Known values stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from search.core.history import Observation
from search.core.job import State, Trial
from search.core.model.gaussian_process import Posterior
from search.core.model.results import fidelities
from search.core.model.surrogate import Modeller
from search.core.model.threads import one_thread
from search.replay.nearest import Table
from spaces.space import Space

BLOCK = 1000  # values drawn jointly, at most


@dataclass(frozen=True)
class Record:
    """The known part of the curves of a run."""

    table: Table  # values that are unknown are NaN; so are those after a divergence
    trained: np.ndarray  # epochs that are known; all of them for a trial that diverged, (configurations,)
    numbers: tuple[int, ...]  # of the trials
    history: tuple[Observation, ...]  # the same trials for the model

    @property
    def complete(self) -> int:
        """How many trials were trained to the end, or diverged."""
        return int((self.trained == self.table.values.shape[1]).sum())


def record(space: Space, trials: Sequence[Trial], epochs: Sequence[Mapping[str, Any]], last: int) -> Record:
    """The record of a run with these trials and rows of its table of epochs; its last rung is at `last`.

    Trials without a value are left out.
    """
    valued = [trial for trial in trials if trial.order and trial.state is not State.FAILED]
    values, seconds = (np.full((len(valued), last), np.nan) for _ in range(2))
    position = {trial.number: index for index, trial in enumerate(valued)}
    for row in epochs:
        index, epoch = position.get(row["trial"]), row["epoch"]
        if index is not None and epoch <= valued[index].epochs:
            values[index, epoch - 1] = row[space.objective.metric]
            seconds[index, epoch - 1] = row["seconds"]
    missing = np.isnan(seconds)
    seconds[missing] = np.broadcast_to(np.nanmean(seconds, axis=1, keepdims=True), seconds.shape)[missing]
    trained = np.array([last if t.state is State.DIVERGED else t.epochs for t in valued])
    sign = space.objective.sign
    history = tuple(
        Observation(
            trial.params,
            tuple(sign * value for value in trial.values) + (inf,) * (trial.state is State.DIVERGED),
            order=trial.order,
        )
        for trial in valued
    )
    table = Table(space, [trial.params for trial in valued], values, seconds)
    return Record(table, trained, tuple(trial.number for trial in valued), history)


@one_thread
def continuations(
    known: Record, rungs: Sequence[int], wanted: Sequence[int], count: int, seed: int
) -> list[Table]:
    """`count` tables with all values at the `wanted` epochs; those between are interpolated.

    `rungs` are those of the run, in epochs, at which the model knows its values.
    """
    modeller = Modeller(known.table.space, rungs, seed)
    posterior = modeller.surrogate(known.history).posterior
    features = modeller.features(known.history)
    scale = dict(zip(wanted, fidelities(wanted), strict=True))
    missing = [(row, epoch) for row, end in enumerate(known.trained) for epoch in wanted if epoch > end]
    drawn = np.empty((len(missing), count))
    for start in range(0, len(missing), BLOCK):
        part = missing[start : start + BLOCK]
        fidelity = np.array([scale[epoch] for _, epoch in part])
        own = features[[row for row, _ in part]]
        drawn[start : start + len(part)] = noisy(posterior, own, fidelity, count, seed + start)
    values = known.table.space.objective.sign * posterior.rows.scale.back(drawn)
    return [with_values(known, missing, values[:, draw]) for draw in range(count)]


def noisy(
    posterior: Posterior, features: np.ndarray, fidelity: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Draws from the posterior with the noise of a value, (points, count)."""
    noise = np.random.default_rng([seed, 1]).standard_normal((len(features), count))
    return posterior.draw(features, fidelity, count, seed) + posterior.noise**0.5 * noise


def with_values(known: Record, missing: Sequence[tuple[int, int]], values: np.ndarray) -> Table:
    """The record with values at the missing (row, epoch), and interpolated ones between."""
    filled = known.table.values.copy()
    for (row, epoch), value in zip(missing, values.tolist(), strict=True):
        filled[row, epoch - 1] = value
    epochs = np.arange(filled.shape[1])
    for row in sorted({row for row, _ in missing}):
        there = np.isfinite(filled[row])
        filled[row] = np.interp(epochs, epochs[there], filled[row, there])
    return replace(known.table, values=filled)
