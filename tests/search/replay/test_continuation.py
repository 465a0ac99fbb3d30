"""Curves of stopped trials, continued: what stays, possible values, and the truth among the draws."""

import numpy as np
import pytest

from search.replay.continuation import Scale, Stage, continuations
from search.replay.record import Record, completed_seconds
from spaces.params import Range
from spaces.space import Objective, Space

EPOCHS = 9
STOPS = (1, 3)


def make(mode: str, trials: int = 60) -> tuple[Record, np.ndarray]:
    """A record that ASHA with eta 3 has censored, and its full curves: losses, or accuracies for `max`.

    The trials 58 and 59 diverge in the second epoch.
    """
    rng = np.random.default_rng(0)
    level, speed = rng.uniform(-3, 0, trials), rng.uniform(0.3, 0.7, trials)
    logs = level[:, None] - speed[:, None] * np.log(np.arange(1, EPOCHS + 1))
    losses = np.exp(logs + 0.1 * rng.standard_normal(logs.shape)) * 0.5
    trained = np.full(trials, EPOCHS)
    for stop in STOPS:
        going = np.flatnonzero(trained > stop)
        trained[going[np.argsort(losses[going, stop - 1])[len(going) // 3 :]]] = stop
    diverged = np.arange(trials) >= 58
    trained[diverged] = 1
    values = np.where(np.arange(EPOCHS) < trained[:, None], losses, np.nan)
    seconds = completed_seconds(np.where(np.isfinite(values), 1.0, np.nan))
    space = Space("s", "", "a:b", "a:b", Objective("f", mode), {"x": Range(0.0, 1.0)})  # type: ignore[arg-type]
    params = tuple({"x": x} for x in rng.uniform(size=trials).tolist())
    flip = (lambda v: 1 - v) if mode == "max" else (lambda v: v)
    winner = int(np.nanargmin(np.where(diverged[:, None], np.nan, values)[:, -1]))
    return Record(space, params, flip(values), seconds, trained, diverged, winner), flip(losses)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_observed_values_and_divergences_stay_and_all_else_is_filled_with_possible_values(mode):
    record, _ = make(mode)
    draws = continuations(record, 5, 0)
    known = np.isfinite(record.values)
    assert (draws[:, known] == record.values[known]).all()
    assert np.isnan(draws[:, record.diverged, 1:]).all()
    filled = draws[:, ~record.diverged]
    assert np.isfinite(filled).all() and filled.min() > 0
    assert mode == "min" or filled.max() < 1
    assert (
        draws[0, ~known & ~record.diverged[:, None]] != draws[1, ~known & ~record.diverged[:, None]]
    ).all()


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_truth_is_among_the_draws(mode):
    """The 90 % intervals hold about 90 % of the true values, and the draws are not biased."""
    record, truth = make(mode)
    stopped = (record.trained < EPOCHS) & ~record.diverged
    final, true = continuations(record, 200, 0)[:, stopped, -1], truth[stopped, -1]
    low, high = np.quantile(final, [0.05, 0.95], axis=0)
    assert 0.75 < ((low <= true) & (true <= high)).mean() <= 1
    assert 0.25 < (final < true).mean() < 0.75


def test_draws_are_the_same_each_time():
    record, _ = make("min")
    assert np.array_equal(continuations(record, 2, 7), continuations(record, 2, 7), equal_nan=True)
    assert not np.array_equal(continuations(record, 2, 7), continuations(record, 2, 8), equal_nan=True)


def test_a_stage_follows_the_slope_of_its_donors():
    """Trials that start higher fall further: at twice the distance, twice as far."""
    starts = np.linspace(-1, 1, 50)
    stage = Stage.of(np.stack([starts, 0.5 * starts], axis=1), 1, 2)
    drawn = stage.draw(np.array([2.0, 4.0]), np.random.default_rng(0))
    assert drawn[:, 0] == pytest.approx([1.0, 2.0], rel=0.2)


@pytest.mark.parametrize(
    ("values", "sign"), [([1.0, 0.2], 1), ([0.0, -3.0], 1), ([0.4, 0.9], -1), ([0.0, 3.0], -1)]
)
def test_a_scale_has_an_inverse_and_lower_is_better(values, sign):
    own = np.array(values)
    scale = Scale.of(own, sign)
    assert (np.diff(scale.to(own)) < 0).all()
    assert scale.back(scale.to(own)) == pytest.approx(own)


def test_an_accuracy_of_one_has_a_place_on_the_scale():
    scale = Scale.of(np.array([0.0, 0.9, 1.0]), -1)
    assert scale.back(scale.to(np.array([0.0, 1.0]))) == pytest.approx([0.05, 0.95])
