"""Intervals over seeds and test samples, against numbers calculated by hand and by simulation."""

import numpy as np
import pyarrow as pa
import pytest

from results.crossed import crossed, mean_squares
from results.damage import DamagedFile
from results.new_data import NO_MEAN, NOT_KEPT, OTHER_UNITS, new_data
from results.sample_scores import sample_scores
from results.stats import confirmation, estimate
from results.test_samples import FILE, read_test_samples, write_test_samples
from results.text import on_new_data


def test_the_mean_squares_are_those_of_a_two_way_table():
    """Rows (1, 2, 6) and (3, 4, 8): means 3 and 5, columns 2, 3 and 7, and no rest."""
    squares = mean_squares(np.array([[1.0, 2, 6], [3, 4, 8]]))
    assert (squares.seeds, squares.samples, squares.rest) == pytest.approx((6, 14, 0))
    squares = mean_squares(np.array([[1.0, 0], [0, 1]]))
    assert (squares.seeds, squares.samples, squares.rest) == pytest.approx((0, 0, 1))


def test_half_widths_are_added_as_squares():
    """t(1) = 12.7062 and t(2) = 4.302653; variances of the mean are 6 / 6 and 14 / 6."""
    values = np.array([[1.0, 2, 6], [3, 4, 8]])
    made, alone = crossed(values), estimate([3, 5])
    half = (12.7062**2 * 6 / 6 + 4.302653**2 * 14 / 6) ** 0.5
    assert (made.mean, made.low, made.high) == pytest.approx((4, 4 - half, 4 + half), abs=1e-3)
    assert made.low < alone.low < alone.high < made.high
    for few in (values[:1], values[:, :1]):
        assert crossed(few).low is None


@pytest.mark.parametrize("of_seeds", [0.0, 0.1])
def test_the_interval_covers_the_expectation(of_seeds):
    rng, covered, alone = np.random.default_rng(2), [], []
    for _ in range(400):
        values = rng.normal(0, of_seeds, (5, 1)) + rng.normal(0, 1, (1, 100)) + rng.normal(0, 0.5, (5, 100))
        made, seeds = crossed(values), estimate(values.mean(axis=1).tolist())
        covered.append(made.low <= 0 <= made.high)
        alone.append(seeds.low <= 0 <= seeds.high)
    assert np.mean(covered) > 0.93 > np.mean(alone)


def scores_of(values, sizes=None, unit="sample"):
    values = np.array(values, float)
    sizes = np.ones(len(values), np.int64) if sizes is None else np.array(sizes)
    return sample_scores(unit, sizes, values, float(np.average(values, weights=sizes)))


def test_the_way_to_combine_is_found():
    sizes, values = np.array([2, 2, 1]), np.array([1.0, 2.0, 4.0])
    mean = sample_scores("batch", sizes, values, 2.0)
    root = sample_scores("batch", sizes, values, 26**0.5 / 5**0.5)
    assert (mean.combined, root.combined) == ("mean", "root")
    assert mean.linearized().mean() == pytest.approx(2)
    assert root.linearized().mean() == pytest.approx(5.2**0.5)
    assert sample_scores("batch", sizes, values, 3.9) is None  # as an area under a curve
    assert sample_scores("batch", sizes, np.array([1, np.nan, 2]), 1.5) is None
    assert sample_scores("batch", sizes[:1], values[:1], 1.0) is None


def test_the_deviation_of_a_root_is_that_of_new_samples():
    """The delta method gives the deviation of a root mean square over draws of its samples."""
    rng = np.random.default_rng(0)
    draws = np.abs(rng.normal(1, 1, (2000, 200)))
    roots = (draws**2).mean(axis=1) ** 0.5
    sizes = np.ones(200, np.int64)
    found = [sample_scores("sample", sizes, *both).linearized() for both in zip(draws, roots, strict=True)]
    assert np.std(found, axis=1).mean() / 200**0.5 == pytest.approx(roots.std(), rel=0.05)


def confirmed(tests):
    rows = [
        {"config": config, "trial": None, "seed": seed, "val": test, "test": test, "error": None}
        for config, of_seeds in tests.items()
        for seed, test in enumerate(of_seeds)
    ]
    return confirmation(pa.Table.from_pylist(rows), "max", {})


def test_the_lead_is_paired_by_sample():
    """Hard and easy samples are so for both, so the lead is certain though the scores are not."""
    rng, samples, tests = np.random.default_rng(0), {}, {}
    easy = rng.normal(0.5, 0.3, 50)
    for config, ahead in (("trial 1", 0.1), ("default", 0.0)):
        of = [scores_of(easy + ahead + rng.normal(0, 0.01, 50)) for _ in range(3)]
        samples |= {(config, seed): one for seed, one in enumerate(of)}
        tests[config] = [one.linearized().mean() for one in of]
    result = confirmed(tests)
    new = new_data(result, range(3), samples)
    assert (new.unit, new.units, new.missing) == ("sample", 50, "")
    assert new.lead == new.lead_over_default and new.lead.mean == pytest.approx(result.lead.mean)
    assert new.lead.high - new.lead.low < 0.1 < new.scores["trial 1"].high - new.scores["trial 1"].low
    sentence = on_new_data(result, new)
    assert "seeds and 50 test samples" in sentence and "told apart" not in sentence
    other = samples | {("default", seed): scores_of([0.5, 0.4], [30, 20], "batch") for seed in range(3)}
    assert new_data(result, range(3), other).missing == OTHER_UNITS
    assert new_data(result, range(3), {}).missing == NOT_KEPT
    no_mean = {key: one for key, one in samples.items() if key[0] == "default"}
    assert on_new_data(result, new_data(result, range(3), no_mean)).endswith(f"{NO_MEAN}.")
    assert new_data(result, [0], samples) is None


@pytest.mark.parametrize(("units", "warns"), [(2, True), (8, True), (9, False)])
def test_few_test_batches_are_warned_of_also_where_they_do_not_look_skewed(units, warns):
    scores = np.linspace(0.4, 0.6, units)
    rows = {("trial 1", seed): scores_of(scores + 0.01 * seed, [30] * units, "batch") for seed in range(3)}
    result = confirmed({"trial 1": [0.5, 0.51, 0.52]})
    sentence = on_new_data(result, new_data(result, range(3), rows))
    assert f"Over seeds and {units} test batches" in sentence
    assert ("With 8 of them or fewer such an interval is too narrow" in sentence) == warns


def test_the_table_is_read_as_it_was_written(tmp_path):
    written = {
        ("trial 1", 2**62): scores_of([0.1, 0.2, 0.4]),
        ("default", 3): scores_of([1, 2], [5, 2], "batch"),
    }
    write_test_samples(tmp_path, written)
    read = read_test_samples(tmp_path)
    assert list(read) == list(written)
    for key, one in written.items():
        assert (read[key].unit, read[key].combined) == (one.unit, one.combined)
        assert read[key].scores.dtype == np.float32
        assert (read[key].scores == one.scores).all() and (read[key].sizes == one.sizes).all()
    write_test_samples(tmp_path, {})
    assert read_test_samples(tmp_path) == {} == read_test_samples(tmp_path / "none")
    path = tmp_path / "results" / FILE
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match="remove it; the intervals are then those over the seeds alone"):
        read_test_samples(tmp_path)
