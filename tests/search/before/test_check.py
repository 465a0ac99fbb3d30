"""`check` finds before a search the errors that would end it."""

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from search.before.check import OK, check, covering_configurations, objective, one_at_a_time, values_to_try
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
    """Raises at the upper bound of `width`."""

    def __init__(self, lr: float, width: int = 4):
        if width > 2:
            raise ValueError("too wide")
        super().__init__(lr, width)


class Diverging(TinyNet):
    """Its loss is not finite after a step at a large learning rate."""

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.tensor(float("inf") if self.lr > 0.5 else 1.0))


class Unstorable(TinyNet):
    """Adds an object to its checkpoint that cannot be stored there."""

    def on_save_checkpoint(self, checkpoint):
        checkpoint["mine"] = object()


@pytest.fixture
def findings_of(tmp_path):
    """`findings_of(net, *overrides, **options)`: the findings by the name of the check."""

    def run(net, *overrides, **options):
        file = tmp_path / "s.yaml"
        file.write_text(SPACE.format(net=net))
        config = resolve([f"space={file}", f"storage={tmp_path}", *overrides])
        return {finding.check: finding for finding in check(config, **options)}

    return run


def test_a_sound_space_passes_every_check(findings_of):
    findings = findings_of("tests.tiny:TinyNet")
    assert {name: finding.verdict for name, finding in findings.items()} == {
        "import and data": "ok",
        "objective": "ok",
        "default": "ok",
        "checkpoint": "ok",
        "corners": "ok",
        "memory": "ok",
        "disk": "ok",
        "packs": "ok",
    }
    # The default, all smallest, all largest, two of lr and one of width.
    assert findings["corners"].detail.startswith("6 tried, 0 bad")
    assert findings["packs"].detail.startswith("yes, verified")


@pytest.mark.parametrize(
    ("net", "name", "detail"),
    [
        (f"{HERE}:Misfit", "default", "output and target do not fit: Using a target size (torch.Size([16]))"),
        (f"{HERE}:Wide", "all largest", "ValueError: too wide"),
        (f"{HERE}:Unstorable", "default", "ValueError: checkpoint['mine'] is a object"),
        ("tests.tiny:BrokenNet", "default", "RuntimeError: this module is broken"),
        ("tests.tiny:TinyNett", "import and data", "tiny.py has no 'TinyNett'; did you mean 'TinyNet'"),
    ],
)
def test_an_error_is_named(findings_of, net, name, detail):
    finding = findings_of(net)[name]
    assert finding.verdict == "wrong"
    assert detail in finding.detail


def test_a_bound_that_diverges_is_noted(findings_of):
    findings = findings_of(f"{HERE}:Diverging")
    assert findings["diverging"].verdict == "note"
    assert findings["diverging"].detail == "not finite after one step: all largest, lr=1.0"
    assert findings["corners"].verdict == "ok"


def test_an_objective_that_is_not_logged_is_wrong(findings_of, tmp_path):
    findings = findings_of("tests.tiny:TinyNet", "param.width=2")
    assert findings["default"].verdict == "ok"
    file = tmp_path / "s.yaml"
    file.write_text(SPACE.format(net="tests.tiny:TinyNet").replace("val_loss", "val_los"))
    result = CliRunner().invoke(app, ["check", f"space={file}"])
    assert result.exit_code == 2
    assert "wrong" in result.stdout


def test_all_objectives_and_constraints_are_named(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text(
        "trainable: tests.tiny:TinyNet\ndata: tests.tiny:TinyData\n"
        "objective: [{metric: val_loss, mode: min}, {metric: model/params, mode: min}]\n"
        "constraint: {metric: model/memory_mb, max: 2}\nparams: {lr: [0.1, 0.2]}\n"
    )
    finding = objective(read(str(file)))
    assert finding.verdict == OK
    assert finding.detail == "val_loss (min), model/params (min), model/memory_mb <= 2"


def test_an_objective_that_depends_on_a_searched_loss_is_wrong(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "trainable: trainables.mnist.classifier:Classifier\ndata: trainables.mnist.data:MnistData\n"
        "objective: {metric: val/loss, mode: min}\nparams: {loss: [mse, l1]}\n"
    )
    (finding,) = [f for f in check(resolve([f"space={file}"])) if f.check == "objective"]
    assert finding.verdict == "wrong"
    assert "val/loss is a different quantity for each loss" in finding.detail
    assert read("mnist_classifier").objective.metric == "val/accuracy"


def test_a_learner_can_be_packed():
    config = resolve(["space=mnist_classifier", "param.widths=32", "param.norm=none"])
    findings = {finding.check: finding for finding in check(config, seconds=0.0)}
    assert findings["packs"].verdict == "ok"
    assert findings["checkpoint"].verdict == "ok"


@pytest.mark.parametrize("space_name", ["tests/spaces/conditional.yaml", "slice_reg", "mnist_classifier"])
def test_all_values_are_covered_by_a_few_configurations_and_tried_one_at_a_time(space_name):
    space = read(space_name)
    covering, single = dict(covering_configurations(space)), dict(one_at_a_time(space))
    assert all(space.holds(params) for params in [*covering.values(), *single.values()])
    assert len(covering) <= 6
    for name, param in space.params.items():
        for value in values_to_try(param):
            assert any(params.get(name) == value for params in covering.values()), (name, value)
            assert single.get(f"{name}={value}", space.default())[name] == value


def test_all_bounds_are_tried_however_little_time_there_is(findings_of):
    findings = findings_of("tests.tiny:TinyNet", seconds=0.0)
    assert findings["corners"].verdict == "ok"
    assert findings["corners"].detail.startswith("3 tried, 0 bad, all bounds included")
    assert findings["corners"].detail.endswith("no time to try 3 of them one at a time")
    findings = findings_of(f"{HERE}:Wide", seconds=0.0)
    assert findings["all largest"].detail == "ValueError: too wide (lr=1.0, width=4)"
