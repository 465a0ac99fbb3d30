"""Loggers beside the tables: each has the trials and epochs of the study, after a resume too."""

import csv
import sqlite3
import threading
from dataclasses import replace

import pytest
import yaml
from typer.testing import CliRunner

from search.cli.commands import app
from search.config.run_config import resolve
from search.core.job import State
from search.engines.local import LocalEngine
from search.runs.recorder import Recorder
from search.watch.loggers import registry
from tests.formula import Formula

STATUS = {
    State.COMPLETE: "FINISHED",
    State.STOPPED: "FINISHED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
}


class Silent:
    """A view of nothing."""

    def show(self, queue): ...
    def epoch(self, queue, report): ...
    def job(self, queue, job): ...


@pytest.fixture
def search(make_queue, tmp_path, formula_space, monkeypatch):
    """`search(kind, train)`: starts or resumes a logged search, and returns its queue."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "run"
    folder.mkdir()
    lines = []

    def go(kind, train, trials=9):
        config = replace(resolve([]), logger=kind, space=formula_space)
        queue = make_queue(trials=trials, epochs=3, lanes=2)
        go.logs = logs = registry.begin(config, folder, queue, lines.append)
        recorder = Recorder(queue, folder, Silent(), [logs])
        LocalEngine(train).run(recorder)
        recorder.end()
        return queue

    go.folder, go.lines = folder, lines
    return go


class Killed:
    """A formula whose process is killed in the middle of a job, after it has reported an epoch."""

    def __init__(self, formula, jobs):
        self.formula, self.left = formula, jobs

    def __call__(self, job):
        self.left -= 1
        for report in self.formula(job):
            yield report
            if self.left < 0:
                raise KeyboardInterrupt


ODD = Formula(diverges=0.9, raises=0.95)


def interrupted_and_resumed(search, kind):
    """The queue of a search that was killed between an epoch and its rung, and resumed."""
    with pytest.raises(KeyboardInterrupt):
        search(kind, Killed(ODD, jobs=3))
    if kind == "tensorboard":
        for opened in search.logs.loggers.values():  # their threads would have died with the process
            opened.finalize("killed")
    queue = search(kind, ODD)
    assert not search.lines
    assert {trial.state for trial in queue.trials.values()} >= {State.COMPLETE, State.STOPPED}
    return queue


def expected(queue):
    """Trial, epoch and value of each row, to be logged once."""
    return sorted((row["trial"], row["epoch"], row["val/f"]) for row in queue.study.epoch_rows())


def test_csv(search):
    queue = interrupted_and_resumed(search, "csv")
    rows = []
    for number, trial in queue.trials.items():
        folder = search.folder / "logs" / "csv" / f"trial-{number:05}"
        params = yaml.safe_load((folder / "hparams.yaml").read_text())
        assert params == {**trial.params, "state": trial.state.value}
        if trial.epochs:
            with open(folder / "metrics.csv") as file:
                rows += [(number, int(row["step"]), float(row["val/f"])) for row in csv.DictReader(file)]
    assert str(sorted(rows)) == str(expected(queue))


def test_tensorboard(search):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    queue = interrupted_and_resumed(search, "tensorboard")
    assert not [thread for thread in threading.enumerate() if type(thread).__name__ == "_AsyncWriterThread"]
    rows = []
    for number in queue.trials:
        events = EventAccumulator(str(search.folder / "logs" / "tensorboard" / f"trial-{number:05}"))
        events.Reload()
        if "val/f" in events.Tags()["scalars"]:  # not of a trial that failed in its first epoch
            assert "_hparams_/session_start_info" in events.summary_metadata
            rows += [(number, event.step, event.value) for event in events.Scalars("val/f")]
    assert [row[:2] for row in sorted(rows)] == [row[:2] for row in expected(queue)]
    assert [row[2] for row in sorted(rows)] == pytest.approx([row[2] for row in expected(queue)], nan_ok=True)


@pytest.mark.slow
def test_mlflow(search):
    queue = interrupted_and_resumed(search, "mlflow")
    with sqlite3.connect(search.folder / "logs" / "mlflow.db") as store:

        def select(query):
            return store.execute(query).fetchall()

        names = {
            run: (name, status) for run, name, status in select("select run_uuid, name, status from runs")
        }
        assert len(names) == 1 + len(queue.trials)
        (parent,) = [run for run, (name, _) in names.items() if name == "run"]
        assert (search.folder / "logs" / "mlflow.parent").read_text() == parent
        assert names[parent][1] == "FINISHED"
        tags = {run: {} for run in names}
        params = {run: {} for run in names}
        for run, key, value in select("select run_uuid, key, value from tags"):
            tags[run][key] = value
        for run, key, value in select("select run_uuid, key, value from params"):
            params[run][key] = value
        children = {int(tags[run]["trial"]): run for run in names if run != parent}
        for number, trial in queue.trials.items():
            run = children[number]
            assert names[run] == (f"trial {number}", STATUS[trial.state])
            assert tags[run]["mlflow.parentRunId"] == parent
            assert tags[run]["state"] == trial.state.value
            assert tags[run].get("error") == trial.error
            assert params[run] == {key: str(value) for key, value in trial.params.items()}
        metrics = select("select run_uuid, step, value, is_nan from metrics where key = 'val/f'")
        assert tags[parent]["best trial"] == str(queue.best().number)
    numbers = {run: number for number, run in children.items()}
    rows = [(numbers[run], step, float("nan") if nan else value) for run, step, value, nan in metrics]
    assert str(sorted(rows)) == str(expected(queue))
    assert not [path for path in search.folder.rglob("*") if path.name == "mlruns"]


def test_wandb(search, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    queue = search("wandb", Formula(), trials=2)
    assert not search.lines
    runs = {path.name.rpartition("-")[2] for path in (search.folder / "logs" / "wandb").glob("offline-run-*")}
    assert runs == {str(number) for number in queue.trials}


def test_a_logger_that_fails_does_not_end_the_search(search, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("lightning.pytorch.loggers.CSVLogger.log_metrics", full)
    queue = search("csv", Formula())
    assert all(trial.values for trial in queue.trials.values())
    assert search.lines == ["note: logger=csv has failed and is off: OSError: no space left on device"]


def test_a_logger_that_is_not_installed_is_one_line_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("search.runs.preflight.importlib.util.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run", "space=mnist_classifier", "logger=mlflow"])
    assert result.exit_code == 2
    wanted = "error: logger is 'mlflow', but mlflow-skinny is not installed: pip install mlflow-skinny\n"
    assert result.stderr == wanted
    assert not list(tmp_path.iterdir())
    result = CliRunner().invoke(app, ["run", "space=mnist_classifier", "logger=mlfow"])
    assert result.exit_code == 2
    assert "did you mean 'mlflow'" in result.stderr
