"""Expected improvement of configurations, and packs of new ones that differ."""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, ndtr

from search.core.model.candidates import candidates
from search.core.model.encoding import Array
from search.core.model.gaussian_process import TINY, Posterior
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


def improvement_over_last(
    posterior: Posterior, features: Array, mean: Array, variance: Array, half: Array
) -> Array:
    """log E[max(f_b - f, 0)] at the last rung for each point, (points,); b is the last of the points.

    `mean`, `variance` and `half` are as of `Posterior.predict`. Both values are uncertain and correlated:
    near the best trial their difference is known, even if neither value is. The improvement over a fixed
    value stays large there, and keeps the search there (Letham et al., "Constrained Bayesian Optimization
    with Noisy Experiments", Bayesian Analysis 2019).
    """
    last = np.ones(len(features))
    prior = covariance(posterior.theta, posterior.groups, features[-1:], last[:1], features, last).total[0]
    difference = variance + variance[-1] - 2 * (prior - half[:, -1] @ half)
    return log_expected_improvement(mean, np.maximum(difference, TINY), float(mean[-1]))


@dataclass(frozen=True)
class Pool:
    """Candidates, then the incumbent, and their prediction at the last rung."""

    points: Array  # (candidates + 1, parameters)
    features: Array  # (candidates + 1, features)
    mean: Array  # (candidates + 1,)
    variance: Array  # (candidates + 1,)
    half: Array  # as of `Posterior.predict`, (rows, candidates + 1)
    improvement: Array  # logarithm of the expected improvement; the incumbent has none, (candidates + 1,)


def make_pool(surrogate: Surrogate, count: int) -> Pool:
    """Candidates for `count` new configurations."""
    drawn = candidates(surrogate.encoding, surrogate.centres, count, surrogate.seed)
    points = np.vstack([drawn, surrogate.centres[:1]])
    features = surrogate.encoding.features(points)
    mean, variance, half = surrogate.posterior.predict(features, np.ones(len(features)))
    improvement = improvement_over_last(surrogate.posterior, features, mean, variance, half)
    improvement[-1] = -np.inf
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
        variance = np.maximum(variance - column**2, TINY)
        improvement = improvement_over_last(posterior, pool.features, pool.mean, variance, half)
        improvement[[*chosen, -1]] = -np.inf
    return pool.points[chosen]
