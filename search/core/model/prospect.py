"""The gain to be expected from further trials, for the decision to end a search early.

Functions drawn from the posterior say by how much the best configuration anywhere would be better than the
best one so far: Wilson, "Stopping Bayesian Optimization with Probabilistic Regret Bounds", NeurIPS 2024.
"""

from dataclasses import dataclass

import numpy as np

from search.core.history import History
from search.core.model.acquisition import make_pool
from search.core.model.encoding import Array
from search.core.model.surrogate import Modeller, Surrogate
from search.core.model.threads import one_thread

MIN_TRIALS = 20  # with a value, before the model is asked
TRIED = 32  # trials that are compared, those with the lowest means
UNTRIED = 256  # candidates that are compared with them, those with the largest expected improvement
DRAWS = 128  # functions drawn from the posterior


@dataclass(frozen=True)
class Prospect:
    """The gain of the best configuration anywhere over the best one tried, at the last rung.

    Gains are shares of the distance between the median value of the trials and the best one.
    """

    gain: float  # its expectation
    certainty: float  # the probability that it is below the least gain that counts


@one_thread
def prospect(modeller: Modeller, history: History, min_gain: float) -> Prospect | None:
    """The prospect of a search; None with too few values, or if all are equal."""
    last = np.array([one.values[-1] for one in history if one.values])
    last = last[np.isfinite(last)]
    if len(last) < MIN_TRIALS or not (span := float(np.median(last) - last.min())):
        return None
    surrogate = modeller.surrogate(history)
    tried, untried = features(modeller, surrogate, history)
    points = np.vstack([tried, untried])
    drawn = surrogate.posterior.draw(points, np.ones(len(points)), DRAWS, surrogate.seed)
    best = surrogate.posterior.rows.scale.back(drawn[: len(tried)].min(axis=0))
    gains = best - surrogate.posterior.rows.scale.back(drawn.min(axis=0))
    return Prospect(float(gains.mean()) / span, float((gains < min_gain * span).mean()))


def features(modeller: Modeller, surrogate: Surrogate, history: History) -> tuple[Array, Array]:
    """Features of the best trials and of the best candidates, (points, features) each."""
    own = modeller.features([one for one in history if one.values and not one.diverged])
    mean, _, _ = surrogate.posterior.predict(own, np.ones(len(own)))
    pool = make_pool(surrogate, 1)
    chosen = np.argsort(-pool.improvement, kind="stable")[:UNTRIED]
    return own[np.argsort(mean, kind="stable")[:TRIED]], pool.features[chosen]
