"""Trials of a running search that are stopped from outside."""

import io

from rich.console import Console
from typer.testing import CliRunner

from results.store import open_run
from search.cli.commands import app
from search.config.run_config import resolve
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from search.runs.folder import locked, write_config
from search.runs.run import search
from search.watch.progress import ProgressView
from tests import tiny


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def searched(tmp_path, stop_in):
    """A run of three trials; `stop_in(job)` are the trials to stop while the job trains. Also its screen,
    and the answers of the command."""
    (tmp_path / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
    size = ["trials=3", "epochs=9", "grace=1", "lanes=1", "engine=local"]
    config = resolve([f"space={tmp_path}/tiny.yaml", *size])
    folder = tmp_path / "r"
    folder.mkdir()
    write_config(folder, config)
    train, answers, out = TrainJob.of(config, folder), [], io.StringIO()

    def train_and_stop(job):
        answers.extend(invoke("stop", folder, number) for number in stop_in(job))
        yield from train(job)

    with locked(folder):
        search(LocalEngine(train_and_stop), config, folder, ProgressView(Console(file=out), "r", workers=1))
    return open_run(folder), out.getvalue(), answers


def test_a_stopped_trial_does_not_go_on_and_another_one_is_trained_to_the_end(tmp_path):
    """Trial 0 waits at its rung, trial 1 is running."""
    run, shown, answers = searched(tmp_path, lambda job: (0, 1) if job.number == 2 else ())
    assert [answer.exit_code for answer in answers] == [0, 0]
    rows = [(row["state"], row["epochs"]) for row in run.trials.to_pylist()]
    assert rows == [("stopped", 1), ("stopped", 1), ("complete", 9)]
    assert run.status == "finished"
    assert shown.count("stopped on request") == 2
    assert not (run.path / "stop").exists()


def test_a_trial_on_its_way_to_the_last_rung_is_complete_there(tmp_path):
    run, _, answers = searched(tmp_path, lambda job: [job.lanes[0].number] if job.last == 9 else ())
    assert [answer.exit_code for answer in answers] == [0]
    assert "complete" in run.trials["state"].to_pylist()
    assert not (run.path / "stop").exists()


def test_a_mistake_is_one_line(tmp_path):
    run, _, answers = searched(tmp_path, lambda job: (7,) if job.number == 2 else ())
    assert (answers[0].exit_code, answers[0].stderr.count("\n")) == (2, 1)
    assert "there is no trial 7" in answers[0].stderr
    assert "is not being searched" in invoke("stop", run.path, 0).stderr
    with locked(run.path):
        ended = next(row for row in run.trials.to_pylist() if row["state"] == "stopped")["trial"]
        assert (
            f"trial {ended} of {run.path} has ended already: stopped"
            in invoke("stop", run.path, ended).stderr
        )
    assert invoke("stop", run.path, "-1").exit_code == 2
