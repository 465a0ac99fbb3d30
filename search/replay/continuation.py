"""Continues the curves of trials that a search stopped early: draws from the posterior of its model.

The mean of the posterior would have no noise and would rank the trials as the model does, so early stopping
would look better than it is. Each draw is one course that all curves may have taken.
"""

from collections.abc import Sequence
from math import inf

import numpy as np

from search.core.history import Observation
from search.core.model.encoding import Encoding
from search.core.model.gaussian_process import Posterior, fit
from search.core.model.results import fidelities, results, rows, thin
from search.core.model.surrogate import ITERATIONS
from search.core.model.threads import one_thread
from search.replay.record import Record
from spaces.seeds import derive_seed


@one_thread
def continuations(
    record: Record, chosen: np.ndarray, rungs: Sequence[int], count: int, seed: int
) -> np.ndarray:
    """`count` draws of the curves of the `chosen` rows of a record: (count, rows, epochs).

    Observed values stay as they are, and a curve that diverged is NaN from there on. Values are drawn at the
    `rungs`, in epochs with the last rung at the end; between them curves are interpolated linearly.
    """
    history = [observation(record, row, rungs) for row in range(len(record.configurations))]
    posterior = posterior_of(record, history, chosen, rungs, seed)
    scale, sign = posterior.rows.scale, record.space.objective.sign
    encoding, levels = Encoding(record.space), fidelities(rungs)
    missing = [
        (place, level)
        for place, row in enumerate(chosen)
        for level, epochs in enumerate(rungs)
        if epochs > record.trained[row] and not record.diverged[row]
    ]
    curves = np.repeat(record.values[None, chosen], count, axis=0)
    if not missing:
        return curves
    points = np.array([encoding.point(record.configurations[chosen[place]]) for place, _ in missing])
    fidelity = np.array([levels[level] for _, level in missing])
    drawn = posterior.draws(encoding.features(points), fidelity, count, derive_seed(seed))
    noise = np.random.default_rng(derive_seed(seed, 1)).standard_normal(drawn.shape) * posterior.noise**0.5
    values = sign * scale.back(drawn + noise)
    for (place, level), own in zip(missing, values, strict=True):
        curves[:, place, rungs[level] - 1] = own
    for place, row in enumerate(chosen):
        if not record.diverged[row]:
            interpolate(curves[:, place], int(record.trained[row]))
    return curves


def observation(record: Record, row: int, rungs: Sequence[int]) -> Observation:
    """A trial as the model takes it, on a ladder of other rungs."""
    reached = [epochs for epochs in rungs if epochs <= record.trained[row]]
    values = [record.space.objective.sign * float(record.values[row, epochs - 1]) for epochs in reached]
    return Observation(record.configurations[row], (*values, *[inf] * bool(record.diverged[row])))


def posterior_of(
    record: Record, history: Sequence[Observation], chosen: np.ndarray, rungs: Sequence[int], seed: int
) -> Posterior:
    """The model of a search, given all values of the `chosen` rows and those that the search would model."""
    encoding, found = Encoding(record.space), results(history)
    used = thin(found, seed)
    theta = fit(encoding.groups, rows(encoding, history, used, rungs), ITERATIONS)
    kept = {*used, *(result for result in found if result.trial in set(chosen.tolist()))}
    return Posterior(theta, encoding.groups, rows(encoding, history, [r for r in found if r in kept], rungs))


def interpolate(curves: np.ndarray, trained: int) -> None:
    """Fills the gaps of a trial's curves, (draws, epochs), after its trained epochs, in place."""
    epochs = np.arange(curves.shape[1])
    for curve in curves:
        known = np.isfinite(curve)
        curve[trained:] = np.interp(epochs[trained:], epochs[known], curve[known])
