"""The Gaussian process against its definition, and the results that it is given."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.distance import pdist
from scipy.stats import norm

from search.core.history import History, Observation, Result
from search.core.model.acquisition import improvement_over_last, log_expected_improvement, make_pool, spread
from search.core.model.gaussian_process import JITTER, Posterior, fit, negative_log_posterior
from search.core.model.kernel import covariance, prior, variance
from search.core.model.results import MAX_ROWS, Rows, Scale, fidelities, first_trials, thin
from search.core.model.surrogate import Modeller
from tests.history import RUNGS, SPACE, history

GROUPS = np.array([0, 1, 2, 2, 3])


def some_rows(count=30, seed=0):
    rng = np.random.default_rng(seed)
    features, fidelity = rng.random((count, 5)), rng.choice([0.3, 0.6, 1.0], count)
    values = rng.standard_normal(count)
    return Rows(features, fidelity, values, Scale.of(values, values))


def scaled(values):
    return Scale.of(values, values).to(values)


def test_the_gradient_is_that_of_the_value():
    rows, own = some_rows(), prior(4)
    theta = own.mean + 0.3 * np.random.default_rng(0).standard_normal(len(own.mean))
    _, slope = negative_log_posterior(theta, GROUPS, rows)
    for position, step in enumerate(1e-5 * np.eye(len(theta))):
        up, _ = negative_log_posterior(theta + step, GROUPS, rows)
        down, _ = negative_log_posterior(theta - step, GROUPS, rows)
        assert (up - down) / 2e-5 == pytest.approx(slope[position], rel=1e-4, abs=1e-4)


def test_a_prediction_is_that_of_the_formula():
    """Rasmussen & Williams, equations 2.23 and 2.24, without a factorization."""
    rows, theta = some_rows(), prior(4).mean
    process = Posterior(theta, GROUPS, rows)
    x, z = np.random.default_rng(1).random((7, 5)), np.ones(7)
    own = covariance(theta, GROUPS, rows.features, rows.fidelity, rows.features, rows.fidelity).total
    inverse = np.linalg.inv(own + (np.exp(theta[-1]) + JITTER) * np.eye(30))
    cross = covariance(theta, GROUPS, x, z, rows.features, rows.fidelity).total
    mean, var, half = process.predict(x, z)
    assert mean == pytest.approx(cross @ inverse @ rows.values)
    full = covariance(theta, GROUPS, x, z, x, z).total - cross @ inverse @ cross.T
    assert var == pytest.approx(np.diag(full))
    assert variance(theta) - (half * half).sum(axis=0) == pytest.approx(var)
    expected = covariance(theta, GROUPS, x, z, x, z).total - half.T @ half
    assert expected == pytest.approx(full)


def test_a_value_is_foretold_where_it_was_seen_and_unknown_far_away():
    rows = replace(some_rows(), values=np.sin(5 * some_rows().features[:, 0]))
    process = Posterior(fit(GROUPS, rows, 40), GROUPS, rows)
    mean, var, _ = process.predict(rows.features, rows.fidelity)
    assert np.abs(mean - rows.values).max() < 0.2
    _, far, _ = process.predict(rows.features + 50, rows.fidelity)
    assert far.min() > 3 * var.max()


def test_means_as_observations_change_no_mean_and_shrink_the_variance():
    process = Posterior(prior(4).mean, GROUPS, some_rows())
    x = np.random.default_rng(2).random((9, 5))
    before, wide, _ = process.predict(x, np.ones(9))
    after, narrow, _ = process.with_means(x[:3], np.ones(3)).predict(x, np.ones(9))
    assert after == pytest.approx(before, abs=1e-6)
    assert (narrow <= wide + 1e-9).all()
    assert (narrow[:3] < 0.1 * wide[:3]).all()


@pytest.mark.parametrize(
    ("mean", "deviation", "best"), [(0.0, 1.0, 0.5), (0.0, 1.0, -0.9), (0.0, 1.0, -1.1), (2.0, 0.5, -1.0)]
)
def test_expected_improvement_is_the_integral(mean, deviation, best):
    expected, _ = quad(lambda f: (best - f) * norm.pdf(f, mean, deviation), mean - 30 * deviation, best)
    value = log_expected_improvement(np.array([mean]), np.array([deviation**2]), best)
    assert value[0] == pytest.approx(np.log(expected), rel=1e-6)


def test_a_hopeless_improvement_is_still_finite_and_ordered():
    values = log_expected_improvement(np.array([1e2, 1e3, 1e5, 1e6]), np.ones(4), 0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def test_the_improvement_is_that_of_correlated_values():
    """By draws of the value at each point together with that at the last one."""
    process = Posterior(prior(4).mean, GROUPS, some_rows())
    x = np.random.default_rng(3).random((6, 5))
    x[0] = x[-1] + 0.01
    mean, var, half = process.predict(x, np.ones(6))
    joint = covariance(process.theta, GROUPS, x, np.ones(6), x, np.ones(6)).total - half.T @ half
    drawn = np.random.default_rng(4).multivariate_normal(mean, joint, 400_000, method="cholesky")
    expected = np.maximum(drawn[:, [-1]] - drawn, 0).mean(axis=0)
    found = np.exp(improvement_over_last(process, x, mean, var, half))
    assert found[:-1] == pytest.approx(expected[:-1], rel=0.03)
    assert found[0] < 0.1 * np.exp(log_expected_improvement(mean, var, mean[-1]))[0]


def test_results_come_in_the_order_of_their_finishes():
    trials = [
        Observation({"x": 0.0}, (3.0, 1.0), order=(0, 3)),
        Observation({"x": 0.1}, (inf,), order=(1,)),
        Observation({"x": 0.2}, (2.0,), order=(2,)),
        Observation({"x": 0.3}, busy=True),
        Observation({"x": 0.4}, failed=True),
    ]
    seen = History(trials, earlier=[Observation({"x": 0.5}, (5.0,))])
    assert [(*result, seen.value(result)) for result in seen.log] == [
        (0, 0, 5.0),
        (1, 0, 3.0),
        (2, 0, inf),
        (3, 0, 2.0),
        (1, 1, 1.0),
    ]


def test_thinned_results_keep_the_best_of_each_rung_and_all_of_few():
    rng = np.random.default_rng(0)
    values = rng.random(1000).tolist()
    trials = [
        Observation({}, (value,) * (1 + (number < 330)), order=(number, 1000 + number))
        for number, value in enumerate(values)
    ]
    many = History(trials)
    few = thin(many, seed=0)
    assert len(few) == MAX_ROWS
    assert few == [result for result in many.log if result in set(few)]
    for rung in (0, 1):
        assert min((one for one in many.log if one.rung == rung), key=many.value) in few
    one_rung = History(trials[400 : 400 + MAX_ROWS])
    assert thin(one_rung, seed=0) == one_rung.log
    again = thin(History([*trials, Observation({}, (0.5,), order=(2000,))]), seed=0)
    assert len(set(few) - set(again)) <= 2


def test_thinned_results_are_the_better_ones_and_those_with_the_first_priorities():
    rng = np.random.default_rng(1)
    lengths = rng.choice([1, 2, 3], 700, p=[0.7, 0.2, 0.1]).tolist()
    many = History(Observation({}, tuple(rng.random(length).tolist())) for length in lengths)
    priority = np.random.default_rng(5).random(len(many))
    kept: list[Result] = []
    for rung in (2, 1, 0):
        left = MAX_ROWS - len(kept)
        quota = left - left // 2 if rung else left
        ranked = sorted((one for one in many.log if one.rung == rung), key=many.value)
        good, rest = ranked[: quota // 2], ranked[quota // 2 :]
        kept += good + sorted(rest, key=lambda one: float(priority[one.trial]))[: quota - len(good)]
    assert thin(many, seed=5) == [result for result in many.log if result in kept]


def test_draws_have_the_mean_and_the_variance_of_the_posterior():
    surrogate = Modeller(SPACE, RUNGS, 0).surrogate(history(30, rungs=3))
    points = np.random.default_rng(0).random((5, surrogate.posterior.rows.features.shape[1]))
    mean, variance, _ = surrogate.posterior.predict(points, np.ones(5))
    drawn = surrogate.posterior.draw(points, np.ones(5), 128, 0)
    assert np.abs(drawn.mean(axis=1) - mean).max() < 5 * np.sqrt(variance.max() / drawn.shape[1])
    assert drawn.var(axis=1) == pytest.approx(variance, rel=0.6, abs=1e-4)


def test_scaled_values_keep_their_order_and_have_no_outliers():
    values = np.array([*np.linspace(0, 1, 80), *np.geomspace(2, 1e30, 10), *[inf] * 10])
    warped = scaled(values)
    assert (np.diff(warped) >= 0).all()
    assert (warped.mean(), warped.std()) == pytest.approx((0, 1))
    assert warped.max() < 3
    assert Scale.of(values, values).back(warped)[:80] == pytest.approx(values[:80])
    assert (scaled(np.full(5, inf)) == 0).all()
    assert scaled(np.full(5, 2.0)) == pytest.approx(np.zeros(5))
    tied = scaled(np.array([0.1, *[0.5] * 18, 0.9]))  # the better tenth is the median
    assert tied[0] < tied[1] == tied[18] <= tied[19] < tied[1] + 1


def test_the_scale_does_not_follow_the_search_into_a_good_region():
    first = history(first_trials(SPACE))
    close = [Observation({**SPACE.default(), "x": 0.3 + x}, (x * x,)) for x in np.linspace(0, 0.05, 40)]
    before, after = (scale_of(trials) for trials in (first, [*first, *close]))
    assert (after.median, after.unit, after.top) == (before.median, before.unit, before.top)


def test_the_scale_is_that_of_all_trials_if_the_first_have_diverged():
    first = [replace(one, values=(inf,)) for one in history(first_trials(SPACE))]
    scale = scale_of([*first, *history(20, seed=1)])
    assert (np.diff(scale.to(np.array([0.0, 0.1, 0.2]))) > 0.5).all()


def scale_of(trials):
    return Modeller(SPACE, RUNGS, 0).surrogate(trials).posterior.rows.scale


def test_fidelity_is_the_logarithm_of_the_epochs():
    assert fidelities((1, 3, 9)) == pytest.approx([0, 0.5, 1])
    assert fidelities((1,)) == [1.0]


def test_chosen_points_lie_apart():
    surrogate = Modeller(SPACE, RUNGS, 0).surrogate(history(30))
    pool = make_pool(surrogate, 8)
    assert pool.points[pool.improvement.argmax()] == pytest.approx(spread(surrogate, pool, 8)[0])
    chosen = spread(surrogate, pool, 8)
    best = pool.points[np.argsort(-pool.improvement)[:8]]
    assert least_distance(chosen) > 1.2 * least_distance(best)
    assert len(np.unique(chosen, axis=0)) == 8


def least_distance(points):
    return pdist(points).min()


def test_hyperparameters_follow_from_the_history_alone():
    """A modeller that has seen a search grow has the same ones as a new one."""
    trials = history(40)
    old = Modeller(SPACE, RUNGS, 0)
    for count in range(8, 41):
        seen = old.surrogate(trials[:count])
    fresh = Modeller(SPACE, RUNGS, 0).surrogate(trials)
    assert seen.posterior.theta.tolist() == fresh.posterior.theta.tolist()
    assert seen.incumbent == fresh.incumbent
    assert seen.centres.tolist() == fresh.centres.tolist()
