"""Space files: every shipped one is valid, and an error message begins with file and line."""

import random
from pathlib import Path

import pytest

from spaces.params import Choice, Range
from spaces.parse_param import parse_param
from spaces.read import names, read
from tests.contracts import SpaceContract

CONDITIONAL = Path(__file__).parent / "conditional.yaml"
STRUCTURED = Path(__file__).parent / "structured.yaml"


class TestSpaces(SpaceContract):
    @pytest.fixture(params=[*names(), str(CONDITIONAL), str(STRUCTURED)])
    def name(self, request):
        return request.param


GOOD = """\
trainable: my.module:Net
data: my.module:Data
objective: {metric: val/loss, mode: min}
params:
  lr: {low: 1e-4, high: 1e-1, log: true}
  width: {low: 8, high: 64}
  act: [relu, gelu]
  fixed: 3
structure: [width]
"""


def test_a_space_file_is_read(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    space = read(str(file))
    assert space.name == "mine"
    assert space.params == {
        "lr": Range(1e-4, 1e-1, log=True),
        "width": Range(8, 64),
        "act": Choice(("relu", "gelu")),
        "fixed": Choice((3,)),
    }
    assert isinstance(space.sample(random.Random(0))["width"], int)


BAD = [
    (
        "data: my.module:Data",
        "dta: my.module:Data",
        "mine.yaml:2: dta is no field of a space; did you mean 'data'",
    ),
    ("my.module:Net", "my.module.Net", "mine.yaml:1: trainable is 'my.module.Net', but must look like"),
    ("mode: min", "mode: less", "mine.yaml:3: objective.mode is 'less', but must be min or max"),
    ("metric: val/loss, ", "", "mine.yaml: objective.metric is missing"),
    ("mode: min", "mode: min, sign: 1", "mine.yaml:3: objective.sign is no known field"),
    (
        "{metric: val/loss, mode: min}",
        "val/loss",
        "mine.yaml:3: objective is 'val/loss', but must hold fields",
    ),
    ("structure: [width]", "structure: width", "mine.yaml:9: structure is 'width', but must be a list of"),
    ("structure: [width]", "options: 3", "mine.yaml:9: options is 3, but must hold fields of its own"),
    ("structure: [width]", "budgets: {full: 3}", "mine.yaml:9: budgets is {'full': 3}, but must hold fields"),
    (
        "structure: [width]",
        "prepare: check",
        "mine.yaml:9: prepare is 'check', but must look like package.mod",
    ),
    ("structure: [width]", "about: [a]", "mine.yaml:9: about is ['a'], but must be text"),
    ("structure: [width]", "seeds: {lr: 1}", "mine.yaml:9: seeds is {'lr': 1}, but must be a list of points"),
    ("structure: [width]", "seeds: [{rl: 1}]", "mine.yaml:9: seeds: 'rl' is no parameter"),
    ("structure: [width]", "seeds: [{lr: 1}]", "mine.yaml:9: seeds: lr is 1, which is not in"),
    ("low: 1e-4", "low: 1", "mine.yaml:5: params.lr: low is 1 and high 0.1"),
    ("low: 1e-4", "low: 0", "mine.yaml:5: params.lr.low is 0, but must be above 0"),
    ("low: 8", "lo: 8", "mine.yaml:6: params.width: unknown field 'lo'"),
    ("low: 8, ", "", "mine.yaml:6: params.width.low is missing"),
    ("low: 8", "low: true", "mine.yaml:6: params.width.low is True, but must be a number"),
    ("high: 64", "high: .inf", "mine.yaml:6: params.width.high is inf, but must be a number"),
    ("log: true", "log: 1", "mine.yaml:5: params.lr.log is 1, but must be true or false"),
    ("[relu, gelu]", "[]", "mine.yaml:7: params.act is an empty list"),
    ("[relu, gelu]", "[relu, relu]", "mine.yaml:7: params.act names a value twice"),
    (
        "structure: [width]",
        "structure: [widht]",
        "mine.yaml:9: structure: 'widht' is no parameter; did you mean 'width'",
    ),
    (
        "[relu, gelu]",
        "{choices: [relu, gelu], when: {fixed: 3}}",
        "mine.yaml:7: params.act.when: 'fixed' is no parameter that stands before this one",
    ),
    (
        "fixed: 3",
        "fixed: {choices: 3, when: {act: rleu}}",
        "mine.yaml:8: params.fixed.when: act is never 'rleu'; it is ['relu', 'gelu']",
    ),
    (
        "fixed: 3",
        "fixed: {choices: 3, low: 1}",
        "mine.yaml:8: params.fixed: unknown field 'low'; choices stand",
    ),
    (
        "fixed: 3",
        "fixed: {choices: 3, when: act}",
        "params.fixed.when is 'act', but must look like {schedule",
    ),
    ("high: 64", "high: 64, default: 65", "mine.yaml:6: params.width.default is 65, which is not in"),
    (
        "high: 64",
        "high: 64, default: {lr: 8}",
        "params.width.default is {'lr': 8}, but must be a value or like",
    ),
    ("structure: [width]", "on: true", "mine.yaml: True is no field of a space"),
    ("structure: [width]", "3: [width]", "mine.yaml:9: 3 is no field of a space"),
    ("fixed: 3", "3: fixed", "params.3.[key] is 3, but must be text"),
    ("params:", "params: {", "is not YAML"),
    ("structure: [width]", "about: !note a", "is not YAML"),
    ("structure: [width]", "about: 2020-13-01", "is not YAML"),
    ("trainable: my", "- trainable: my", "mine.yaml"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_mistakes_in_a_file(tmp_path, old, new, message):
    file = tmp_path / "mine.yaml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError) as caught:
        read(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_with_params_replaces_and_changes():
    space = read("slice_reg")
    changed = space.with_params({"lr": 0.001, "dropout.high": 0.2, "loss": ["mse", "l1"]})
    assert changed.params["lr"] == Choice((0.001,))
    assert changed.params["dropout"] == Range(0.0, 0.2)
    assert changed.params["loss"] == Choice(("mse", "l1"))
    assert changed.params["beta1"] == space.params["beta1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lrr": 1}, "param.lrr=1: there is no parameter 'lrr'; did you mean 'lr'"),
        ({"lr.hgh": 1}, "param.lr: unknown field 'hgh'"),
        ({"lr.high": 1e-9}, "low must be less than high"),
        ({"loss.high": 3}, "loss has no 'high'"),
        ({"lr.high": "x"}, "param.lr.high is 'x', but must be a number"),
    ],
)
def test_mistakes_in_changes(change, message):
    with pytest.raises(ValueError) as caught:
        read("slice_reg").with_params(change)
    assert message in str(caught.value)


def test_an_unknown_space_has_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'slice_reg'"):
        read("slice_rge")


def test_log_samples_are_uniform_in_the_logarithm():
    rng = random.Random(0)
    lr = parse_param({"low": 1e-4, "high": 1.0, "log": True}, "lr")
    draws = [lr.sample(rng) for _ in range(2000)]
    assert 0.45 < sum(draw < 1e-2 for draw in draws) / 2000 < 0.55


def test_a_parameter_is_active_only_under_its_condition():
    space = read(str(CONDITIONAL))
    drawn = [space.sample(random.Random(seed)) for seed in range(200)]
    for params in drawn:
        assert ("warmup" in params) == (params["schedule"] != "constant")
        assert ("norm" in params) == (params["schedule"] == "one_cycle")
        assert ("dropout" in params) == (params.get("norm") == "none")
        assert ("widths" in params) == (params["schedule"] == "constant")
    assert len({tuple(params) for params in drawn}) == 4
    assert not space.holds({"schedule": "constant", "lr": 1e-3, "widths": "64", "warmup": 0.1})
    assert not space.holds({"schedule": "constant", "lr": 1e-3})


def test_a_default_may_depend_on_another_parameter():
    space = read(str(CONDITIONAL))
    assert space.default() == {"schedule": "cosine", "lr": 1e-3, "warmup": 0.0}
    assert space.point({}) == {"schedule": "constant", "lr": 1e-3, "widths": "64"}
    point = space.point({"schedule": "one_cycle"})
    assert point == {"schedule": "one_cycle", "lr": 1e-2, "warmup": 0.1, "norm": "none", "dropout": 0.25}
    assert space.point({"schedule": "cosine"})["lr"] == pytest.approx(10**-2.5)  # no case, so the midpoint


def test_a_change_keeps_the_condition_and_the_default_within_range():
    space = read(str(CONDITIONAL))
    changed = space.with_params({"warmup": 0.2, "lr.high": 5e-3, "norm": ["batch"]})
    assert changed.point({"schedule": "one_cycle"}) == {
        "schedule": "one_cycle",
        "lr": pytest.approx((1e-4 * 5e-3) ** 0.5),
        "warmup": 0.2,
        "norm": "batch",
    }
    assert "warmup" not in changed.point({"schedule": "constant"})
    assert changed.point({"schedule": "constant"})["lr"] == 1e-3
    assert space.with_params({"warmup.default": 0.3}).point({"schedule": "cosine"})["warmup"] == 0.3
    with pytest.raises(ValueError, match=r"param.warmup.default is 0.9, which is not in"):
        space.with_params({"warmup.default": 0.9})
