"""Expected improvement of configurations, and packs of new ones that differ."""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, ndtr

from search.core.model.candidates import candidates
from search.core.model.encoding import Array
from search.core.model.kernel import covariance
from search.core.model.surrogate import Surrogate

HALF_LOG_TAU = 0.5 * np.log(2 * np.pi)


def log_expected_improvement(mean: Array, variance: Array, incumbent: float) -> Array:
    """log E[max(incumbent - f, 0)] for f normal with this mean and variance, (points,).

    In a form that stays finite far from the incumbent: Ament et al., "Unexpected Improvements to Expected
    Improvement for Bayesian Optimization", NeurIPS 2023, equation 9.
    """
    deviation = np.sqrt(variance)
    u = (incumbent - mean) / deviation
    near, far = u > -1, u < -1e4
    result = np.empty_like(u)
    v = u[near]
    result[near] = np.log(np.exp(-0.5 * v * v - HALF_LOG_TAU) + v * ndtr(v))
    v = u[~near & ~far]
    tail = np.sqrt(np.pi / 2) * v * erfcx(-v / 2**0.5)
    result[~near & ~far] = -0.5 * v * v - HALF_LOG_TAU + np.log1p(tail)
    v = u[far]
    result[far] = -0.5 * v * v - HALF_LOG_TAU - 2 * np.log(-v)
    return result + np.log(deviation)


@dataclass(frozen=True)
class Pool:
    """Candidates and their prediction at the last rung."""

    points: Array  # (candidates, parameters)
    features: Array  # (candidates, features)
    mean: Array  # (candidates,)
    variance: Array  # (candidates,)
    half: Array  # as of `Posterior.predict`, (rows, candidates)
    improvement: Array  # logarithm of the expected improvement, (candidates,)


def make_pool(surrogate: Surrogate, count: int) -> Pool:
    """Candidates for `count` new configurations."""
    points = candidates(surrogate.encoding, surrogate.centres, count, surrogate.seed)
    features = surrogate.encoding.features(points)
    mean, variance, half = surrogate.posterior.predict(features, np.ones(len(features)))
    improvement = log_expected_improvement(mean, variance, surrogate.incumbent)
    return Pool(points, features, mean, variance, half, improvement)


def spread(surrogate: Surrogate, pool: Pool, count: int) -> Array:
    """The `count` points with the largest expected improvement, one after the other, (count, parameters).

    Each chosen point counts as observed with its mean, so the next one lies elsewhere (the kriging believer:
    Ginsbourger et al., "Kriging Is Well-Suited to Parallelize Optimization", 2010). All means stay; variances
    shrink by the covariance with the chosen point.
    """
    posterior, last = surrogate.posterior, np.ones(len(pool.points))
    variance, half, improvement = pool.variance, pool.half, pool.improvement.copy()
    chosen: list[int] = []
    for _ in range(count):
        best = int(improvement.argmax())
        chosen.append(best)
        one = covariance(
            posterior.theta, posterior.groups, pool.features[[best]], last[:1], pool.features, last
        )
        column = (one.total[0] - half[:, best] @ half) / np.sqrt(variance[best] + posterior.noise)
        half = np.vstack([half, column])
        variance = np.maximum(variance - column**2, 1e-10)
        improvement = log_expected_improvement(pool.mean, variance, surrogate.incumbent)
        improvement[chosen] = -np.inf
    return pool.points[chosen]
