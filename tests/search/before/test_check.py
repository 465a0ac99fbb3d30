"""`check` finds before a search what the search would end with."""

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from search.before import check as checking
from search.before.check import alone, check, covering, ends
from search.cli.commands import app
from search.config.run_config import resolve
from spaces.read import read
from tests.tiny import TinyNet

SPACE = """\
trainable: {net}
data: tests.tiny:TinyData
objective: {{metric: val_loss, mode: min}}
params:
  lr: {{low: 1e-4, high: 1.0, log: true}}
  width: [2, 4]
"""
HERE = "tests.search.before.test_check"


class Misfit(TinyNet):
    """Its output (16, 1) and its target (16,) do not fit; PyTorch only warns."""

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.mse_loss(self.net(x), y[:, 0])


class Wide(TinyNet):
    """Can't be made at one end of the space."""

    def __init__(self, lr: float, width: int = 4):
        if width > 2:
            raise ValueError("too wide")
        super().__init__(lr, width)


class Wild(TinyNet):
    """Its loss is not finite after a step at a large rate."""

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.tensor(float("inf") if self.lr > 0.5 else 1.0))


class Forgetful(TinyNet):
    """Keeps in its checkpoint what a checkpoint can't keep."""

    def on_save_checkpoint(self, checkpoint):
        checkpoint["mine"] = object()


@pytest.fixture
def found(tmp_path):
    """`found(net, *overrides)`: the findings by name."""

    def find(net, *overrides):
        file = tmp_path / "s.yaml"
        file.write_text(SPACE.format(net=net))
        config = resolve([f"space={file}", f"storage={tmp_path}", *overrides])
        return {finding.what: finding for finding in check(config)}

    return find


def test_all_is_well(found):
    findings = found("tests.tiny:TinyNet")
    assert {name: f.verdict for name, f in findings.items()} == {
        "import and data": "ok",
        "objective": "ok",
        "default": "ok",
        "checkpoint": "ok",
        "corners": "ok",
        "memory": "ok",
        "disk": "ok",
        "packs": "note",
    }
    assert findings["corners"].detail.startswith(
        "6 tried, 0 bad"
    )  # default, smallest, largest, 2 of lr, 1 of width
    assert "TinyNet is no Learner" in findings["packs"].detail


@pytest.mark.parametrize(
    ("net", "what", "detail"),
    [
        (f"{HERE}:Misfit", "default", "output and target do not fit: Using a target size (torch.Size([16]))"),
        (f"{HERE}:Wide", "all largest", "ValueError: too wide"),
        (f"{HERE}:Forgetful", "default", "ValueError: checkpoint['mine'] is a object"),
        ("tests.tiny:BrokenNet", "default", "RuntimeError: this module is broken"),
        ("tests.tiny:TinyNett", "import and data", "tiny.py has no 'TinyNett'; did you mean 'TinyNet'"),
    ],
)
def test_what_is_wrong_is_named(found, net, what, detail):
    finding = found(net)[what]
    assert finding.verdict == "wrong"
    assert detail in finding.detail


def test_an_end_that_diverges_is_noted(found):
    findings = found(f"{HERE}:Wild")
    assert findings["diverging"].verdict == "note"
    assert findings["diverging"].detail == "not finite after one step: all largest, lr=1.0"
    assert findings["corners"].verdict == "ok"


def test_an_objective_that_is_not_logged(found, tmp_path):
    findings = found("tests.tiny:TinyNet", "param.width=2")
    assert findings["default"].verdict == "ok"
    file = tmp_path / "s.yaml"
    file.write_text(SPACE.format(net="tests.tiny:TinyNet").replace("val_loss", "val_los"))
    result = CliRunner().invoke(app, ["check", f"space={file}"])
    assert result.exit_code == 2
    assert "wrong" in result.stdout


def test_an_objective_that_means_another_thing_for_each_loss(tmp_path):
    space = read("mnist_classifier")
    file = tmp_path / "s.yaml"
    file.write_text(
        "trainable: trainables.mnist.classifier:Classifier\ndata: trainables.mnist.data:MnistData\n"
        "objective: {metric: val/loss, mode: min}\nparams: {loss: [mse, l1]}\n"
    )
    (finding,) = [f for f in check(resolve([f"space={file}"])) if f.what == "objective"]
    assert finding.verdict == "wrong"
    assert "another quantity for each loss" in finding.detail
    assert space.objective.metric == "val/accuracy"


def test_a_learner_can_be_packed():
    findings = {
        f.what: f for f in check(resolve(["space=mnist_classifier", "param.widths=32", "param.norm=none"]))
    }
    assert findings["packs"].verdict == "ok"
    assert findings["checkpoint"].verdict == "ok"


@pytest.mark.parametrize("name", ["tests/spaces/conditional.yaml", "slice_reg", "mnist_classifier"])
def test_every_end_is_in_one_of_a_few_corners_and_alone(name):
    space = read(name)
    labels = dict([*covering(space), *alone(space)])
    assert all(space.holds(params) for params in labels.values())
    few = [params for _, params in covering(space)]
    assert len(few) <= 6
    for name, param in space.params.items():
        for value in ends(param):
            assert any(params.get(name) == value for params in few), (name, value)
            alone_too = labels.get(f"{name}={value}", space.default())
            assert alone_too[name] == value


def test_every_end_is_tried_however_little_time_there_is(found, monkeypatch):
    monkeypatch.setattr(checking, "BUDGET", 0.0)
    findings = found("tests.tiny:TinyNet")
    assert findings["corners"].verdict == "ok"
    assert findings["corners"].detail.startswith("3 tried, 0 bad, every end among them")
    assert findings["corners"].detail.endswith("no time to try 3 of them alone")
    findings = found(f"{HERE}:Wide")
    assert findings["all largest"].detail == "ValueError: too wide (lr=1.0, width=4)"
