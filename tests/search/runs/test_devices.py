"""Searches whose trials train in two processes each."""

import psutil
import pytest

from results import open_run
from search.after.export import export
from search.after.retrain import retrain_command
from search.before.check import NOTE, OK, check
from search.config.run_config import resolve
from search.runs.run import start
from tests.search.command import search
from trainables.training.processes import end_idle

pytestmark = pytest.mark.slow

SPACE = """\
trainable: tests.trainables.training.several:Momentum
data: tests.trainables.training.several:Line
objective: {metric: val_loss, mode: min}
params:
  lr: {low: 1e-3, high: 1e-1, log: true}
  width: [2, 4]
"""
SIZE = ["trials=3", "epochs=3", "grace=1", "devices_per_trial=2", "name=r"]


@pytest.fixture
def space(tmp_path):
    file = tmp_path / "line.yaml"
    file.write_text(SPACE)
    return [f"space={file}", f"storage={tmp_path}/runs"]


def states(run):
    return sorted(row["state"] for row in run.trials.to_pylist())


def test_is_searched_on_ray(space, tmp_path):
    ran = search("run", *space, *SIZE)
    assert ran.returncode == 0, ran.stderr
    assert "1 at a time" in ran.stdout
    assert states(open_run(tmp_path / "runs" / "r")) == ["complete", "stopped", "stopped"]


def test_is_checked_searched_confirmed_and_exported_on_the_local_engine(space):
    config = resolve([*space, *SIZE, "engine=local", "confirm.top=1", "confirm.seeds=1"])
    try:
        findings = {finding.check: finding for finding in check(config)}
        assert (findings["default"].verdict, findings["checkpoint"].verdict) == (OK, OK)
        packs = findings["packs"]
        assert (packs.verdict, packs.detail) == (NOTE, "a trial on several devices trains alone")
        assert len(psutil.Process().children()) >= 2
        run = open_run(start(config).folder)
    finally:
        end_idle()
    assert states(run) == ["complete", "stopped", "stopped"]
    assert {row["state"] for row in run.confirmed.to_pylist()} == {"complete"}
    text = (export(run, onnx=False) / "config.yaml").read_text()
    assert "devices: 2" in text
    assert "use_distributed_sampler: true" in text
    params = config.space.params_in(run.best())
    assert " devices_per_trial=2 " in retrain_command(config, 0, params)


def test_what_a_trial_needs_is_known_before_anything_is_written(space, tmp_path):
    for overrides, message in (
        ([*space, "devices_per_trial=999"], "devices_per_trial is 999, but this machine has"),
        (["space=mnist_classifier", space[1], "devices_per_trial=2"], "is a Learner, which trains on one"),
    ):
        with pytest.raises(ValueError, match=message):
            start(resolve(["engine=local", *overrides]))
        assert not list(tmp_path.glob("runs/*"))
