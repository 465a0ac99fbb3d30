"""How much each parameter matters for the value at the last rung, by the model of all rungs.

Sobol' total-effect indices over the whole space. The index of a parameter is the share of the variance that
is left if all other parameters are known: Jansen's estimator, as in Saltelli et al., "Variance based
sensitivity analysis of model output", Computer Physics Communications 181, 2010, table 2 (f). They are those
of functions drawn from the posterior, whose spread says how much the results leave open: Le Gratiet,
Cannamela & Iooss, "A Bayesian Approach for Global Sensitivity Analysis of (Multifidelity) Computer Codes",
SIAM/ASA Journal on Uncertainty Quantification 2, 2014.
"""

from collections.abc import Sequence

import numpy as np

from search.core.model.candidates import sobol
from search.core.model.encoding import Array, Encoding, Indices
from search.core.model.gaussian_process import BOUND, Posterior, fit, negative_log_posterior
from search.core.model.kernel import prior
from search.core.model.results import Rows
from search.core.model.surrogate import ITERATIONS
from spaces.params import Choice, Param
from spaces.seeds import derive_seed

BASE = 64  # points of each of the two samples of the space; a power of 2
MANY = 12  # parameters from which on there are half as many points, which bounds the time
FUNCTIONS = 4  # that are drawn for each vector of hyperparameters
FOLDS = 5  # of the cross-validation
STEP = 1e-3  # of the numerical second derivative, in standard deviations of the prior


def total_effects(encoding: Encoding, thetas: Array, rows: Rows, seed: int) -> Array:
    """The index of each parameter of the space, (functions, parameters); that of a fixed one is 0.

    `thetas` are vectors of hyperparameters, (vectors, hyperparameters). The indices are those of the ranks of
    the values, so that no outlier dominates.
    """
    from scipy.stats import rankdata, sobol_indices  # here, because it takes long

    params = list(encoding.space.params.values())
    searched = [position for position, param in enumerate(params) if is_searched(param)]
    count, size = len(searched), BASE if len(params) <= MANY else BASE // 2
    points = np.full((size * (count + 2), len(params)), 0.5)
    points[:, searched] = mixed_samples(count, size, seed)
    features, found = encoding.features(points), []
    for number, theta in enumerate(thetas):
        own = derive_seed(seed, number)
        process = Posterior(theta, encoding.groups, rows)
        values = process.draw(features, np.ones(len(features)), FUNCTIONS, own)
        ranks = rankdata(values, axis=0).T  # (functions, points)
        parts = {"f_A": ranks[:, :size], "f_B": ranks[:, size : 2 * size]}
        parts["f_AB"] = ranks[:, 2 * size :].reshape(FUNCTIONS, count, size).transpose(1, 0, 2)
        effects = np.zeros((FUNCTIONS, len(params)))
        effects[:, searched] = sobol_indices(func=parts, n=size).total_order
        found.append(effects)
    return np.concatenate(found)


def is_searched(param: Param) -> bool:
    """Whether a parameter has several values."""
    return len(param.options) > 1 if isinstance(param, Choice) else param.low < param.high


def mixed_samples(count: int, size: int, seed: int) -> Array:
    """Two samples of `size` points, then the first with each column in turn from the second one:
    (size * (count + 2), count)."""
    both = sobol(2 * count, size, seed)
    first, second = both[:, :count], both[:, count:]
    mixed = [np.where(np.arange(count) == column, second, first) for column in range(count)]
    return np.vstack([first, second, *mixed])


def hyperparameter_draws(theta: Array, groups: Indices, rows: Rows, count: int, seed: int) -> Array:
    """Vectors of hyperparameters near `theta`, their most probable one, (count, hyperparameters).

    From Laplace's approximation of their density (Rasmussen & Williams, 2006, section 3.4), which is nowhere
    wider than the prior.
    """
    own = prior(int(groups.max()) + 1)
    curvature = []
    for step in np.diag(STEP * own.spread):
        up, down = (negative_log_posterior(theta + sign * step, groups, rows)[1] for sign in (1, -1))
        curvature.append((up - down) * own.spread / (2 * STEP))
    values, vectors = np.linalg.eigh((np.array(curvature) + np.array(curvature).T) / 2)
    normal = np.random.default_rng(seed).standard_normal((count, len(theta)))
    steps = normal / np.sqrt(np.maximum(values, 1.0)) @ vectors.T
    limit = BOUND * own.spread
    return np.clip(theta + own.spread * steps, own.mean - limit, own.mean + limit)


def skill(groups: Indices, rows: Rows, trials: Sequence[int], rungs: Sequence[int], seed: int) -> float:
    """How well a model predicts trials that it has not seen: Spearman's correlation of predicted and true
    values at the first rung, where no trial has been selected yet. 0 if either are all equal.

    By cross-validation: the trials are divided into FOLDS parts, and each part is predicted by a model of all
    results of the others. `trials` and `rungs` have the trial and the index of the rung of each row.
    """
    from scipy.stats import spearmanr  # here, because it takes long

    trial, first = np.array(trials), np.array(rungs) == 0
    numbers = np.random.default_rng(seed).permutation(np.unique(trial))
    predicted = np.empty(len(trial))
    for left_out in np.array_split(numbers, FOLDS):
        part = np.isin(trial, left_out)
        known = Rows(rows.features[~part], rows.fidelity[~part], rows.values[~part], rows.scale)
        posterior = Posterior(fit(groups, known, ITERATIONS), groups, known)
        predicted[part], _, _ = posterior.predict(rows.features[part], rows.fidelity[part])
    if not (np.ptp(predicted[first]) and np.ptp(rows.values[first])):
        return 0.0
    return float(spearmanr(predicted[first], rows.values[first]).statistic)
