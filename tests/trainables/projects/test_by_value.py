"""Arguments are compared by value, and types."""

from collections import OrderedDict
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.projects.by_value import by_value


class Color(Enum):
    RED = 1


def test_equal_values_are_equal():
    def value():
        return {
            "a": [1, 2.5, (None, True)],
            "b": {"c": Path("x"), "d": {1, 2}},
            "nan": float("nan"),
            "f": [len, Color.RED, np.int64(3), torch.nn.Tanh, b"x"],
        }

    assert by_value(value()) == by_value(value())
    assert hash(by_value(value())) == hash(by_value(value()))


def test_other_values_and_types_differ():
    values = [0, False, 0.0, -0.0, "0", None, [], (), [0], [[0]], {}, {0: 1}, OrderedDict(), np.int64(0)]
    values += [Path("0"), lambda: 0, lambda: 0, Color.RED, frozenset(), set(), {"a": 1, "b": 2}, {"a": 1}]
    assert len({by_value(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [torch.zeros(1), np.zeros(1), [object()], {"a": torch.nn.Tanh()}])
def test_other_objects_cannot_be_compared(value):
    with pytest.raises(TypeError, match="by value"):
        by_value(value)
