"""The comparison of a report's estimates with the truth."""

from math import inf

import numpy as np
import pytest
from scipy.stats import rankdata

from benchmarks.estimates import SIZE, fanova, measure, replay, spearman, total_effects, true_effects
from benchmarks.smooth import load_smooth
from search.after.sensitivity import mixed_samples
from tests.benchmarks.bowl import make_task


def test_the_effects_of_a_sum_are_its_shares():
    x, y, _ = mixed_samples(3, SIZE, seed=1).T
    assert total_effects(2 * x + y, 3) == pytest.approx([0.8, 0.2, 0.0], abs=0.03)


def test_a_diverged_trial_is_the_worst():
    assert spearman([1.0, inf, 2.0], [0.1, inf, 0.3]) == pytest.approx(1)


def test_a_search_is_compared_with_its_own_trials_trained_in_full():
    task = load_smooth()[0]
    search = replay(task, "random", trials=45, seed=0)
    assert search.losses.shape == (45, task.epochs) and len(search.trials) == 45
    for row in search.rungs:
        assert row["value"] == search.losses[row["trial"], row["epochs"] - 1]
    effects, share = true_effects(task)
    assert share == 1 and effects.argmax() == 0
    shares = fanova(search, task.space)
    assert sum(shares) == pytest.approx(1) and spearman(shares, effects) > 0
    ranks, found = measure(task, [search])
    assert ranks[0] == found[0] == task.name
    assert float(ranks[1]) > 0.8 and float(ranks[2]) < float(ranks[3])
    assert found[1] == "1.00" and found[-1] == "0 of 1" and float(found[2]) > 0


def test_the_truth_of_a_table_is_that_of_a_forest():
    task = make_task(seed=0)
    effects, share = true_effects(task)
    assert len(effects) == len(task.space.params) and share < 1
    assert np.isfinite(effects).all() and len(rankdata(task.table.losses)) > len(effects)
