"""The command that trains a trial again."""

import re
import shlex
from pathlib import Path

import pytest

from results import open_run
from search.after.report import make
from search.after.retrain import hydra_value, retrain_command
from search.config.run_config import resolve
from search.runs.folder import read_config
from search.runs.run import start
from tests.results.made import make_run

pytestmark = pytest.mark.slow


def test_the_command_has_the_path_of_the_space_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    run = make_run(Path("mine"), monkeypatch, 1)
    config = read_config(run)
    params = config.space.params_in(run.best())
    words = shlex.split(retrain_command(config, 0, params))
    assert words[:5] == ["python", "-m", "search", "run", "space=mine/learning.yaml"]
    assert resolve(words[4:]).space.default() == params


def test_the_command_trains_the_trial_again(tmp_path):
    """Exactly, and a stopped trial to the last rung: batches, weights and rates are the same."""
    size = ["engine=local", "lanes=1", f"storage={tmp_path}"]
    overrides = ["space=mnist_classifier", "name=first", "trials=4", "epochs=3", "sampler=random", *size]
    first = open_run(start(resolve(overrides)).folder)
    html = make(first).read_text()
    stopped = next(
        row["trial"] for row in first.trials.to_pylist() if row["state"] == "stopped" and row["trial"]
    )
    commands = re.search(r'"commands":(\{.*?\})\}', html).group(1)
    command = re.search(rf'"{stopped}":"((?:[^"\\]|\\.)*)"', commands).group(1).replace('\\"', '"')
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "search", "run"]
    again = open_run(start(resolve([*words[4:], "name=again", f"storage={tmp_path}"])).folder)
    (row,) = again.trials.to_pylist()
    assert (row["state"], row["epochs"]) == ("complete", 3)

    def curve(run, trial):
        return [e["val/loss"] for e in run.epochs.to_pylist() if e["trial"] == trial]

    before = curve(first, stopped)
    assert before and curve(again, 0)[: len(before)] == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        *(1, 0.1, 1e-7, True, None, "128-64", "32", "true", "a b", 'a"b\\', "relu", "/x/y.z"),
        *([[64, 64]], [{"width": 32, "act": "a b"}], [None, [True]]),
    ],
)
def test_hydras_grammar_preserves_values(value):
    from search.config.overrides import parse_overrides

    (word,) = shlex.split(shlex.quote(f"x={hydra_value(value)}"))
    assert parse_overrides([word]) == {"x": value}
