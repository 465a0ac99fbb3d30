"""Parses a parameter from its YAML value: a scalar, a list of choices, or a mapping of fields.

The fields are `low`, `high` and `log` of a range, or `choices`; `when: {schedule: one_cycle}`; and `default`,
a value or `{optimizer: {sgd: 0.1, adam: 1e-3}}`. Every ValueError begins with `where`, the field's place.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spaces.messages import did_you_mean
from spaces.params import Choice, Default, Param, Range, Value
from spaces.validation import validate

RANGE_FIELDS, COMMON_FIELDS = ("low", "high", "log"), ("when", "default")


def parse_param(plain: Any, where: str, preceding: Mapping[str, Param] | None = None) -> Param:
    """The parameter in `plain`; its conditions may refer to the parameters `preceding` it in the space.

    Raises ValueError for an unknown field, a value that is not plain, an empty or inverted range, an empty or
    repeating list of choices, a condition on a parameter that does not precede it, or a default outside.
    """
    if not isinstance(plain, dict):
        return parse_choice(plain, where)
    preceding = preceding or {}
    known = ("choices", *COMMON_FIELDS) if "choices" in plain else (*RANGE_FIELDS, *COMMON_FIELDS)
    for key in plain:
        if key not in known:
            rule = "choices stand alone" if "choices" in plain else "a range has low, high and log"
            raise ValueError(f"{where}: unknown field {key!r}; {rule}, and both may have when and default")
    param: Param
    if "choices" in plain:
        param = parse_choice(plain["choices"], f"{where}.choices")
    else:
        param = parse_range({key: plain[key] for key in RANGE_FIELDS if key in plain}, where)
    param = replace(param, when=parse_when(plain.get("when", {}), f"{where}.when", preceding))
    if "default" not in plain:
        return param
    return replace(param, default=parse_default(plain["default"], f"{where}.default", param, preceding))


def parse_choice(plain: Any, where: str) -> Choice:
    """A fixed value or a list of values. Raises ValueError if it is empty, repeats a value or holds others
    than plain ones."""
    options = plain if isinstance(plain, list) else [plain]
    if not options:
        raise ValueError(f"{where} is an empty list, but must name at least one value")
    for option in options:
        check_plain(option, where)
    if len(set(map(repr, options))) < len(options):
        raise ValueError(f"{where} names a value twice: {options}")
    return Choice(tuple(options))


def parse_range(plain: Mapping[str, Any], where: str) -> Range:
    """{low, high, log}. Raises ValueError if a field is missing or of another type, or low is not below high
    or not above 0 on a logarithmic scale."""
    param: Range = validate(Range, plain, lambda *path: ".".join((where, *path)))
    if not param.low < param.high:
        raise ValueError(f"{where}: low is {param.low} and high {param.high}, but low must be less than high")
    if param.log and param.low <= 0:
        raise ValueError(f"{where}.low is {param.low}, but must be above 0 on a logarithmic scale")
    return param


def parse_when(plain: Any, where: str, preceding: Mapping[str, Param]) -> dict[str, tuple[Value, ...]]:
    """{parameter: value or list of values}, all of which must hold. Raises ValueError if it is no mapping, or
    a parameter does not precede this one."""
    if not isinstance(plain, dict):
        raise ValueError(f"{where} is {plain!r}, but must look like {{schedule: one_cycle}}")
    when = {}
    for name, values in plain.items():
        check_precedes(name, where, preceding)
        when[name] = parse_choice(values, f"{where}.{name}").options
    return when


def parse_default(plain: Any, where: str, param: Param, preceding: Mapping[str, Param]) -> Default:
    """A value, or {parameter: {its value: the default}}. Raises ValueError if it has another form, the
    parameter does not precede this one, or a default lies outside `param`."""
    if not isinstance(plain, dict):
        default = Default(plain)
    elif len(plain) == 1 and isinstance(cases := next(iter(plain.values())), dict):
        (name,) = plain
        check_precedes(name, where, preceding)
        default = Default(on=name, cases=tuple(cases.items()))
    else:
        raise ValueError(f"{where} is {plain}, but must be a value or like {{optimizer: {{sgd: 0.1}}}}")
    for value in (default.value,) if default.on is None else dict(default.cases).values():
        check_plain(value, where)
        if value not in param:
            raise ValueError(f"{where} is {value!r}, which is not in {replace(param, when={}).plain()}")
    return default


def check_precedes(name: str, where: str, preceding: Mapping[str, Param]) -> None:
    """Raises ValueError if no parameter of that name precedes this one."""
    if name not in preceding:
        hint = did_you_mean(str(name), preceding) if preceding else ""
        raise ValueError(f"{where}: {name!r} is no parameter that stands before this one{hint}")


def check_plain(value: object, where: str) -> None:
    """Raises ValueError for a list, a mapping or a date."""
    if not (value is None or isinstance(value, str | int | float | bool)):
        raise ValueError(f"{where}: {value!r} is not a plain value (text, number, true or false)")
