"""A run of a space that has fewer configurations than trials."""

from typer.testing import CliRunner

from results.store import open_run
from search.cli.commands import app
from tests import tiny


def test_the_screen_says_once_that_there_are_fewer_trials(tmp_path, capfd):
    (tmp_path / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
    overrides = [f"space={tmp_path}/tiny.yaml", f"storage={tmp_path}", "name=r", "engine=local"]
    ran = CliRunner().invoke(app, ["run", *overrides, "trials=9", "epochs=1", "param.lr=[0.1,0.01]"])
    assert ran.exit_code == 0, ran.output
    run = open_run(tmp_path / "r")
    assert run.status == "finished"
    trials = {(row["param/lr"], row["param/width"]) for row in run.trials.to_pylist()}
    assert len(trials) == run.trials.num_rows == 4
    assert capfd.readouterr().out.count("the space has 4 configurations") == 1
