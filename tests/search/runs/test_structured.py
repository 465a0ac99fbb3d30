"""A run whose options are lists, mappings and null: labels wherever people look, values for the module."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from results.store import open_run
from search.after.report import make
from search.after.retrain import retrain_command
from search.cli.commands import app
from search.config.run_config import resolve
from search.runs.folder import read_config
from search.runs.run import start
from search.runs.warm_start import warm_start
from tests.spaces.test_options import LARGE, STRUCTURED

pytestmark = pytest.mark.slow
LAYERS = {"[4, 4]": [4, 4], "[8]": [8], None: None}
SIZE = ["engine=local", "epochs=3", "grace=1", "lanes=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, in a storage of its own."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = [f"space={STRUCTURED}", f"storage={folder}", "name=first", "trials=12", "logger=csv", *SIZE]
    return open_run(start(resolve(arguments)).folder)


def command(run, *words):
    result = CliRunner().invoke(app, [*words, f"storage={run.path.parent}"])
    assert result.exit_code == 0, result.output
    return result.output


def test_tables_have_labels(run):
    rows = run.trials.to_pylist()
    assert {row["state"] for row in rows} <= {"complete", "stopped"}
    assert {row["param/layers"] for row in rows} == set(LAYERS)
    assert {row["param/net"] for row in rows} == {"small", "large"}
    shown = command(run, "show", "first")
    assert "[4, 4]" in shown and "small" in shown
    logged = yaml.safe_load((run.path / "logs/csv/trial-00000/hparams.yaml").read_text())
    assert (logged["layers"], logged["net"]) == ("[8]", "large")


def test_a_report_has_all_parameters(run):
    html = make(run).read_text()
    for name in ("layers", "net"):
        assert f'"slice-{name}"' in html
    assert "[4, 4]" in html


def test_an_export_has_the_values(run):
    command(run, "export", "first")
    best, config = run.best(), yaml.safe_load((run.path / "best/config.yaml").read_text())
    arguments = config["model"]["init_args"]
    assert arguments["layers"] == LAYERS[best["param/layers"]]
    assert arguments["init"] == [0.0, 0.1]
    assert (arguments["net"] == LARGE) == (best["param/net"] == "large")
    assert f"| net | {best['param/net']} |" in (run.path / "best/MODEL_CARD.md").read_text()


def test_a_later_search_knows_the_trials_while_labels_mean_the_same(run, tmp_path):
    def config(text):
        file = tmp_path / "s.yaml"
        file.write_text(text)
        return resolve([f"space={file}", "trials=4", *SIZE])

    text = STRUCTURED.read_text()
    same = warm_start(run, config(text))
    assert len(same.observations) == 12 and len(same.points) == 5
    other = warm_start(run, config(text.replace("act: ReLU", "act: GELU")))
    assert other.difference == "options of the same name"
    assert not other.observations
    arguments = [f"space={STRUCTURED}", f"storage={run.path.parent}", "name=second", "trials=2"]
    start(resolve([*arguments, "warm_start=first", *SIZE]))
    assert "second" in command(run, "compare", "first", "second")


def test_the_command_that_retrains_names_the_options(run):
    config, best = read_config(run), run.best()
    params = config.space.params_in(best)
    changed = resolve([f"space={STRUCTURED}", "param.layers=[[3],[2]]"])
    for space_config, own in ((config, params), (changed, {**params, "layers": "[3]"})):
        line = retrain_command(space_config, best["trial"], own)
        overrides = [word.strip("'") for word in line.split() if word.startswith(("param.", "'param."))]
        again = resolve([f"space={STRUCTURED}", *overrides])
        assert again.space.default() == own
        if own["layers"] is not None:
            assert again.space.option_values["layers"] == {own["layers"]: json.loads(own["layers"])}


def test_check_tries_all_options():
    result = CliRunner().invoke(app, ["check", f"space={STRUCTURED}"])
    assert result.exit_code == 0, result.output
    assert "0 bad" in result.output
