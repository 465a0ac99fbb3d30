"""Statistics of a confirmation, against numbers calculated by hand and by SciPy."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ttest_rel

from results.stats import confirmation, estimate, probability_best


def table(scores):
    """A table of configurations with test scores `scores[config]`, one per seed; None if it diverged."""
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


def test_an_estimate_has_students_interval():
    """Of 1 to 5: mean 3, deviation sqrt(2.5), and t(4) = 2.776445 at 97.5 %."""
    result = estimate([1, 2, 3, 4, 5])
    assert (result.mean, result.n) == (3, 5)
    assert result.sd == pytest.approx(1.5811388)
    assert (result.low, result.high) == pytest.approx((3 - 1.9632432, 3 + 1.9632432))


def test_equal_values_have_no_spread():
    """Nor have values that differ by rounding only: 1e-17 would be printed with all its zeros."""
    for values in ([0.1, 0.1, 0.1], [0.97 - 0.94, 0.98 - 0.95, 0.96 - 0.93]):
        result = estimate(values)
        assert (result.sd, result.low, result.high) == (0, result.mean, result.mean)


def test_the_lead_is_paired_by_seed():
    """The leads are 0.01, 0.02, 0.01: mean 0.0133333, deviation 0.0057735, t(2) = 4.302653."""
    result = confirmation(
        table({"trial 3": [0.89, 0.90, 0.93], "trial 7": [0.90, 0.92, 0.94], "default": [0.5, 0.6, 0.55]}),
        "max",
        {3: 0.91, 7: 0.95},
    )
    assert (result.winner, result.runner_up, result.seeds) == ("trial 7", "trial 3", 3)
    assert [config.config for config in result.configs] == ["trial 7", "trial 3", "default"]
    assert result.lead.mean == pytest.approx(0.0133333, abs=1e-6)
    assert (result.lead.low, result.lead.high) == pytest.approx((-0.0010088, 0.0276755), abs=1e-6)
    assert not result.told_apart
    theirs = ttest_rel([0.90, 0.92, 0.94], [0.5, 0.6, 0.55]).confidence_interval()
    ours = result.lead_over_default
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_with_more_seeds_the_winner_is_told_apart():
    """The leads are 0.01 three times and 0.02 twice: 0.014 +- 2.776445 * 0.0054772 / sqrt(5)."""
    worse = [0.80, 0.90, 0.85, 0.95, 0.70]
    better = [score + lead for score, lead in zip(worse, [0.01, 0.02, 0.01, 0.02, 0.01], strict=True)]
    result = confirmation(table({"trial 1": better, "trial 2": worse}), "max", {})
    assert (result.lead.low, result.lead.high) == pytest.approx((0.0071991, 0.0208009), abs=1e-6)
    assert result.told_apart
    assert result.lead_over_default is None


def test_lower_is_better_in_mode_min():
    scores = {"trial 1": [0.2, 0.3, 0.4], "trial 2": [0.25, 0.31, 0.42]}
    searched = {1: 0.1, 2: 0.5}
    low = confirmation(table(scores), "min", searched)
    mirrored = {config: [-score for score in tests] for config, tests in scores.items()}
    high = confirmation(table(mirrored), "max", {trial: -value for trial, value in searched.items()})
    for result in (low, high):
        assert result.winner == "trial 1"
        assert result.lead.mean == pytest.approx(0.08 / 3)
        assert [config.gap for config in result.configs] == pytest.approx([0.3 - 0.1, 0.98 / 3 - 0.5])
    chances = [[config.probability_best for config in result.configs] for result in (low, high)]
    assert chances[0] == chances[1]


def test_the_probability_is_that_of_students_t():
    """Leads of 1 and -0.5: mean 0.25, standard error 0.75; t(1) at 1/3 is 0.5 + atan(1/3) / pi = 0.602."""
    result = probability_best({"a": {1: 1.0, 2: 0.5}, "b": {1: 0.0, 2: 1.0}}, sign=-1)
    assert result["a"] == pytest.approx(0.602, abs=0.01)
    assert sum(result.values()) == pytest.approx(1)
    assert result == probability_best({"a": {1: 1.0, 2: 0.5}, "b": {1: 0.0, 2: 1.0}}, sign=-1)
    equal = probability_best({"a": {1: 1.0, 2: 2.0}, "b": {1: 1.0, 2: 2.0}}, sign=1)
    assert equal == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_best_with_certainty_is_told_apart(seeds):
    """Probability and verdict are of one model: the bound between them is 97.5 % for two configurations."""
    rng, certain = np.random.default_rng(seeds), []
    for effect in np.linspace(0, 4, 40):
        scores = {"trial 1": rng.normal(effect, 0.3, seeds), "default": rng.normal(0, 0.3, seeds)}
        result = confirmation(table(scores), "max", {})
        best = result.configs[0].probability_best
        if abs(best - 0.975) > 0.004:  # the error of the draws
            assert result.told_apart == (best > 0.975)
        certain.append(result.told_apart)
    assert len(set(certain)) == 2


def test_a_winner_on_both_of_two_seeds_is_not_certain():
    """Leads of 0.1 and 0.01: t(1) at 0.055 / 0.045 is 0.78. The bootstrap would say 100 %."""
    result = confirmation(table({"trial 1": [0.9, 0.93], "trial 2": [0.8, 0.92]}), "max", {})
    assert not result.told_apart
    assert result.configs[0].probability_best == pytest.approx(0.78, abs=0.02)


def test_intervals_have_their_nominal_coverage():
    rng = np.random.default_rng(1)
    covered = [e.low <= 2 <= e.high for e in map(estimate, rng.normal(2, 3, size=(2000, 5)).tolist())]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_one_seed_has_no_interval():
    result = confirmation(table({"trial 1": [0.9], "default": [0.8]}), "max", {1: 0.95})
    assert result.winner == "trial 1"
    assert (result.lead.mean, result.lead.low, result.lead.sd) == (pytest.approx(0.1), None, None)
    assert not result.told_apart
    assert result.configs[0].probability_best is None
    assert result.configs[0].gap == pytest.approx(0.05)


def test_the_default_may_win():
    result = confirmation(table({"trial 1": [0.8, 0.8], "default": [0.9, 0.91]}), "max", {1: 0.95})
    assert (result.winner, result.runner_up, result.lead_over_default) == ("default", "trial 1", None)
    assert result.configs[0].gap is None  # it has no value in the search


def test_a_configuration_that_diverged_on_a_seed_cannot_win():
    result = confirmation(table({"trial 1": [0.99, None], "trial 2": [0.8, 0.81]}), "max", {1: 0.95})
    assert (result.winner, result.runner_up, result.lead) == ("trial 2", None, None)
    last = result.configs[-1]
    assert (last.config, last.test, last.probability_best, last.gap) == ("trial 1", None, None, None)
    assert last.errors == ("seed 101: diverged in epoch 2",)
    assert confirmation(table({"trial 1": [None]}), "max", {}).winner is None


def test_configurations_are_compared_on_their_common_seeds():
    result = confirmation(table({"trial 1": [0.5, 0.6, 0.1], "trial 2": [0.4, 0.5]}), "max", {})
    assert result.seeds == 2
    assert result.configs[0].test.mean == pytest.approx(0.55)
    nothing = confirmation(table({"trial 1": [0.5]}).slice(0, 0), "max", {})
    assert (nothing.winner, nothing.configs, nothing.seeds) == (None, (), 0)


def test_a_configuration_that_breaks_the_constraints_on_average_comes_last():
    rows = table({"trial 1": [0.3, 0.4], "trial 2": [0.1, 0.2], "default": [0.2, 0.3]}).to_pylist()
    for row in rows:
        row["violation"] = 0.5 if row["config"] == "trial 2" and row["seed"] == 100 else 0.0
        row["metric/size"] = float(row["seed"])
    result = confirmation(pa.Table.from_pylist(rows), "min", {1: 0.3, 2: 0.1})
    assert [config.config for config in result.configs] == ["default", "trial 1", "trial 2"]
    assert (result.winner, result.runner_up) == ("default", "trial 1")
    assert result.configs[2].violation == 0.25
    assert result.configs[2].probability_best is None
    assert result.configs[0].metrics == {"size": 100.5}
