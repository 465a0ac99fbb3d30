"""A run and its folder: known points, a renamed folder, one of an earlier version, facts of the data."""

import io
import json

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from results.facts import read_facts
from results.store import open_run
from search.cli.commands import app
from search.config.run_config import resolve
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from search.runs.folder import write_config
from search.runs.run import confirm, make_plan, resume, search, start
from search.runs.tables import with_tables
from search.runs.warm_start import WarmStart
from search.watch.progress import ProgressView
from tests import tiny


def tiny_config(folder, name):
    """A search of TinyNet with the storage `folder`, one trial per job."""
    (folder / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
    sizes = ["trials=4", "epochs=3", "grace=1", "lanes=1", "engine=local"]
    return resolve([f"space={folder}/tiny.yaml", f"storage={folder}", f"name={name}", *sizes])


@pytest.fixture
def interrupted(tmp_path):
    """The folder of a run that was interrupted in its fourth job."""
    config, folder = tiny_config(tmp_path, "interrupted"), tmp_path / "interrupted"
    folder.mkdir()
    write_config(folder, config)
    train = TrainJob.of(config, folder)

    def train_three(job):
        if job.number > 3:
            raise KeyboardInterrupt
        yield from train(job)

    view = ProgressView(Console(file=io.StringIO()), "a run", workers=1)
    with pytest.raises(KeyboardInterrupt):
        search(LocalEngine(train_three), config, folder, view)
    assert open_run(folder).status == "interrupted"
    return folder


def show(folder):
    """The output of `show --json`."""
    result = CliRunner().invoke(app, ["show", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def results(run):
    """The columns of a run's trials that do not depend on time."""
    names = ["trial", "state", "rung", "epochs", "objective", "param/lr", "param/width"]
    return run.trials.select(names).to_pylist()


def test_known_points_of_the_space_come_after_those_of_an_earlier_run():
    config = resolve(["space=slice_reg"])
    default = config.space.default()
    assert make_plan(config, WarmStart(), 2).known[0] == default
    better = {**default, "lr": default["lr"] / 2}
    plan = make_plan(config, WarmStart(points=(better,)), 2)
    assert plan.known[:2] == (better, default)
    assert make_plan(config, WarmStart(points=(better, default)), 2).known == plan.known  # none twice


@pytest.mark.slow
def test_a_renamed_folder_is_resumed_as_the_same_run(interrupted, tmp_path):
    rungs = open_run(interrupted).rungs.to_pylist()
    assert len(rungs) == 3
    renamed = interrupted.rename(tmp_path / "renamed")
    assert resume(renamed).folder == renamed
    run = open_run(renamed)
    assert run.status == "finished"
    assert run.rungs.to_pylist()[:3] == rungs
    uninterrupted = start(tiny_config(tmp_path, "uninterrupted")).folder
    assert results(run) == results(open_run(uninterrupted))
    assert not interrupted.exists()


def test_a_run_of_an_earlier_version_is_shown_but_not_continued(interrupted):
    run, shown = open_run(interrupted), show(interrupted)
    config = {key: value for key, value in run.config.items() if key != "format"}
    (interrupted / "config.yaml").write_text(yaml.safe_dump(config))
    (interrupted / "results" / "rungs.parquet").unlink()
    assert show(interrupted) == shown
    rebuilt = with_tables(open_run(interrupted))
    assert rebuilt.rungs.to_pylist() == run.rungs.to_pylist()
    assert rebuilt.epochs.to_pylist() == run.epochs.to_pylist()
    states = rebuilt.trials["state"].to_pylist()
    assert [{**row, "state": state} for row, state in zip(run.trials.to_pylist(), states, strict=True)] == (
        rebuilt.trials.to_pylist()
    )
    for continue_run in (resume, confirm):
        with pytest.raises(ValueError, match="was made by an earlier version"):
            continue_run(interrupted)


def test_an_export_says_that_its_model_is_not_trained_to_the_end(interrupted):
    result = CliRunner().invoke(app, ["export", str(interrupted)])
    assert result.exit_code == 0, result.output
    assert "weights from epoch 1 of 3: the search has not trained it to the end" in result.stdout
    assert "from epoch 1 of 3" in (interrupted / "best" / "MODEL_CARD.md").read_text()


def test_facts_of_the_data_are_stored_by_rung_and_shown(tmp_path):
    sizes = ["trials=3", "epochs=3", "grace=1", "param.widths=16", "engine=local", "name=r"]
    folder = start(resolve(["space=mnist_classifier", f"storage={tmp_path}", *sizes])).folder
    stored = json.loads((folder / "results" / "facts.json").read_text())
    assert set(stored) == {"0", "1"}  # rungs at epochs 1 and 3
    run, shown = open_run(folder), show(folder)
    facts = read_facts(folder)[run.best()["rung"]]
    assert 0 < facts["baseline"] < 0.2  # accuracy of the most frequent of ten classes
    assert shown["objective"]["baseline"] == facts["baseline"]
    assert not [name for name in run.epochs.column_names if "baseline" in name]
