"""Cost, savings and summaries of rungs, on numbers that can be checked by hand."""

import pytest

from results.agreement import Agreement
from results.analysis import RungSummary, advice, cost, progress, rung_summaries
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
def test_summaries_have_the_agreement_of_each_rung(mode, sign):
    # The second rung has the order of the first, the last one has it reversed.
    values = {t: (t, t, -t) for t in range(12)}
    rungs = rung_summaries(rung_rows({t: [sign * v for v in own] for t, own in values.items()}), mode)
    assert [(r.epochs, r.finished, r.promoted) for r in rungs] == [(1, 12, 12), (3, 12, 12), (9, 12, 0)]
    first, second = rungs[0].agreement, rungs[1].agreement
    assert first.correlation < -0.3 and second.correlation < -0.3 and (first.later, first.count) == (9, 12)
    assert [rung.place_of_final_best for rung in rungs] == [12, 12, None]
    assert rungs[2].agreement is None


def test_few_trials_have_no_agreement():
    rungs = rung_summaries(rung_rows({t: (t, t) for t in range(4)}), "min")
    assert rungs[0].agreement is None
    assert "too few" in advice(rungs, 3)
    assert "nothing is stopped" in advice(rungs[:1], 3)
    assert rung_summaries([], "min") == []


@pytest.mark.parametrize(
    "correlation, low, high, text",
    [
        (0.9, 0.7, 1.0, "grace=1 and eta=3 are sound"),
        (0.5, 0.4, 0.7, "A later grace would be safer"),
        (0.1, -0.2, 0.4, "Try grace=3"),
        (0.5, -0.1, 0.9, "too wide to judge"),
    ],
)
def test_advice_follows_the_agreement(correlation, low, high, text):
    agreement = Agreement(9, 12, correlation, low, high)
    first = RungSummary(1, 40, 12, 0.1, agreement, 1)
    assert text in advice([first, RungSummary(9, 12, 0, 0.1, None, None)], 3)


def test_ranks_at_an_early_rung_are_not_called_final():
    first = RungSummary(1, 40, 12, 0.1, Agreement(9, 12, 0.9, 0.7, 1.0), 1)
    later = [RungSummary(9, 12, 2, 0.1, None, 1), RungSummary(27, 2, 0, 0.1, None, None)]
    assert "Too few trials went further" in advice([first, *later], 3)


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
