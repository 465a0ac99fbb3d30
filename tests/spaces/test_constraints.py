"""Rules on parameters: the grammar, and the spaces that have them."""

import random
from dataclasses import replace

import pytest
import yaml

from search.before.check import covering_configurations, one_at_a_time
from search.config.run_config import from_plain, resolve
from spaces.constraints import parse_rule
from spaces.params import Choice, Range
from spaces.read import read

PARAMS = {
    "a": Range(0.0, 1.0),
    "b": Range(-5, 5),
    "net": Choice(("small", "large", None)),
    "flag": Choice((True, False)),
    "mixed": Choice((16, "auto")),
}
VALUES = {"a": 0.5, "b": -2, "net": "small", "flag": False, "mixed": "auto"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a < 1", True),
        ("0 < a <= 0.5", True),
        ("0 < a < b", False),
        ("a * b <= -1 and a - b == 2.5", True),
        ("b // 2 == -1 and b % 2 == 0 and b ** 2 == 4 and b / 4 == -a", True),
        ("not flag", True),
        ("flag or net == 'large'", False),
        ("net in ['small', 'large']", True),
        ("net not in ('small', null)", False),
        ("b in [-2, 3]", True),
        ("net == null", False),
        ("flag == false", True),
        ("min(a, b, 1) == b and max(a, b) == a", True),
        ("abs(b) == 2 and sqrt(abs(b) + 2) == 2 and log(1) == 0", True),
        ("1 / (b + 2) > 0", False),  # a division by zero
        ("1 / (b + 2) <= 0", False),
        ("log(b) < 9", False),
        ("b ** 0.5 < 9", False),  # no real number
        ("9 ** 9 ** 9 > 1", False),  # too large
        ("mixed < 32", False),  # text
        ("mixed == 'auto' or mixed < 32", True),
        ("net * 1000000000 == 1", False),
        (" a\n  < 1 ", True),
    ],
)
def test_what_a_rule_says(text, holds):
    assert parse_rule(text, PARAMS).holds(VALUES) is holds


