"""Space files: every one that Ladder brings is whole, and each mistake is named with file and line."""

import random

import pytest

from spaces.params import Choice, Range, parse_param
from spaces.read import names, read
from tests.contracts import SpaceContract


class TestSpaces(SpaceContract):
    @pytest.fixture(params=names())
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


def test_a_file_of_ones_own(tmp_path):
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
    ("data: my.module:Data\n", "", "mine.yaml: the field 'data' is missing"),
    ("my.module:Net", "my.module.Net", "mine.yaml:1: trainable is 'my.module.Net', but must look like"),
    ("mode: min", "mode: less", "mine.yaml:3: objective.mode is 'less', but must be min or max"),
    ("low: 1e-4", "low: 1", "mine.yaml:5: params.lr: low is 1 and high 0.1"),
    ("low: 1e-4", "low: 0", "mine.yaml:5: params.lr.low is 0, but must be above 0"),
    ("low: 8", "lo: 8", "mine.yaml:6: params.width: unknown field 'lo'"),
    ("[relu, gelu]", "[]", "mine.yaml:7: params.act is an empty list"),
    ("[relu, gelu]", "[relu, relu]", "mine.yaml:7: params.act names a value twice"),
    (
        "structure: [width]",
        "structure: [widht]",
        "mine.yaml:9: structure: 'widht' is no parameter; did you mean 'width'",
    ),
    ("params:", "params: {", "is not YAML"),
    ("trainable: my", "- trainable: my", "mine.yaml"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_mistake_is_named_with_file_and_line(tmp_path, old, new, message):
    file = tmp_path / "mine.yaml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError) as caught:
        read(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_are_fixed_and_changed():
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
def test_changes_that_make_no_sense(change, message):
    with pytest.raises(ValueError) as caught:
        read("slice_reg").with_params(change)
    assert message in str(caught.value)


def test_an_unknown_space_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'slice_reg'"):
        read("slice_rge")


def test_log_samples_are_even_in_the_logarithm():
    rng = random.Random(0)
    lr = parse_param({"low": 1e-4, "high": 1.0, "log": True}, "lr")
    draws = [lr.sample(rng) for _ in range(2000)]
    assert 0.45 < sum(draw < 1e-2 for draw in draws) / 2000 < 0.55
