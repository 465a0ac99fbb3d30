"""Cost, savings and rank correlations, on numbers that can be checked by hand."""

import pytest

from results.analysis import advice, cost, progress, rung_summaries
from tests.results.made import make_run


def rung_rows(values):
    """Rows of the table of rungs: `values[trial]` are its objectives at epochs 1, 3 and 9.

    They finish one per second, all of a rung before the next one.
    """
    finished = sorted((rung, trial, value) for trial, own in values.items() for rung, value in enumerate(own))
    return [
        {
            "trial": trial,
            "rung": rung,
            "epochs": 3**rung,
            "value": value,
            "finished_at": float(second),
        }
        for second, (rung, trial, value) in enumerate(finished)
    ]


def row(state, epochs, seconds=None):
    return {"state": state, "epochs": epochs, "seconds": float(epochs if seconds is None else seconds)}


def test_saved_epochs_count_stopped_trials_but_no_failed_ones():
    rows = [row("complete", 9), row("stopped", 1), row("stopped", 3), row("diverged", 2), row("failed", 0, 5)]
    total = cost(rows, 9, [])
    assert (total.epochs, total.full_epochs) == (15, 29)
    assert (total.seconds, total.full_seconds) == (20.0, 34.0)
    assert total.saved == pytest.approx(14 / 29)


def test_nothing_is_saved_if_all_trials_are_complete():
    assert cost([row("complete", 9)] * 3, 9, []).saved == 0
    assert cost([], 9, []).saved == 0


@pytest.mark.parametrize("mode, sign", [("min", 1), ("max", -1)])
def test_best_so_far(mode, sign):
    values = {0: (5.0, 4.0), 1: (3.0, 3.5), 2: (6.0,)}
    steps = progress(rung_rows({t: [sign * v for v in own] for t, own in values.items()}), mode)
    assert [(s.trial, sign * s.value, s.epochs) for s in steps] == [(0, 5, 1), (1, 3, 2), (1, 3, 7)]
    assert progress([], mode) == []


@pytest.mark.parametrize("mode, sign", [("min", 1), ("max", -1)])
def test_summaries_have_the_rank_correlations_of_each_rung(mode, sign):
    # The first rung has the final order; the second has it reversed.
    values = {t: (t, -t, t) for t in range(6)} | {9: (99,)}
    rungs = rung_summaries(rung_rows({t: [sign * v for v in own] for t, own in values.items()}), mode)
    assert [(r.epochs, r.finished, r.promoted) for r in rungs] == [(1, 7, 6), (3, 6, 6), (9, 6, 0)]
    assert rungs[0].last_correlation == pytest.approx(1) and rungs[0].next_correlation == pytest.approx(-1)
    assert rungs[1].last_correlation == pytest.approx(-1)
    assert [rung.place_of_final_best for rung in rungs] == [1, 6, None]
    assert rungs[2].last_correlation is None


def test_few_trials_give_no_correlation():
    rungs = rung_summaries(rung_rows({t: (t, t) for t in range(4)}), "min")
    assert rungs[0].last_correlation is None
    assert "too few" in advice(rungs, 3)
    assert "nothing is stopped" in advice(rungs[:1], 3)
    assert rung_summaries([], "min") == []


@pytest.mark.parametrize(
    "order, text", [(range(12), "sound"), ([7, 2, 9, 0, 5, 11, 3, 8, 1, 10, 4, 6], "grace=3")]
)
def test_advice_follows_the_correlation(order, text):
    assert text in advice(rung_summaries(rung_rows({t: (t, v) for t, v in enumerate(order)}), "min"), 3)


def test_rungs_agree_with_the_trials(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 12)
    rungs = run.rungs.to_pylist()
    last = {row["trial"]: row for row in rungs}  # in the order of time
    for trial in run.trials.to_pylist():
        if trial["objective"] is not None:
            row = last[trial["trial"]]
            assert (row["value"], row["epochs"]) == (trial["objective"], trial["epochs"])
            assert (row["rung"], row["seconds"]) == (trial["rung"], trial["seconds"])
            assert (row["device"], row["node"]) == (trial["device"], trial["node"])
    times = [row["finished_at"] for row in rungs]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 60
