"""The covariance of results at different configurations and epochs, and its logarithmic hyperparameters.

    k((x, z), (x', z')) = a * M(x, x') * exp(-|z - z'| / s) + b * exp(-((z - z') / m)^2)

x are the features of a configuration and z the logarithm of its epochs, 1 at the last rung. M is the
Matern-5/2 kernel with one length scale per parameter (Rasmussen & Williams, Gaussian Processes for Machine
Learning, 2006, equation 4.17). The first term says that similar configurations have similar curves, the
second that all curves have a common course.
"""

from dataclasses import dataclass

import numpy as np

from search.core.model.encoding import Array, Indices

ROOT5 = 5**0.5
# Medians and standard deviations of the log-normal priors, of a, s, b, m and the variance of the noise.
MEDIANS = (1.0, 1.0, 1.0, 0.7, 0.003)
SPREADS = (1.0, 0.8, 1.0, 0.7, 1.5)
SCALE_MEDIAN, SCALE_SPREAD = 2.0, 1.0  # of each length scale


@dataclass(frozen=True)
class Prior:
    """Log-normal priors of the hyperparameters: mean and standard deviation of their logarithms.

    They come in the order: a length scale per parameter, then a, s, b, m, and the variance of the noise.
    """

    mean: Array
    spread: Array


def prior(params: int) -> Prior:
    """The priors for a space with this number of parameters."""
    return Prior(np.log([SCALE_MEDIAN] * params + [*MEDIANS]), np.array([SCALE_SPREAD] * params + [*SPREADS]))


@dataclass(frozen=True)
class Covariance:
    """The covariance of rows with other rows, (rows, others), and the parts that its gradient needs."""

    curve: Array  # the first term
    common: Array  # the second term
    slope: Array  # of the first term in each squared scaled distance, times -2
    distance: Array  # |z - z'|

    @property
    def total(self) -> Array:
        """Both terms."""
        return self.curve + self.common


def covariance(
    theta: Array, groups: Indices, x: Array, z: Array, others: Array, other_z: Array
) -> Covariance:
    """The covariance, without noise, at the hyperparameters `theta`.

    `groups` has the parameter of each feature.
    """
    params = len(theta) - len(MEDIANS)
    a, s, b, m, _ = np.exp(theta[params:])
    scales = np.exp(theta[:params])[groups]
    r = np.sqrt(squared_distances(x / scales, others / scales))
    distance = np.abs(z[:, None] - other_z[None])
    factor = a * np.exp(-ROOT5 * r - distance / s)
    common = b * np.exp(-((distance / m) ** 2))
    return Covariance(
        factor * (1 + ROOT5 * r + 5 / 3 * r * r), common, factor * 5 / 3 * (1 + ROOT5 * r), distance
    )


def squared_distances(x: Array, others: Array) -> Array:
    """Squared Euclidean distances, (rows, others), by one matrix product."""
    squares = (x * x).sum(axis=1)[:, None] + (others * others).sum(axis=1)[None] - 2 * x @ others.T
    return np.maximum(squares, 0.0)


def variance(theta: Array) -> float:
    """Prior variance of each result, without noise."""
    a, _, b, *_ = np.exp(theta[-len(MEDIANS) :])
    return float(a + b)


def gradient(theta: Array, groups: Indices, x: Array, parts: Covariance, weights: Array) -> Array:
    """Derivative of the sum of `weights` times covariance, noise included, in each hyperparameter.

    `weights` are symmetric, (rows, rows).
    """
    params = len(theta) - len(MEDIANS)
    _, s, _, m, noise = np.exp(theta[params:])
    curve, common, slope = weights * parts.curve, weights * parts.common, weights * parts.slope
    # The sum over pairs of slope * (x - x')^2, for each feature, without a tensor of all differences.
    per_feature = 2 * (slope.sum(axis=1) @ (x * x) - ((slope @ x) * x).sum(axis=0))
    per_param = np.bincount(groups, per_feature, params) / np.exp(2 * theta[:params])
    own = [
        curve.sum(),
        (curve * parts.distance).sum() / s,
        common.sum(),
        (common * 2 * parts.distance**2).sum() / m**2,
        noise * np.trace(weights),
    ]
    return np.concatenate([per_param, own])
