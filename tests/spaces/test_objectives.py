"""Objectives and constraints of a space file, and the mistakes in them."""

from dataclasses import asdict

import pytest

from search.config.run_config import from_plain, resolve
from spaces.metrics import MEASURED, measured_names
from spaces.read import read
from spaces.space import Constraint, Objective

SPACE = """\
trainable: tests.tiny:TinyNet
data: tests.tiny:TinyData
objective: [{metric: val_loss, mode: min}, {metric: model/params, mode: max}]
constraint: {metric: model/latency_ms, max: 5}
params:
  lr: 0.1
"""


def test_objectives_and_constraints_are_one_or_several(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SPACE)
    space = read(str(path))
    assert space.objectives == (Objective("val_loss", "min"), Objective("model/params", "max"))
    assert space.constraints == (Constraint("model/latency_ms", max=5),)
    assert space.ranking_metrics == ("val_loss", "model/params", "model/latency_ms")
    path.write_text(SPACE.replace("{metric: model/latency_ms, max: 5}", "[{metric: a, min: 1, max: 2}]"))
    assert read(str(path)).constraints == (Constraint("a", 1, 2),)
    assert not space.ranks_by_value
    assert read("slice_reg").ranks_by_value


def test_a_run_keeps_them(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SPACE)
    config = resolve([f"space={path}"])
    plain = config.plain()
    assert plain["objective"] == [asdict(objective) for objective in config.space.objectives]
    assert plain["constraint"] == [{"metric": "model/latency_ms", "max": 5}]
    assert from_plain(plain, "config.yaml").space == config.space


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (", mode: max", "", "s.yaml: objective.1.mode is missing"),
        ("mode: max", "mode: up", "s.yaml:3: objective.1.mode is 'up', but must be min or max"),
        (
            "model/params",
            "model/size",
            "s.yaml:3: objective.1: 'model/size' is no measured metric; there are: ",
        ),
        ("model/params", "val_loss", "s.yaml:3: objective.1 names val_loss a second time; one objective for"),
        (
            "[{metric: val_loss, mode: min}, {metric: model/params, mode: max}]",
            "[]",
            "must name a metric and its",
        ),
        (
            "[{metric: val_loss, mode: min}, ",
            "[val_loss, ",
            "objective.0 is 'val_loss', but must hold fields",
        ),
        (", max: 5", "", "s.yaml:4: constraint bounds model/latency_ms nowhere; add max: or min:"),
        ("max: 5", "max: small", "s.yaml:4: constraint.max is 'small', but must be a number"),
        ("max: 5", "most: 5", "s.yaml:4: constraint.most is no known field"),
    ],
)
def test_a_mistake_is_named_with_its_line(before, after, message, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SPACE.replace(before, after, 1))
    with pytest.raises(ValueError) as error:
        read(str(path))
    assert message in str(error.value)


def test_measured_metrics_are_told_by_their_name():
    assert measured_names(["val/loss", *MEASURED]) == MEASURED
    with pytest.raises(ValueError, match="no measured metric"):
        measured_names(["model/speed"])
