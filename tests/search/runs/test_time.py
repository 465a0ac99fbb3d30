"""A run that its time ends: the command line, its files, and going on with it."""

from typer.testing import CliRunner

from results.facts import TimeOver
from results.store import open_run
from search.cli.commands import app
from tests import tiny


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_run_that_its_time_ends_has_a_complete_winner_and_says_why(tmp_path, capfd):
    (tmp_path / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
    space = [f"space={tmp_path}/tiny.yaml", f"storage={tmp_path}", "name=r", "engine=local"]
    ran = invoke("run", *space, "epochs=3", "time=1e-3", "lanes=1")
    assert ran.exit_code == 0, ran.output
    assert "as many trials as begin in 0:00, rungs at epochs 1, 3" in capfd.readouterr().out
    run = open_run(tmp_path / "r")
    assert (run.status, run.early_end) == ("finished", TimeOver(1, 1e-3))
    assert [(row["state"], row["epochs"]) for row in run.trials.to_pylist()] == [("complete", 3)]
    assert "No further trial began after 0:00 (time): there is 1 trial." in invoke("show", run.path).stdout
    assert invoke("report", run.path).exit_code == 0
    assert "No further trial began" in (run.path / "report.html").read_text()
    assert "is finished" in invoke("resume", run.path).stderr
