"""The statistics of a confirmation against numbers worked out by hand, and against SciPy's."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ttest_rel

from results.stats import confirmation, estimate, probability_best


def table(scores):
    """Rows of configurations whose tests are `scores[config]`, a value a seed; None where it diverged."""
    rows = [
        {
            "config": config,
            "trial": None if config == "default" else int(config.split()[1]),
            "seed": 100 + seed,
            "val": None if test is None else test + 0.001,
            "test": test,
            "error": "diverged in epoch 2" if test is None else None,
        }
        for config, tests in scores.items()
        for seed, test in enumerate(tests)
    ]
    return pa.Table.from_pylist(rows)


def test_an_estimate_is_students():
    """Of 1 to 5: mean 3, deviation sqrt(2.5), and t(4) = 2.776445 at 97.5 %."""
    found = estimate([1, 2, 3, 4, 5])
    assert (found.mean, found.n) == (3, 5)
    assert found.sd == pytest.approx(1.5811388)
    assert (found.low, found.high) == pytest.approx((3 - 1.9632432, 3 + 1.9632432))


def test_equal_values_have_no_spread():
    """Nor have those that differ by rounding alone: a spread of 1e-17 would be written with all its zeros."""
    for values in ([0.1, 0.1, 0.1], [0.97 - 0.94, 0.98 - 0.95, 0.96 - 0.93]):
        found = estimate(values)
        assert (found.sd, found.low, found.high) == (0, found.mean, found.mean)


def test_the_lead_is_paired_by_seed():
    """The leads are 0.01, 0.02, 0.01: mean 0.0133333, deviation 0.0057735, t(2) = 4.302653."""
    said = confirmation(
        table({"trial 3": [0.89, 0.90, 0.93], "trial 7": [0.90, 0.92, 0.94], "default": [0.5, 0.6, 0.55]}),
        "max",
        {3: 0.91, 7: 0.95},
    )
    assert (said.winner, said.runner_up, said.seeds) == ("trial 7", "trial 3", 3)
    assert [config.config for config in said.configs] == ["trial 7", "trial 3", "default"]
    assert said.lead.mean == pytest.approx(0.0133333, abs=1e-6)
    assert (said.lead.low, said.lead.high) == pytest.approx((-0.0010088, 0.0276755), abs=1e-6)
    assert not said.told_apart
    theirs = ttest_rel([0.90, 0.92, 0.94], [0.5, 0.6, 0.55]).confidence_interval()
    ours = said.lead_over_default
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_more_seeds_tell_apart():
    """The leads are 0.01 thrice and 0.02 twice: 0.014 +- 2.776445 * 0.0054772 / sqrt(5)."""
    worse = [0.80, 0.90, 0.85, 0.95, 0.70]
    better = [score + lead for score, lead in zip(worse, [0.01, 0.02, 0.01, 0.02, 0.01], strict=True)]
    said = confirmation(table({"trial 1": better, "trial 2": worse}), "max", {})
    assert (said.lead.low, said.lead.high) == pytest.approx((0.0071991, 0.0208009), abs=1e-6)
    assert said.told_apart
    assert said.lead_over_default is None


def test_less_is_better_where_the_mode_says_so():
    scores = {"trial 1": [0.2, 0.3, 0.4], "trial 2": [0.25, 0.31, 0.42]}
    searched = {1: 0.1, 2: 0.5}
    low = confirmation(table(scores), "min", searched)
    mirrored = {config: [-score for score in tests] for config, tests in scores.items()}
    high = confirmation(table(mirrored), "max", {trial: -value for trial, value in searched.items()})
    for said in (low, high):
        assert said.winner == "trial 1"
        assert said.lead.mean == pytest.approx(0.08 / 3)
        assert [config.gap for config in said.configs] == pytest.approx([0.3 - 0.1, 0.98 / 3 - 0.5])
    chances = [[config.probability_best for config in said.configs] for said in (low, high)]
    assert chances[0] == chances[1]


def test_the_probability_is_that_of_the_bootstrap():
    """Leads of 1 and -0.5: of the four draws of two seeds only (2, 2) has the second in front."""
    found = probability_best({"a": {1: 1.0, 2: 0.5}, "b": {1: 0.0, 2: 1.0}}, sign=-1)
    assert found["a"] == pytest.approx(0.75, abs=0.015)
    assert sum(found.values()) == pytest.approx(1)
    assert found == probability_best({"a": {1: 1.0, 2: 0.5}, "b": {1: 0.0, 2: 1.0}}, sign=-1)
    equal = probability_best({"a": {1: 1.0, 2: 2.0}, "b": {1: 1.0, 2: 2.0}}, sign=1)
    assert equal == {"a": 0.5, "b": 0.5}


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = [e.low <= 2 <= e.high for e in map(estimate, rng.normal(2, 3, size=(2000, 5)).tolist())]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_one_seed_has_no_interval():
    said = confirmation(table({"trial 1": [0.9], "default": [0.8]}), "max", {1: 0.95})
    assert said.winner == "trial 1"
    assert (said.lead.mean, said.lead.low, said.lead.sd) == (pytest.approx(0.1), None, None)
    assert not said.told_apart
    assert said.configs[0].probability_best is None
    assert said.configs[0].gap == pytest.approx(0.05)


def test_the_default_may_win():
    said = confirmation(table({"trial 1": [0.8, 0.8], "default": [0.9, 0.91]}), "max", {1: 0.95})
    assert (said.winner, said.runner_up, said.lead_over_default) == ("default", "trial 1", None)
    assert said.configs[0].gap is None  # the search said nothing of it


def test_who_diverged_on_a_seed_can_not_win():
    said = confirmation(table({"trial 1": [0.99, None], "trial 2": [0.8, 0.81]}), "max", {1: 0.95})
    assert (said.winner, said.runner_up, said.lead) == ("trial 2", None, None)
    last = said.configs[-1]
    assert (last.config, last.test, last.probability_best, last.gap) == ("trial 1", None, None, None)
    assert last.errors == ("seed 101: diverged in epoch 2",)
    assert confirmation(table({"trial 1": [None]}), "max", {}).winner is None


def test_configurations_are_compared_on_the_seeds_that_all_have():
    said = confirmation(table({"trial 1": [0.5, 0.6, 0.1], "trial 2": [0.4, 0.5]}), "max", {})
    assert said.seeds == 2
    assert said.configs[0].test.mean == pytest.approx(0.55)
    nothing = confirmation(table({"trial 1": [0.5]}).slice(0, 0), "max", {})
    assert (nothing.winner, nothing.configs, nothing.seeds) == (None, (), 0)
