"""What a run cost and what its rungs foretold, on numbers that can be checked by hand."""

import math

import pytest

from results.analysis import advice, cost, ladder, progress
from results.history import Finish, history
from results.report.charts import robust_range
from tests.results.made import make_run


def finishes(values):
    """`values[trial]` are a trial's objectives at the rungs 1, 3, 9, finished one after the other."""
    rungs = (1, 3, 9)
    found = [(rung, trial, value) for trial, path in values.items() for rung, value in enumerate(path)]
    return [Finish(t, rungs[r], v, float(n), 1.0) for n, (r, t, v) in enumerate(sorted(found))]


def row(state, epochs, seconds=None):
    return {"state": state, "epochs": epochs, "seconds": float(epochs if seconds is None else seconds)}


def test_saved_epochs_count_what_was_stopped_and_nothing_that_broke():
    rows = [row("complete", 9), row("stopped", 1), row("stopped", 3), row("diverged", 2), row("failed", 0, 5)]
    found = cost(rows, 9, [])
    assert (found.epochs, found.full_epochs) == (15, 29)
    assert (found.seconds, found.full_seconds) == (20.0, 34.0)
    assert found.saved == pytest.approx(14 / 29)


def test_nothing_is_saved_by_training_all():
    assert cost([row("complete", 9)] * 3, 9, []).saved == 0
    assert cost([], 9, []).saved == 0


@pytest.mark.parametrize("mode, sign", [("min", 1), ("max", -1)])
def test_best_so_far(mode, sign):
    values = {0: (5.0, 4.0), 1: (3.0, 3.5), 2: (6.0,)}
    steps = progress(finishes({t: [sign * v for v in path] for t, path in values.items()}), mode)
    assert [(s.trial, sign * s.value, s.epochs) for s in steps] == [(0, 5, 1), (1, 3, 2), (1, 3, 7)]
    assert progress([], mode) == []


@pytest.mark.parametrize("mode, sign", [("min", 1), ("max", -1)])
def test_ladder_says_how_well_a_rung_foretold_the_end(mode, sign):
    # At the first rung the order is the final one; at the second it is turned round.
    values = {t: (t, -t, t) for t in range(6)} | {9: (99,)}
    rungs = ladder(finishes({t: [sign * v for v in path] for t, path in values.items()}), mode)
    assert [(r.epochs, r.finished, r.promoted) for r in rungs] == [(1, 7, 6), (3, 6, 6), (9, 6, 0)]
    assert rungs[0].last == pytest.approx(1) and rungs[0].next == pytest.approx(-1)
    assert rungs[1].last == pytest.approx(-1)
    assert (rungs[0].last_place, rungs[1].last_place, rungs[2].last_place) == (1, 6, None)
    assert rungs[2].last is None


def test_few_trials_give_no_correlation():
    rungs = ladder(finishes({t: (t, t) for t in range(4)}), "min")
    assert rungs[0].last is None
    assert "too few" in advice(rungs, 3)
    assert "nothing is stopped" in advice(rungs[:1], 3)
    assert ladder([], "min") == []


@pytest.mark.parametrize(
    "order, said", [(range(12), "sound"), ([7, 2, 9, 0, 5, 11, 3, 8, 1, 10, 4, 6], "grace=3")]
)
def test_advice_follows_the_correlation(order, said):
    assert said in advice(ladder(finishes({t: (t, v) for t, v in enumerate(order)}), "min"), 3)


def test_an_outlier_does_not_squeeze_an_axis_but_what_must_be_seen_is():
    low, high = robust_range([*range(100), 1e9, math.nan])
    assert low < 0 and 99 < high < 110
    assert robust_range(range(100), keep=[1000.0])[1] > 1000
    assert robust_range([]) == (0.0, 1.0)
    low, high = robust_range([3.0, 3.0])
    assert low < 3 < high


def test_history_is_what_the_tables_say(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 12)
    found = history(run)
    last = {finish.trial: finish for finish in found}  # in the order of time
    for trial in run.trials.to_pylist():
        if trial["objective"] is not None:
            assert (last[trial["trial"]].value, last[trial["trial"]].epochs) == (
                trial["objective"],
                trial["epochs"],
            )
    assert [finish.at for finish in found] == sorted(finish.at for finish in found)
    assert 0 <= found[0].at <= found[-1].at < 60
