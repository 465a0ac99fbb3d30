"""Configurations as points: the way there and back, and distances of features."""

import random
from dataclasses import replace

import numpy as np
import pytest

from search.core.model.encoding import Encoding
from spaces.params import Choice, Range
from spaces.read import names, read
from tests.history import SPACE

CONDITIONAL = replace(
    SPACE,
    params={
        **SPACE.params,
        "y": Range(0.0, 1.0, when={"c": ("a", 3)}),
        "log_n": Range(1, 1000, log=True),
        "z": Choice(("p", "q"), when={"c": ("a",)}),
        "grid": Range(0.1, 0.95, step=0.2),
    },
)


def distance(encoding, one, other):
    features = encoding.features(np.array([encoding.point(one), encoding.point(other)]))
    return float(np.linalg.norm(features[0] - features[1]))


@pytest.mark.parametrize("space", [SPACE, CONDITIONAL, *map(read, names())], ids=lambda space: space.name)
def test_there_and_back(space):
    encoding, rng = Encoding(space), random.Random(0)
    for _ in range(50):
        params = space.sample(rng)
        point = np.array(encoding.point(params))
        assert ((point >= 0) & (point <= 1)).all()
        back = encoding.configuration(point)
        assert back.keys() == params.keys()
        for name, value in params.items():
            assert back[name] == (pytest.approx(value) if isinstance(value, float) else value)


def test_a_random_point_has_the_features_of_its_configuration():
    encoding = Encoding(CONDITIONAL)
    points = np.random.default_rng(0).random((200, len(CONDITIONAL.params)))
    again = np.array([encoding.point(encoding.configuration(point)) for point in points])
    assert encoding.features(points) == pytest.approx(encoding.features(again))
    assert all(CONDITIONAL.holds(encoding.configuration(point)) for point in points)


def test_distances():
    encoding = Encoding(CONDITIONAL)
    base = {"x": 0.2, "n": 1, "lr": 1e-5, "c": "a", "y": 0.5, "log_n": 10, "z": "p", "grid": 0.1}
    assert distance(encoding, base, base) == 0
    assert distance(encoding, base, {**base, "x": 0.5}) == pytest.approx(0.3)
    assert distance(encoding, base, {**base, "lr": 1.0}) == pytest.approx(1.0)
    assert distance(encoding, base, {**base, "lr": 1e-3}) == pytest.approx(0.4)  # two of five decades
    assert distance(encoding, base, {**base, "n": 8}) == pytest.approx(1.0)
    assert distance(encoding, base, {**base, "log_n": 100}) == pytest.approx(1 / 3)
    assert distance(encoding, base, {**base, "grid": 0.9}) == pytest.approx(1.0)
    assert distance(encoding, base, {**base, "grid": 0.3}) == pytest.approx(0.25)
    assert distance(encoding, base, {**base, "z": "q"}) == pytest.approx(1.0)


def test_a_constant_parameter_has_one_place():
    space = replace(SPACE, params={"k": Range(3, 3), "f": Range(2.0, 2.0), "c": Choice(("only",))})
    encoding = Encoding(space)
    points = np.array([[0.0, 0.3, 0.9], encoding.point({"k": 3, "f": 2.0, "c": "only"})])
    features = encoding.features(points)
    assert (features[0, 0], features[0, 2]) == (features[1, 0], features[1, 2])
    assert encoding.configuration(points[0]) == {"k": 3, "f": 2.0, "c": "only"}
