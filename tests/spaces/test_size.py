"""The number of configurations of a space against their enumeration."""

from dataclasses import replace
from math import inf

import pytest

from spaces.constraints import parse_rule
from spaces.params import Choice, Range
from spaces.size import configurations, every_configuration
from tests.history import SPACE

CONDITIONAL = {
    "n": Range(1, 4),
    "kind": Choice(("a", "b", "c", None)),
    "depth": Range(2, 3, when={"kind": ("a",)}),
    "gate": Choice((True, "x"), when={"kind": ("b", None), "n": (1, 3)}),
    "slope": Choice((0.1, 0.2, 0.3), when={"gate": ("x",)}),
    "fixed": Range(0.5, 0.5),
}
GRID = {"x": Choice((0.1, 0.2, 0.3)), "n": Range(1, 4, log=True)}


@pytest.mark.parametrize(
    ("params", "size"),
    [
        (GRID, 12),
        (CONDITIONAL, 32),  # a: 4 * 2; b and None: 2 * (2 * (1 + 3) + 2); c: 4
        ({"n": Range(32, 100, step=32), "rate": Range(0.1, 0.5, step=0.1)}, 15),
        ({"n": Range(1, 10**30)}, 1e30),
        ({"x": Range(0.0, 1.0)}, inf),
        ({"c": Choice((1, 2)), "x": Range(0.0, 1.0, when={"c": (2,)})}, inf),
        ({"c": Choice((1, 2)), "x": Range(0.0, 1.0, when={"c": (3,)})}, 2),  # never active
    ],
)
def test_the_number_of_configurations(params, size):
    space = replace(SPACE, params=params)
    assert configurations(space) == size
    if size < 100:
        every = list(every_configuration(space))
        assert len({frozenset(one.items()) for one in every}) == len(every) == size
        assert all(space.holds(one) for one in every)


def test_configurations_that_break_a_rule_do_not_count():
    params = {"a": Range(1, 4), "b": Range(1, 4)}
    space = replace(SPACE, params=params, rules=(parse_rule("a < b", params),))
    assert configurations(space) == len(list(every_configuration(space))) == 6
