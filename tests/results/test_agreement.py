"""The agreement of rungs, corrected for the selection of survivors."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from results.agreement import MIN_TRIALS, agreements


def curves(count, seed=0):
    """Normal values at three rungs, (trials, 3): each the one before and a change of its own."""
    steps = np.random.default_rng(seed).standard_normal((count, 3)) * [1.0, 0.7, 0.5]
    return steps.cumsum(axis=1)


def survivors(table):
    """The values by rung and trial if the best third of each rung is promoted."""
    values, left = {}, np.arange(len(table))
    for rung, epochs in enumerate((3, 9, 27)):
        values[epochs] = {int(trial): float(table[trial, rung]) for trial in left}
        left = left[np.argsort(table[left, rung])[: len(left) // 3]]
    return values


def test_the_correction_finds_the_correlation_that_all_trials_would_have():
    table = curves(900)
    values = survivors(table)
    found = agreements(values)
    assert found.keys() == {3, 9}
    for rung, epochs in enumerate((3, 9)):
        own, true = found[epochs], spearmanr(table[:, rung], table[:, 2]).statistic
        top = list(values[27])
        assert spearmanr(table[top, rung], table[top, 2]).statistic < true - 0.2
        assert own.correlation == pytest.approx(true, abs=0.1)
        assert own.low < true < own.high and own.high - own.low < 0.5
        assert (own.later, own.count) == (27, 100)


def test_the_interval_is_wider_with_fewer_trials():
    few, many = (agreements(survivors(curves(count)))[3] for count in (60, 900))
    assert few.high - few.low > 1.5 * (many.high - many.low)


def test_values_count_by_their_order_alone():
    values = survivors(curves(90))
    scaled = {epochs: {t: np.exp(3 * v) for t, v in own.items()} for epochs, own in values.items()}
    assert agreements(scaled) == agreements(values)


def test_without_a_selection_it_is_the_correlation_itself():
    table = curves(300)[:, :2]
    values = {epochs: dict(enumerate(column)) for epochs, column in zip((1, 2), table.T, strict=True)}
    assert agreements(values)[1].correlation == pytest.approx(spearmanr(*table.T).statistic, abs=0.03)
    reverse = {1: values[1], 2: {trial: -value for trial, value in values[1].items()}}
    assert agreements(reverse)[1].correlation == pytest.approx(-1)


def test_the_last_rung_that_counts_has_trials_enough():
    table = curves(MIN_TRIALS * 9)
    values = survivors(table)
    assert agreements(values)[3].later == 27
    values[27].popitem()
    assert agreements(values)[3].later == 9 and agreements(values).keys() == {3}
    assert agreements({3: values[3]}) == {} and agreements({}) == {}


def test_equal_values_have_no_agreement():
    equal = dict.fromkeys(range(9), 1.0)
    assert agreements({1: equal, 3: equal}) == {}
    assert agreements({1: equal, 3: dict(enumerate(map(float, range(9))))}) == {}
