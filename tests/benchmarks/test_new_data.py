"""The simulation of confirmations whose expectation is known."""

import numpy as np
import pytest

from benchmarks.new_data import WAYS, by_skewness, coverage, draw, scores, truth


@pytest.mark.parametrize("kind", ["normal", "lognormal", "hits"])
def test_the_expectation_is_that_of_the_draws(kind):
    rng, expected = np.random.default_rng(0), truth(kind, 5, 100, 0.5)
    means = [scores(kind, draw(5, 100, 0.5, rng)).mean() for _ in range(1500)]
    assert np.mean(means) == pytest.approx(expected, abs=4 * np.std(means) / 1500**0.5)


def test_each_way_is_counted():
    found = coverage("normal", 3, 20, 0.5, repeats=20)
    assert found.keys() == WAYS.keys() and all(0.5 < share <= 1 for share in found.values())


def test_samples_that_do_not_look_skewed_are_no_safer():
    share, skewed, others = by_skewness("lognormal", 8, repeats=300)
    assert 0.3 < share < 0.7
    assert others < skewed < 0.95
