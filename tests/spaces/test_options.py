"""Options that are lists, mappings or null: a configuration has their labels, and a module their values."""

from pathlib import Path

import pytest

from search.config.run_config import from_plain, resolve
from search.engines.train_job import training_setup
from spaces.lane import Lane
from spaces.parse_param import parse_param
from spaces.read import read
from trainables.training.build import values
from trainables.training.setup import Setup

STRUCTURED = Path(__file__).parent / "structured.yaml"
SMALL, LARGE = {"act": "Tanh", "bias": True}, {"act": "ReLU", "bias": False}


@pytest.mark.parametrize(
    ("plain", "options"),
    [
        ([[64, 64], [128], None], ("[64, 64]", "[128]", None)),
        ({"choices": [[64, 64], "wide", 3]}, ("[64, 64]", "wide", 3)),
        ([[64, 64]], ("[64, 64]",)),
        ([{"é": [1, {"b": None}]}], ('{"é": [1, {"b": null}]}',)),
        ({"choices": {"small": 1, "large": [2]}}, ("small", "large")),
        ([64, 128], (64, 128)),
    ],
)
def test_labels_and_the_way_back_to_a_file(plain, options):
    param = parse_param(plain, "x")
    assert param.options == options
    assert parse_param(param.plain(), "x") == param


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"choices": []}, "x.choices is an empty list"),
        ({"choices": {}}, "x.choices is an empty mapping"),
        ([[8], [8]], "x names a value twice: ['[8]', '[8]']"),
        ([[8], "[8]"], "x names a value twice"),
        ([1, "1"], "x names a value twice"),
        ({"choices": {1: [8]}}, "x.choices: the name 1 of an option must be text"),
        ([[b"8"]], "x: b'8' is not a plain value"),
        ([{(1, 2): 3}], "x: the key (1, 2) is not text or a number"),
        ({"choices": [[8]], "default": [9]}, "x.default is '[9]', which is not in [8]"),
        ({"choices": [[8]], "default": [b"9"]}, "x.default: b'9' is not a plain value"),
    ],
)
def test_mistakes(plain, message):
    with pytest.raises(ValueError) as caught:
        parse_param(plain, "x")
    assert message in str(caught.value)


def test_an_option_that_is_nested_too_deep_is_refused():
    nested: list[object] = []
    for _ in range(30):
        nested = [nested]
    with pytest.raises(ValueError, match="x is nested more than 20 deep"):
        parse_param([nested], "x")


def test_the_default_is_a_list_or_a_label():
    for default in ([8], "[8]"):
        assert parse_param({"choices": [[4], [8]], "default": default}, "x").default.value == "[8]"


def change(*overrides):
    return resolve([f"space={STRUCTURED}", *overrides])


@pytest.mark.parametrize(
    ("override", "layers", "net"),
    [
        ("param.net=small", [[4, 4], [8], None], {"small": SMALL}),
        ("param.net=[large,small]", [[4, 4], [8], None], {"large": LARGE, "small": SMALL}),
        ("param.net.choices=[large]", [[4, 4], [8], None], {"large": LARGE}),
        ("param.layers=[8]", [[8]], {"small": SMALL, "large": LARGE}),
        ('param.layers="[4, 4]"', [[4, 4]], {"small": SMALL, "large": LARGE}),
        ("param.layers=[[8],[2,2]]", [[8], [2, 2]], {"small": SMALL, "large": LARGE}),
        ("param.layers=null", None, {"small": SMALL, "large": LARGE}),
    ],
)
def test_overrides_name_options(override, layers, net):
    params = change(override).space.params
    assert params["layers"].plain() == layers
    assert params["net"].plain() == {"choices": net}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("param.net=smal", "param.net=smal: 'smal' is no option; did you mean 'small'"),
        ("param.net=[small,small]", "names a value twice"),
        ('param.layers="[4, 5]"', "'[4, 5]' is no option; did you mean '[4, 4]'"),
        ("param.net.default=huge", "param.net.default is 'huge', which is not in ['small', 'large']"),
    ],
)
def test_mistakes_in_overrides(override, message):
    with pytest.raises(ValueError) as caught:
        change(override)
    assert message in str(caught.value)


def test_seeds_and_conditions_name_options(tmp_path):
    space = read(str(STRUCTURED))
    assert space.default() == {
        "lr": 0.03,
        "layers": "[8]",
        "net": "large",
        "slope": 0.5,
        "count": 32,
        "init": "[0.0, 0.1]",
    }
    assert "slope" not in space.point({"net": "small"})
    file = tmp_path / "s.yaml"
    file.write_text(STRUCTURED.read_text().replace("layers: [8]", "layers: [9]"))
    with pytest.raises(ValueError, match=r"seeds: layers is \[9\], which is not in \['\[4, 4\]'"):
        read(str(file))
    file.write_text(STRUCTURED.read_text().replace("when: {net: large}", "when: {net: huge}"))
    with pytest.raises(ValueError, match="net is never 'huge'"):
        read(str(file))


def test_the_module_gets_values_and_may_change_them():
    config = from_plain(change().plain(), "config.yaml")
    setup = Setup(**training_setup(config))
    lane = Lane(0, config.space.default(), seed=0)
    for _ in range(2):
        got = values(setup, lane)
        assert (got["layers"], got["net"], got["init"]) == ([8], LARGE, [0.0, 0.1])
        got["layers"].clear()
        got["net"].clear()
    assert config == from_plain(change().plain(), "config.yaml")
