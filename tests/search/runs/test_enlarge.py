"""More trials or time for a run: the command, its refusals, and a kill in the midst."""

import pytest

from results.store import open_run
from search.runs.folder import read_config
from search.runs.journal import open_study
from search.runs.run import resume
from tests import tiny
from tests.search.command import invoke, searched


@pytest.fixture
def make(tmp_path):
    """`make("time=1h", ...)`: the folder of a finished run, of four trials unless the overrides differ."""

    return lambda *more: searched(tmp_path, tiny.SPACE.format(net="TinyNet"), *more)


def rows(folder):
    names = ["trial", "state", "epochs", "objective", "param/lr", "param/width"]
    return open_run(folder).trials.select(names).to_pylist()


def test_a_finished_run_goes_on_with_more_trials(make, capfd):
    folder = make()
    before = rows(folder)
    assert "is finished" in invoke("resume", folder, "trials=4").stderr
    grown = invoke("resume", folder, "trials=8")
    assert grown.exit_code == 0, grown.output
    assert "do not go on, for their checkpoints are deleted: 3 of 4" in capfd.readouterr().out
    run = open_run(folder)
    assert (run.status, read_config(run).trials, len(rows(folder))) == ("finished", 8, 8)
    assert rows(folder)[:4] == before
    assert sum(row["state"] == "complete" for row in rows(folder)) >= 1
    assert invoke("show", folder).exit_code == 0


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("trials=3", "trials is 3, but the run has 4, and can only grow (trials=...)"),
        ("trials=0", "trials is 0, but must be a whole number >= 1"),
        ("time=2h", "time is 7200 seconds, but the run has no limit"),
        ("time=soon", "time is 'soon', but must be a number of seconds"),
        ("epochs=2", "epochs is 2, but the run has 3, and can only grow (epochs=...)"),
        ("eta=9", "is not understood here; only storage=FOLDER, trials=..., epochs=..., time=..."),
    ],
)
def test_what_does_not_grow_is_refused_in_one_line(make, more, error):
    folder = make()
    refused = invoke("resume", folder, more)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert error in refused.stderr
    assert read_config(open_run(folder)).trials == 4


def test_a_run_that_its_time_has_ended_needs_more_time(make):
    folder = make("time=1e-3")
    assert len(rows(folder)) == 1
    assert "so its time of 0.001 is over" in invoke("resume", folder, "trials=5").stderr
    assert "the time is over" not in invoke("resume", folder, "time=1h").output
    run = open_run(folder)
    assert (run.status, run.early_end, len(rows(folder))) == ("finished", None, 4)


def test_all_configurations_of_a_space_are_enough(make):
    folder = make("param.lr=0.1")
    assert "has 2 trials already, which are all configurations" in invoke("resume", folder, "trials=9").stderr


def test_a_run_that_is_killed_while_it_grows_can_grow_again(make):
    folder = make("time=1e-3")
    run = open_run(folder)
    study = open_study(folder, read_config(run))
    study.record_growth({"trials": 4, "time": 1e-3, "begun": 1})  # killed after that
    assert invoke("show", folder).exit_code == 0
    resume(folder, trials=6, time=3600.0)
    assert (open_run(folder).status, len(rows(folder))) == ("finished", 6)
