"""The tables of a run: column types, reading and writing, and the state of a run."""

import fcntl

import pyarrow as pa
import pytest
import yaml

from results import open_run
from results.baselines import baselines
from results.facts import write_facts
from results.store import best_row, column_type, write_epochs, write_rungs, write_trials
from spaces.params import Choice
from spaces.space import Objective, Space

CONFIG = {"space": "s", "trials": 3, "objective": {"metric": "val/f", "mode": "min"}}


def row(trial, state, value=None, **more):
    base = {"trial": trial, "state": state, "rung": 0 if value is not None else None, "epochs": 1}
    return {**base, "objective": value, "seconds": 1.5, "device": "cpu", "node": "n", "error": None} | {
        "violation": None,
        "front": None,
        **more,
    }


def rung_row(trial, rung, value, finished_at):
    row = {"trial": trial, "rung": rung, "epochs": 3**rung, "value": value, "seconds": 1.5}
    return {**row, "finished_at": finished_at, "checkpoint": "checkpoints/a", "device": "cpu", "node": "n"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


def test_written_tables_are_read(folder):
    rows = [row(0, "complete", 0.5, **{"param/lr": 0.1, "param/n": 3}), row(1, "failed", error="no")]
    write_trials(folder, rows, {"lr": pa.float64(), "n": pa.int64()})
    write_epochs(folder, [{"trial": 0, "epoch": 1, "seconds": 1.5, "val/f": 0.5, "lr": 2.0}])
    write_rungs(folder, [rung_row(0, 0, 0.5, 3.0)])
    write_facts(folder, {1: {"baseline": 9.0}, 0: {"baseline": 2.0}})
    run = open_run(folder)
    assert run.trials.to_pylist()[0] == rows[0]
    assert run.trials["param/n"].to_pylist() == [3, None]
    assert run.trials.schema.field("param/n").type == pa.int64()
    assert run.epochs.to_pylist() == [{"trial": 0, "epoch": 1, "seconds": 1.5, "lr": 2.0, "val/f": 0.5}]
    assert run.rungs.to_pylist() == [rung_row(0, 0, 0.5, 3.0)]
    assert [(baseline.name, baseline.value, baseline.beaten) for baseline in baselines(run)] == [
        ("constant prediction", 2.0, True)
    ]
    assert not [path for path in folder.rglob(".*") if path.is_file()]


def test_rungs_that_the_trials_table_lacks_are_left_out(folder):
    """A running search may write its tables between two reads."""
    write_trials(folder, [row(0, "paused", 0.5), row(1, "running")], {})
    rungs = [rung_row(0, 0, 0.5, 3.0), rung_row(0, 1, 0.4, 4.0), rung_row(2, 0, 0.3, 5.0)]
    write_rungs(folder, rungs)
    assert open_run(folder).rungs.to_pylist() == rungs[:1]


def test_choices_of_several_types_are_text_in_the_table_and_are_converted_back(folder):
    space = Space("s", "", "a:b", "a:b", Objective("val/f", "min"), {"n": Choice((16, "auto", None, True))})
    rows = [row(i, "complete", 0.5, **{"param/n": n}) for i, n in enumerate(space.params["n"].options)]
    write_trials(folder, rows, {"n": column_type(space.params["n"].options)})
    trials = open_run(folder).trials.to_pylist()
    assert [one["param/n"] for one in trials] == ["16", "auto", None, "True"]
    assert repr([space.params_in(one)["n"] for one in trials]) == "[16, 'auto', None, True]"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], "interrupted"),
        (["complete", "stopped", "failed"], "finished"),
        (["complete", "stopped"], "interrupted"),
        (["complete", "paused", "stopped"], "interrupted"),
        (["failed", "diverged", "failed"], "failed"),
    ],
)
def test_status(folder, states, status):
    write_trials(folder, [row(i, state) for i, state in enumerate(states)], {})
    assert open_run(folder).status == status
    with open(folder / "run.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert open_run(folder).status == "running"
    assert open_run(folder).status == status


def test_a_failed_trial_is_never_the_best(folder):
    write_trials(folder, [row(0, "diverged", 0.4), row(1, "failed", 0.5), row(2, "stopped", 0.6)], {})
    assert open_run(folder).best()["trial"] == 2
    write_trials(folder, [row(0, "diverged", 0.4), row(1, "failed", 0.5), row(2, "failed")], {})
    run = open_run(folder)
    assert (run.status, run.best()) == ("failed", None)


def test_a_run_without_tables_is_empty(folder):
    run = open_run(folder)
    assert (run.trials.num_rows, run.rungs.num_rows, run.epochs.num_rows) == (0, 0, 0)
    assert (run.best(), baselines(run)) == (None, [])


def test_a_folder_without_config_is_no_run(tmp_path):
    with pytest.raises(ValueError, match="is not a run"):
        open_run(tmp_path)


def test_the_best_trial_has_the_best_value_in_both_modes():
    rows = [row(0, "complete", 0.5), row(1, "stopped", 0.4), row(2, "failed"), row(3, "stopped", 0.4)]
    assert best_row(rows, "min")["trial"] == 1
    assert best_row(rows, "max")["trial"] == 0
    assert best_row(rows[2:3], "min") is None
    rows[1]["state"] = "diverged"  # after this rung; it has no usable model
    assert best_row(rows, "min")["trial"] == 3


def test_columns_have_the_narrowest_type_that_fits():
    assert column_type([1, 2]) == pa.int64()
    assert column_type([1, 2.5]) == pa.float64()
    assert column_type([True, False]) == pa.bool_()
    assert column_type(["a", None]) == pa.string()
    assert column_type(["a", 1]) == pa.string()
