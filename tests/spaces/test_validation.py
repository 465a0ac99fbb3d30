"""Plain values are checked by pydantic; each mistake is one line."""

from dataclasses import dataclass, field
from typing import Annotated

import pytest
from pydantic import ConfigDict

from spaces.validation import Bool, NonNegativeInt, Number, PositiveInt, Rule, check_value, validate


@dataclass(frozen=True)
class Inner:
    __pydantic_config__ = ConfigDict(extra="forbid")
    share: Number = 0.5


@dataclass(frozen=True)
class Outer:
    count: PositiveInt
    flag: Bool = False
    names: Annotated[tuple[str, ...], Rule("be a list of names")] = ()
    inner: Inner = field(default_factory=Inner)


def at(*path):
    return ".".join(("here", *path))


def test_plain_values_become_a_dataclass():
    plain = {"count": 3, "flag": True, "names": ["a"], "inner": {"share": 1}}
    assert validate(Outer, plain, at) == Outer(3, True, ("a",), Inner(1))


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "here.count is missing (in {here.count})"),
        ({"count": 0}, "here.count is 0, but must be a whole number >= 1 (in {here.count})"),
        ({"count": True}, "here.count is True, but must be a whole number >= 1"),
        ({"count": 1.0}, "here.count is 1.0, but must be a whole number >= 1"),
        ({"count": "1"}, "here.count is '1', but must be a whole number >= 1"),
        ({"count": 1, "flag": 1}, "here.flag is 1, but must be true or false"),
        ({"count": 1, "names": "ab"}, "here.names is 'ab', but must be a list of names"),
        ({"count": 1, "names": ["a", 1]}, "here.names is ['a', 1], but must be a list of names"),
        ({"count": 1, "inner": 3}, "here.inner is 3, but must hold fields of its own"),
        ({"count": 1, "inner": {"share": float("nan")}}, "here.inner.share is nan, but must be a number"),
        ({"count": 1, "inner": {"shrae": 1}}, "here.inner.shrae is no known field"),
    ],
)
def test_mistakes(plain, message):
    with pytest.raises(ValueError) as caught:
        validate(Outer, plain, at, "in {{}}")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_value_of_a_command_option():
    assert check_value(NonNegativeInt, "port", 0) == 0
    with pytest.raises(ValueError, match=r"^top is 0, but must be a whole number >= 1 \(top=\.\.\.\)$"):
        check_value(PositiveInt, "top", 0)
