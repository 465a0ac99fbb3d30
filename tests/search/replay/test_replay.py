"""Replays of a run: its curves continued, and its search with other settings."""

import numpy as np
import pytest

from results.replays import Replayed, Replays, read_replays
from search.cli.replay_tables import print_replays
from search.config.run_config import resolve
from search.core.job import State
from search.core.study import Study
from search.replay.continuation import continuations
from search.replay.replay import DRAWS, known_curves, replay, settings_of
from search.runs.folder import read_config
from tests.results.made import make_run
from tests.search.command import search

NONE = {"eta": None, "grace": None, "sampler": None, "trials": None}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """40 trials with rungs at epochs 1, 3, 9 and 27; some diverge, and trial 39 fails."""
    with pytest.MonkeyPatch.context() as patch:
        return make_run(tmp_path_factory.mktemp("replay"), patch, 40, "made", "grace=1")


@pytest.fixture(scope="module")
def known(run):
    return known_curves(run, read_config(run))


def test_known_values_stay_and_the_rest_is_drawn(run, known):
    config = read_config(run)
    study = Study(run.path / "study.log", config.space, config.rungs, writable=False)
    states = {trial.number: trial for trial in study.trials()}
    assert 39 not in known.numbers and states[39].state is State.FAILED
    tables = continuations(known, config.rungs, [2, 6, 18, 27], 5, seed=0)
    values = {(row["trial"], row["epoch"]): row["val/loss"] for row in run.epochs.to_pylist()}
    ends = set()
    for table in tables:
        for row, number in enumerate(known.numbers):
            trial = states[number]
            for epoch in range(1, trial.epochs + 1):
                expected = values[number, epoch]
                assert table.values[row, epoch - 1] == pytest.approx(expected, nan_ok=True)
            if trial.state is State.DIVERGED:
                assert np.isnan(table.values[row, trial.epochs - 1 :]).all()
            else:
                assert np.isfinite(table.values[row]).all()
        ends.add(tuple(table.values[:, -1]))
    assert len(ends) == 5
    again = continuations(known, config.rungs, [2, 6, 18, 27], 5, seed=0)
    assert all(np.array_equal(a.values, b.values, equal_nan=True) for a, b in zip(tables, again, strict=True))


def test_continued_curves_are_like_the_true_ones(run, known):
    """The losses of the run fall towards a limit that depends on the configuration."""
    config = read_config(run)
    stopped = known.trained < 27
    tables = continuations(known, config.rungs, [27], 40, seed=1)
    ends = np.mean([table.values[stopped, -1] for table in tables], axis=0)
    last = np.array([row[np.isfinite(row)][-1] for row in known.table.values[stopped]])
    assert (ends < last).mean() > 0.9
    assert np.corrcoef(ends, last)[0, 1] > 0.8


@pytest.mark.slow
def test_replays_tell_cost_and_regret_of_settings(run, capsys):
    replays = replay(run, {**NONE, "eta": [2, 4], "sampler": "random", "trials": 80})
    assert read_replays(run.path) == replays
    assert replays.winner == run.best()["trial"]
    assert replays.trials == 39 and replays.next_trials == 80
    patient, eager = replays.rows
    assert (patient.eta, patient.grace, patient.rungs) == (2, 1, (1, 2, 4, 8, 16, 27))
    assert eager.epochs_share < patient.epochs_share < 1
    assert eager.next_seconds == pytest.approx(eager.seconds_share * 27 * 0.5 * 39 * 80 / 39, rel=1e-6)
    for row in replays.rows:
        assert len(row.regrets) == DRAWS and all(0 <= regret <= 1 for regret in row.regrets)
        assert 0 <= row.found <= 1
        assert row.share_to_find is None or row.share_to_find <= row.seconds_share
    print_replays(replays)
    shown = capsys.readouterr().out
    assert f"finds trial {replays.winner}" in shown and "next 80 trials" in shown
    assert "the model of the search continues the other" in shown


def settings(**lists):
    return settings_of(resolve(["space=mnist_classifier", "epochs=27"]), {**NONE, **lists})


def test_settings_are_all_combinations_and_the_runs_own_otherwise():
    found = settings(eta=[2, 3], grace=3)
    assert [(one.eta, one.grace, one.sampler) for one in found] == [(2, 3, "ladder"), (3, 3, "ladder")]
    assert found[1].rungs == (3, 9, 27)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"eta": [3, 1]}, "eta is 1, but must be >= 2"),
        ({"eta": 2.5}, "eta is 2.5, but must be a whole number >= 1"),
        ({"grace": 28}, "grace is 28, but must be from 1 to epochs=27"),
        ({"sampler": "grid"}, "sampler is 'grid'"),
        ({"sampler": ["tpe", "cmaes"]}, "is a choice"),
    ],
)
def test_wrong_settings_are_the_users_error(lists, message):
    with pytest.raises(ValueError, match=message):
        settings(**lists)


def test_a_thin_record_is_said_to_be_one():
    sentences = " ".join(Replays((made("a", 0.1, 0.2),), 3, 40, 2, 40).conclusions())
    assert "The only setting is a eta=3 grace=1, at 20% of" in sentences
    assert "The record is too thin" in sentences
    assert "too thin" not in " ".join(Replays((made("a", 0.1, 0.2),), 3, 40, 9, 40).conclusions())


def made(sampler, regret, cost):
    """A setting whose regret varies a little between replays."""
    regrets = tuple(regret + 0.01 * (draw % 3) for draw in range(DRAWS))
    return Replayed(3, 1, sampler, (1, 3), 0.5, regrets, cost, cost, None, 60.0)


def test_the_cheapest_of_the_equal_settings_is_recommended():
    good, cheap, poor = made("a", 0.1, 0.4), made("b", 0.1, 0.2), made("c", 0.5, 0.1)
    replays = Replays((good, cheap, poor), 3, 40, 9, 40)
    assert [row.sampler for row in replays.equal()] == ["b", "a"]
    assert (
        "2 of 3 settings can't be told apart by their regret; the cheapest is b" in replays.conclusions()[0]
    )
    assert "The best setting is a" in Replays((good, poor), 3, 40, 9, 40).conclusions()[0]


@pytest.mark.slow
def test_a_run_of_few_trials_is_not_replayed(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 12, "few")
    result = search("replay", "few", f"storage={tmp_path}", "eta=2,3")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"error: few has {sum(row['objective'] is not None for row in run.trials.to_pylist())} trials with a "
        "value, but a replay needs 20 (python -m search list)"
    ]
