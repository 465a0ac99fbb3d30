"""Higher rungs for a run: which trials go on, what all commands say of it, and a checkpoint that is lost."""

import shutil

import pytest

import search
from results.store import open_run
from search.after.export import export
from search.runs.enlarge import enlarge
from search.runs.folder import read_config
from search.runs.journal import open_study
from search.runs.run import confirm, resume
from tests import tiny
from tests.search.command import invoke, searched


class Scored(tiny.TinyData):
    """With a test split."""

    test_dataloader = tiny.TinyData.val_dataloader


@pytest.fixture
def make(tmp_path):
    """`make("trials=9", ...)`: the folder of a finished run with rungs at epochs 1 and 3."""

    space = tiny.SPACE.format(net="TinyNet").replace("tests.tiny:TinyData", f"{__name__}:Scored")
    return lambda *more: searched(tmp_path, space, *more, trials=6)


def rows(folder, state=None):
    table = open_run(folder).trials.to_pylist()
    return [row for row in table if state in (None, row["state"])]


def epochs_of(folder, trial):
    return [row["epoch"] for row in open_run(folder).epochs.to_pylist() if row["trial"] == trial]


def test_complete_trials_go_on_to_higher_rungs(make, capfd):
    folder = make("trials=9", "lanes=3")
    before = rows(folder)
    old = shutil.copytree(folder, folder.parent / "old")
    resume(folder, epochs=9)
    out = " ".join(capfd.readouterr().out.split())
    assert "new rungs: epochs 9; complete trials that may go on to them: 3." in out
    assert "9 trials, rungs at epochs 1, 3, 9" in out
    run = open_run(folder)
    assert (run.status, read_config(run).rungs, read_config(run).grown_from) == ("finished", (1, 3, 9), (3,))
    (complete,) = rows(folder, "complete")
    assert before[complete["trial"]]["state"] == "complete"
    assert epochs_of(folder, complete["trial"]) == list(range(1, 10))
    gone = [
        row["trial"] for row in before if row["state"] == "complete" and row["trial"] != complete["trial"]
    ]
    assert [rows(folder)[trial]["state"] for trial in gone] == ["stopped"] * len(gone)
    assert [rows(folder)[trial]["epochs"] for trial in gone] == [3] * len(gone)
    kept = {path.name for path in (folder / "checkpoints").glob("*.safetensors")}
    assert any(name.endswith("-epoch-9.safetensors") for name in kept)
    for command in (["report", folder], ["compare", folder, old, "--out", folder / "both.html"]):
        done = invoke(*command)
        assert done.exit_code == 0, done.output
    assert "but trains in one go" in (export(open_run(folder), onnx=False) / "config.yaml").read_text()
    assert "Its epochs have grown from 3 to 9" in " ".join(invoke("show", folder).output.split())
    assert "Its epochs have grown from 3 to 9" in (folder / "report.html").read_text()
    assert "is finished" in invoke("resume", folder, "epochs=9").stderr


def test_trials_and_epochs_grow_together_and_again(make):
    folder = make()
    resume(folder, trials=8, epochs=5)
    assert (read_config(open_run(folder)).rungs, len(rows(folder))) == ((1, 3, 5), 8)
    run = search.resume(folder, epochs=20)
    assert read_config(run.tables).rungs == (1, 3, 5, 15, 20)
    assert run.status == "finished"
    (complete,) = rows(folder, "complete")
    assert epochs_of(folder, complete["trial"]) == list(range(1, 21))


def test_a_confirmation_counts_for_its_epochs_alone(make, capfd):
    folder = make("trials=9")
    confirm(folder, top=1, seeds=2)
    assert open_run(folder).confirmation is not None
    resume(folder, epochs=9)
    assert "the confirmation has trained for 3 epochs; confirm again" in capfd.readouterr().out
    assert (open_run(folder).confirmed, open_run(folder).confirmation) == (None, None)
    confirm(folder, top=1, seeds=2)
    assert open_run(folder).confirmed["trained"].unique().to_pylist() == [9]


def test_a_trial_without_its_checkpoint_does_not_go_on(make, capfd):
    folder = make("trials=9")
    complete = rows(folder, "complete")
    best = min(complete, key=lambda row: row["objective"])
    files = {row["trial"]: row["checkpoint"] for row in open_run(folder).rungs.to_pylist()}
    (folder / files[best["trial"]]).unlink()
    resume(folder, epochs=9)
    out = " ".join(capfd.readouterr().out.split())
    assert f"trial {best['trial']} does not go on, for its checkpoint is deleted" in out
    assert rows(folder)[best["trial"]]["state"] == "stopped"
    (other,) = rows(folder, "complete")
    assert other["epochs"] == 9


def test_a_run_is_interrupted_while_its_journal_alone_has_grown(make):
    folder = make()
    config = read_config(open_run(folder))
    open_study(folder, config).record_growth({"trials": 6, "epochs": 3, "time": None, "begun": 6})
    assert open_run(folder).status == "finished"  # killed then: it is as it was
    enlarge(folder, config, epochs=9)
    assert open_run(folder).status == "interrupted"  # killed before the search goes on
    resume(folder)
    assert (open_run(folder).status, len(rows(folder, "complete"))) == ("finished", 1)


def test_a_run_without_a_trial_that_could_go_on_stays_as_it_is(make):
    folder = make("trials=2", "param.lr=1e30")
    refused = invoke("resume", folder, "epochs=9")
    assert refused.exit_code == 2
    assert "no trial of it can go on to more epochs" in refused.stderr
    assert read_config(open_run(folder)).epochs == 3
