"""Ranges with a step: their values, and the rules of the field."""

import random

import pytest

from search.before.check import values_to_try
from search.config.run_config import from_plain, resolve
from spaces.params import Range
from spaces.parse_param import parse_param

WIDTH = Range(32, 500, step=32)
RATE = Range(0.1, 0.5, step=0.1)


def test_the_values_of_a_grid():
    assert (WIDTH.count, WIDTH.last, WIDTH.is_integer) == (15, 480, True)
    assert (RATE.count, RATE.last, RATE.is_integer) == (5, 0.5, False)
    assert [RATE.at(position) for position in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert Range(0, 1, step=0.25).at(2) == 0.5
    assert (WIDTH.nearest(70), WIDTH.nearest(1e9), WIDTH.nearest(-5)) == (64, 480, 32)
    assert 0.1 + 0.2 in RATE and 0.35 not in RATE and 0.6 not in RATE
    assert 480 in WIDTH and 500 not in WIDTH and 40 not in WIDTH
    assert WIDTH.fallback in WIDTH and RATE.fallback == 0.3
    assert values_to_try(WIDTH) == (32, 480)


def test_samples_are_uniform_on_the_grid():
    rng = random.Random(0)
    draws = [RATE.sample(rng) for _ in range(2000)]
    assert set(draws) == {0.1, 0.2, 0.3, 0.4, 0.5}
    assert all(0.15 < draws.count(value) / 2000 < 0.25 for value in set(draws))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"step": 0}, "x.step is 0, but must be above 0 and at most high - low, 90"),
        ({"step": -1}, "x.step is -1, but must be above 0"),
        ({"step": 91}, "x.step is 91, but must be above 0 and at most high - low, 90"),
        ({"step": 10, "log": True}, "x has log and step, but takes one of them"),
        ({"step": "x"}, "x.step is 'x', but must be a number"),
        ({"step": True}, "x.step is True, but must be a number"),
        ({"step": 1e-9}, "x.step is 1e-09, but at most 1,000,000,000 steps lead from low to high"),
        ({"low": -1e308, "high": 1e308, "step": 1e-300}, "steps lead from low to high"),
        (
            {"step": 20, "default": 35},
            "x.default is 35, which is not in {'low': 10, 'high': 100, 'step': 20}",
        ),
    ],
)
def test_mistakes(fields, message):
    with pytest.raises(ValueError) as caught:
        parse_param({"low": 10, "high": 100, **fields}, "x")
    assert message in str(caught.value)


def test_a_step_on_the_command_line_and_in_the_configuration_of_a_run():
    config = resolve(["space=mnist_classifier", "param.dropout.step=0.1", "param.dropout.high=0.45"])
    assert config.space.params["dropout"] == Range(0.0, 0.45, step=0.1)
    plain = config.plain()
    assert plain["params"]["dropout"] == {"low": 0.0, "high": 0.45, "step": 0.1}
    assert from_plain(plain, "config.yaml").space.params == config.space.params


def test_a_seed_off_the_grid_is_refused(tmp_path):
    file = tmp_path / "s.yaml"
    fields = {"trainable": "a:b", "data": "a:b", "objective": "{metric: f, mode: min}"}
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    file.write_text(f"{text}params: {{width: {{low: 32, high: 512, step: 32}}}}\nseeds: [{{width: 40}}]\n")
    with pytest.raises(ValueError, match="seeds: width is 40, which is not in"):
        resolve([f"space={file}"])
