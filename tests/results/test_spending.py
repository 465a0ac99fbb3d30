"""The spending of a search, on numbers that can be checked by hand."""

import pytest

from results.spending import Part, on_rungs, on_trials, spending
from tests.results.made import make_run

CONFIG = {"grace": 1, "eta": 3, "epochs": 9}
TRIALS = [  # an epoch takes a second
    {"trial": 0, "state": "complete", "epochs": 9, "seconds": 9.0},
    {"trial": 1, "state": "stopped", "epochs": 3, "seconds": 3.0},
    {"trial": 2, "state": "stopped", "epochs": 1, "seconds": 1.0},
    {"trial": 3, "state": "diverged", "epochs": 2, "seconds": 2.0},
    {"trial": 4, "state": "failed", "epochs": 0, "seconds": 5.0},
]
RUNGS = [
    {"trial": trial, "rung": rung, "epochs": 3**rung, "seconds": 3.0**rung}
    for rung, trials in enumerate([(0, 1, 2, 3), (0, 1), (0,)])
    for trial in trials
]


def test_each_epoch_belongs_to_the_rung_that_it_leads_to():
    spent = spending(TRIALS, RUNGS, CONFIG, winner=0)
    # Trial 3 diverged on the way to epoch 3, trial 4 failed before epoch 1.
    assert spent.rungs == {1: Part(5, 4, 9.0), 3: Part(3, 5, 5.0), 9: Part(1, 6, 6.0)}
    assert spent.total == Part(5, 15, 20.0)
    assert (spent.winner, spent.lost) == (Part(1, 9, 9.0), Part(2, 2, 7.0))
    assert on_rungs(spent) == (
        "15 epochs, 20 s of device time: 45% to epoch 1 (5 trials), 25% to epoch 3 (3 trials), "
        "30% to epoch 9 (1 trial)"
    )
    assert on_trials(spent) == (
        "9 epochs (45% of the time) went into the winner; "
        "2 epochs (35% of the time) went into 2 diverged or failed trials"
    )


def test_the_rungs_of_a_search_whose_epochs_have_grown_are_its_own():
    """Rungs at epochs 1, 3, 5, 15 and 20; the trial diverges on the way to the last."""
    ladder, config = (1, 3, 5, 15), {"grace": 1, "eta": 3, "epochs": 20}
    rungs = [
        {"trial": 0, "rung": rung, "epochs": epochs, "seconds": 1.0 * epochs}
        for rung, epochs in enumerate(ladder)
    ]
    trials = [{"trial": 0, "state": "diverged", "epochs": 17, "seconds": 17.0}]
    spent = spending(trials, rungs, config, winner=None)
    assert [(epochs, part.epochs) for epochs, part in spent.rungs.items()] == [
        (1, 1), (3, 2), (5, 2), (15, 10), (20, 2),
    ]  # fmt: skip


def test_without_times_the_epochs_are_shared():
    rows, rungs = ([{**row, "seconds": 0.0} for row in part] for part in (TRIALS[:3], RUNGS[:3]))
    spent = spending(rows, rungs, CONFIG, winner=0)
    assert spent.share(spent.winner) == pytest.approx(9 / 13)
    assert "failed" not in on_trials(spent)
    assert on_trials(spending(rows, rungs, CONFIG, winner=None)) == ""


def test_a_second_of_a_trial_is_one_of_each_of_its_devices():
    spent = spending(TRIALS, RUNGS, {**CONFIG, "devices_per_trial": 2}, winner=0)
    assert (spent.total, spent.rungs[9]) == (Part(5, 15, 40.0), Part(1, 6, 12.0))


def test_a_run_without_rungs_has_a_total_alone():
    spent = spending(TRIALS, [], CONFIG, winner=0)
    assert (spent.rungs, spent.total) == ({}, Part(5, 15, 20.0))


def test_a_search_without_trials_spent_nothing():
    spent = spending([], [], CONFIG, winner=None)
    assert (spent.total, spent.rungs, spent.share(spent.total)) == (Part(0, 0, 0.0), {}, 0.0)
    assert on_rungs(spent) == "0 epochs, 0 s of device time"


def test_the_parts_of_a_real_search_add_up(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 60)
    spent = spending(run.trials.to_pylist(), run.rungs.to_pylist(), run.config, run.best()["trial"])
    assert sum(part.epochs for part in spent.rungs.values()) == spent.total.epochs
    assert sum(spent.share(part) for part in spent.rungs.values()) == pytest.approx(1)
    assert spent.lost.trials and spent.winner.epochs == run.best()["epochs"]