def test_a_rule_on_an_inactive_parameter_holds():
    assert parse_rule("a > 1 and b > 1", PARAMS).holds({"a": 0.5})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha < 1", "'alpha' is no parameter; "),
        ("nett == 'small'", "'nett' is no parameter; did you mean 'net'"),
        ("exp(a) < 1", "'exp' is no function; there are: abs, log, max, min, sqrt"),
        ("a.real < 1", "'a.real' is not allowed; there are + - * / // % **"),
        ("a[0] < 1", "'a[0]' is not allowed"),
        ("(lambda: a)() < 1", "is not allowed"),
        ("__import__('os').system('true') == 0", "is not allowed"),
        ("[x for x in [1]] == [1]", "is not allowed"),
        ("a if flag else b", "is not allowed"),
        ("(a := 1) < 2", "is not allowed"),
        ("f'{a}' == ''", "is not allowed"),
        ("a is null", "is not allowed"),
        ("~b < 1", "is not allowed"),
        ("b & 1 == 1", "is not allowed"),
        ("3j != a", "'3j' is not allowed"),
        ("[1] == [1]", "is not allowed"),
        ("a in b", "after `in` there must be a list"),
        ("a in [b]", "after `in` there must be a list"),
        ("min(a) < 1", "min takes two values or more"),
        ("sqrt(a, b) < 1", "sqrt takes one value"),
        ("max(*[a], b) < 1", "is not allowed"),
        ("a + b", "'a + b' is neither true nor false"),
        ("a < 1 and b", "'b' is neither true nor false"),
        ("net", "'net' is neither true nor false"),
        ("a <", "this is no expression"),
        ("import os", "this is no expression"),
        ("", "this is no expression"),
        ("a < \0", "this is no expression"),
        ("(" * 240 + "a" + ")" * 240 + " < 1", "this is no expression"),
        ("-" * 480 + "1 < a", "nested"),
        ("a < " + "1" * 500, "it has 504 characters, but may have 500 at most"),
        ("a < " + "+".join("1" * 40), "it is nested more than 30 deep"),
    ],
)
def test_mistakes_in_a_rule(text, message):
    with pytest.raises(ValueError) as caught:
        parse_rule(text, PARAMS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


GOOD = """\
trainable: tests.tiny:TinyNet
data: tests.tiny:TinyData
objective: {metric: val_loss, mode: min}
params:
  beta1: {low: 0.8, high: 0.95}
  beta2: {low: 0.8, high: 0.999, default: 0.99}
  width: {low: 16, high: 256, step: 16}
  depth: {low: 1, high: 8, default: 2}
constraints: ["beta1 < beta2", "width * depth <= 1024"]
seeds: [{width: 64}, {width: 256, depth: 4}]
"""


def written(tmp_path, old="", new=""):
    assert old in GOOD
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    return file


BOTH = '["beta1 < beta2", "width * depth <= 1024"]'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            BOTH,
            "{metric: f, max: 3}",
            "mine.yaml:9: constraints is {'metric': 'f', 'max': 3}, but must be a rule",
        ),
        (BOTH, "[3]", "mine.yaml:9: constraints.0 is 3, but must be a rule on parameters"),
        (
            "beta1 < beta2",
            "beta1 < beta3",
            "constraints.0 is 'beta1 < beta3': 'beta3' is no parameter; did you",
        ),
        (
            "beta1 < beta2",
            "beta1 > 1",
            "mine.yaml:9: constraints: 'beta1 > 1' is a constraint that no configur",
        ),
        (
            BOTH,
            '["depth < 3", "depth > 5"]',
            "constraints: no configuration meets all, of 10,000 random ones",
        ),
        (
            "default: 0.99",
            "default: 0.8",
            "an entry of seeds breaks 'beta1 < beta2' (beta1=0.875, beta2=0.8)",
        ),
        ("depth: 4", "depth: 5", "an entry of seeds breaks 'width * depth <= 1024' (depth=5, width=256)"),
        (
            "constraints",
            "constraint",
            "constraint.0 is 'beta1 < beta2': a rule on parameters is in the field",
        ),
        (
            BOTH,
            f"[{', '.join(['depth < 9'] * 101)}]",
            "constraints has 101 entries, but may have 100 at most",
        ),
    ],
)
def test_mistakes_in_a_file(tmp_path, old, new, message):
    with pytest.raises(ValueError) as caught:
        read(str(written(tmp_path, old, new)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_samples_keep_the_rules(tmp_path):
    space, rng = read(str(written(tmp_path))), random.Random(0)
    for _ in range(200):
        params = space.sample(rng)
        assert params["beta1"] < params["beta2"] and params["width"] * params["depth"] <= 1024
        assert space.holds(params)
    assert not space.holds({**params, "beta1": 0.9, "beta2": 0.85})


def test_the_configuration_of_a_run_has_the_rules(tmp_path):
    config = resolve([f"space={written(tmp_path)}"])
    plain = yaml.safe_load(yaml.safe_dump(config.plain()))
    assert plain["constraints"] == ["beta1 < beta2", "width * depth <= 1024"]
    assert from_plain(plain, "config.yaml").space.rules == config.space.rules


def test_overrides_keep_the_rules(tmp_path):
    space = f"space={written(tmp_path)}"
    kept = resolve([space, "param.depth=5"]).space
    assert kept.seeds == ({"width": 64},)  # the other one would break a rule
    with pytest.raises(ValueError) as caught:
        resolve([space, "param.beta2=0.8"])
    assert "param.beta2=0.8: " in str(caught.value) and "no configuration meets" in str(caught.value)
    with pytest.raises(ValueError) as caught:
        resolve([space, "param.beta2.default=0.81"])
    assert "the default configuration breaks 'beta1 < beta2'" in str(caught.value)


def test_check_leaves_out_bounds_that_break_a_rule(tmp_path):
    space = read(str(written(tmp_path)))
    tried = {**dict(covering_configurations(space)), **dict(one_at_a_time(space))}
    assert "all largest" not in tried and "depth=8" in tried and "width=256" in tried
    assert all(space.broken_rule(params) is None for params in tried.values())


def test_a_sample_of_rules_that_never_hold_is_the_users_error(tmp_path):
    space = read(str(written(tmp_path)))
    space = replace(space, rules=(parse_rule("beta1 > 1", space.params),))
    with pytest.raises(ValueError, match="choose ranges that keep them more often"):
        space.sample(random.Random(0))
