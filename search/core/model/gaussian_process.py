"""Exact Gaussian-process regression: hyperparameters at the maximum of their posterior, and predictions.

Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1 and equation 5.9.
"""

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from search.core.model.encoding import Array, Indices
from search.core.model.kernel import covariance, gradient, prior, variance
from search.core.model.results import Rows

JITTER = 1e-6  # added to the variance of the noise, so that equal rows can be factored
TINY = 1e-10  # least variance of a prediction
BOUND = 4.0  # standard deviations of the prior that a hyperparameter may lie from its mean


class Posterior:
    """A Gaussian process, given rows."""

    def __init__(self, theta: Array, groups: Indices, rows: Rows) -> None:
        self.theta, self.groups, self.rows = theta, groups, rows
        own = covariance(theta, groups, rows.features, rows.fidelity, rows.features, rows.fidelity).total
        own[np.diag_indices_from(own)] += self.noise
        self.factor = np.linalg.cholesky(own)
        self.weights = cho_solve((self.factor, True), rows.values, check_finite=False)

    @property
    def noise(self) -> float:
        """Variance of the noise of a value."""
        return float(np.exp(self.theta[-1])) + JITTER

    def predict(self, features: Array, fidelity: Array) -> tuple[Array, Array, Array]:
        """Mean and variance, without noise, at some points, (points,) each; and `half`, (rows, points): their
        posterior covariance is the prior one minus half^T half."""
        cross = covariance(
            self.theta, self.groups, self.rows.features, self.rows.fidelity, features, fidelity
        ).total
        half = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        left = variance(self.theta) - np.einsum("rp,rp->p", half, half)
        return cross.T @ self.weights, np.maximum(left, TINY), half

    def draw(self, features: Array, fidelity: Array, count: int, seed: int) -> Array:
        """Functions drawn from the process, without noise, at some points, (points, count)."""
        mean, _, half = self.predict(features, fidelity)
        own = covariance(self.theta, self.groups, features, fidelity, features, fidelity).total
        own -= half.T @ half
        own[np.diag_indices_from(own)] += JITTER
        normal = np.random.default_rng(seed).standard_normal((len(features), count))
        return np.asarray(mean[:, None] + np.linalg.cholesky(own) @ normal)

    def with_means(self, features: Array, fidelity: Array) -> "Posterior":
        """The process if each of these points had been observed to have its mean: all means stay, and the
        variances near the points shrink."""
        mean, _, _ = self.predict(features, fidelity)
        rows = Rows(
            np.vstack([self.rows.features, features]),
            np.concatenate([self.rows.fidelity, fidelity]),
            np.concatenate([self.rows.values, mean]),
            self.rows.scale,
        )
        return Posterior(self.theta, self.groups, rows)


def fit(groups: Indices, rows: Rows, iterations: int) -> Array:
    """The logarithms of the hyperparameters with the highest posterior density, by L-BFGS from the prior."""
    own = prior(int(groups.max()) + 1)
    low, high = own.mean - BOUND * own.spread, own.mean + BOUND * own.spread
    result = minimize(
        negative_log_posterior,
        own.mean,
        (groups, rows),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": iterations},
    )
    return np.asarray(result.x)


def negative_log_posterior(theta: Array, groups: Indices, rows: Rows) -> tuple[float, Array]:
    """Minus the logarithm of the density of `theta` given the rows, up to a constant, and its gradient."""
    own = prior(int(groups.max()) + 1)
    parts = covariance(theta, groups, rows.features, rows.fidelity, rows.features, rows.fidelity)
    total = parts.total
    total[np.diag_indices_from(total)] += np.exp(theta[-1]) + JITTER
    factor = np.linalg.cholesky(total)
    inverse = cho_solve((factor, True), np.eye(len(total)), check_finite=False)
    weights = inverse @ rows.values
    surprise = (theta - own.mean) / own.spread
    value = 0.5 * (rows.values @ weights + surprise @ surprise) + np.log(np.diag(factor)).sum()
    slope = gradient(theta, groups, rows.features, parts, 0.5 * (inverse - np.outer(weights, weights)))
    return float(value), slope + surprise / own.spread
