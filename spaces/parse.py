"""Parses a parameter from its YAML value: a scalar, a list of choices, or fields.

The fields: `low`, `high` and `log` of a range, or `choices`; `when: {schedule: one_cycle}`; and `default`,
a value or `{optimizer: {sgd: 0.1, adam: 1e-3}}`. Each mistake is a ValueError that begins with where it is.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spaces.params import Choice, Default, Param, Range, Value, nearest

RANGE, MORE = ("low", "high", "log"), ("when", "default")


def parse_param(plain: Any, where: str, before: Mapping[str, Param] | None = None) -> Param:
    """A parameter; `before` are those that stand before it, which its conditions may name.

    Raises ValueError.
    """
    if not isinstance(plain, dict):
        return parse_choice(plain, where)
    known = ("choices", *MORE) if "choices" in plain else (*RANGE, *MORE)
    for key in plain:
        if key not in known:
            rule = "choices stand alone" if "choices" in plain else "a range has low, high and log"
            raise ValueError(f"{where}: unknown field {key!r}; {rule}, and either may have when and default")
    if "choices" in plain:
        param: Param = parse_choice(plain["choices"], f"{where}.choices")
    else:
        param = parse_range(plain, where)
    when = parse_when(plain.get("when", {}), f"{where}.when", before or {})
    param = replace(param, when=when)
    if "default" in plain:
        param = replace(
            param, default=parse_default(plain["default"], f"{where}.default", param, before or {})
        )
    return param


def parse_choice(plain: Any, where: str) -> Choice:
    """A fixed value or a list of values."""
    options = plain if isinstance(plain, list) else [plain]
    if not options:
        raise ValueError(f"{where} is an empty list, but must name at least one value")
    for option in options:
        check_plain(option, where)
    if len(set(map(repr, options))) < len(options):
        raise ValueError(f"{where} names a value twice: {options}")
    return Choice(tuple(options))


def parse_range(plain: Mapping[str, Any], where: str) -> Range:
    """{low, high, log}."""
    low, high, log = plain.get("low"), plain.get("high"), plain.get("log", False)
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{where}.{name} is {value!r}, but must be a number")
    if not isinstance(log, bool):
        raise ValueError(f"{where}.log is {log!r}, but must be true or false")
    assert isinstance(low, int | float) and isinstance(high, int | float)
    if not low < high:
        raise ValueError(f"{where}: low is {low} and high {high}, but low must be less than high")
    if log and low <= 0:
        raise ValueError(f"{where}.low is {low}, but must be above 0 on a logarithmic scale")
    return Range(low, high, log)


def parse_when(plain: Any, where: str, before: Mapping[str, Param]) -> dict[str, tuple[Value, ...]]:
    """{parameter: value or list of values}, all of which must hold."""
    if not isinstance(plain, dict):
        raise ValueError(f"{where} is {plain!r}, but must look like {{schedule: one_cycle}}")
    when = {}
    for name, values in plain.items():
        check_before(name, where, before)
        when[name] = parse_choice(values, f"{where}.{name}").options
    return when


def parse_default(plain: Any, where: str, param: Param, before: Mapping[str, Param]) -> Default:
    """A value, or {parameter: {its value: the default}}."""
    if not isinstance(plain, dict):
        default = Default(plain)
    elif len(plain) == 1 and isinstance(cases := next(iter(plain.values())), dict):
        (name,) = plain
        check_before(name, where, before)
        default = Default(on=name, cases=tuple(cases.items()))
    else:
        raise ValueError(f"{where} is {plain}, but must be a value or like {{optimizer: {{sgd: 0.1}}}}")
    for value in (default.value,) if default.on is None else dict(default.cases).values():
        check_plain(value, where)
        if value not in param:
            raise ValueError(f"{where} is {value!r}, which is not in {replace(param, when={}).plain()}")
    return default


def check_before(name: str, where: str, before: Mapping[str, Param]) -> None:
    if name not in before:
        hint = nearest(name, before) if before else ""
        raise ValueError(f"{where}: {name!r} is no parameter that stands before this one{hint}")


def check_plain(value: object, where: str) -> None:
    if not (value is None or isinstance(value, str | int | float | bool)):
        raise ValueError(f"{where}: {value!r} is not a plain value (text, number, true or false)")
