"""Parses a parameter from its YAML value: a scalar, a list of choices, or a mapping of fields.

The fields are `low`, `high`, `log` and `step` of a range, or `choices`, a list of options or a mapping of a
name to each; `when: {schedule: one_cycle}`; and `default`, a value or `{optimizer: {sgd: 0.1, adam: 1e-3}}`.
Every ValueError begins with `where`, the field's place.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from results.labels import label, labels
from spaces.messages import did_you_mean
from spaces.params import Choice, Default, Param, Range, Value
from spaces.validation import validate

MAX_DEPTH = 20  # of an option
MAX_COUNT = 10**9  # values on a grid
RANGE_FIELDS, COMMON_FIELDS = ("low", "high", "log", "step"), ("when", "default")


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
            rule = "choices stand alone" if "choices" in plain else "a range has low, high, log and step"
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
    """A fixed value, a list of options, or a mapping of names to options.

    Raises ValueError if there is no option, two have the same label, a name is no text, or an option holds
    what a module's argument can't be read from.
    """
    options = plain if isinstance(plain, list | dict) else [plain]
    if not options:
        kind = "mapping" if isinstance(plain, dict) else "list"
        raise ValueError(f"{where} is an empty {kind}, but must name at least one value")
    for name in options if isinstance(options, dict) else ():
        if not isinstance(name, str):
            raise ValueError(f"{where}: the name {name!r} of an option must be text (in quotes)")
    named = isinstance(options, dict)
    values = list(options.values()) if isinstance(options, dict) else options
    for value in values:
        check_plain(value, where)
    known = labels(options)
    if len(set(map(str, known))) < len(known):
        raise ValueError(f"{where} names a value twice: {known}")
    kept = {
        key: deepcopy(value)
        for key, value in zip(known, values, strict=True)
        if named or isinstance(value, list | dict)
    }
    return Choice(tuple(known), values=kept, named=named)


def chosen(plain: Any, param: Param, where: str) -> Any:
    """The new choices `plain` of a parameter, with the options of `param` in place of their labels.

    A list that is itself an option of `param` is that option. Raises ValueError for an unknown label.
    """
    if not isinstance(param, Choice) or not param.values or isinstance(plain, dict):
        return plain
    if isinstance(plain, list) and label(plain) in param.values:
        return [plain]
    options = plain if isinstance(plain, list) else [plain]
    for one in options:
        is_text = param.named or (isinstance(one, str) and one.startswith(("[", "{")))
        if is_text and one not in param.options:
            known = map(str, param.options)
            raise ValueError(f"{where}: {one!r} is no option{did_you_mean(str(one), known)}")
    if not param.named:
        return [param.values.get(one, one) if isinstance(one, str) else one for one in options]
    if len(set(options)) < len(options):
        raise ValueError(f"{where} names a value twice: {options}")
    return {name: param.values[name] for name in options}


def parse_range(plain: Mapping[str, Any], where: str) -> Range:
    """{low, high, log, step}. Raises ValueError if a field is missing or of another type, low is not below
    high or not above 0 on a logarithmic scale, or the step is no part of the range."""
    param: Range = validate(Range, plain, lambda *path: ".".join((where, *path[:1])))
    if not param.low < param.high:
        raise ValueError(f"{where}: low is {param.low} and high {param.high}, but low must be less than high")
    if param.log and param.low <= 0:
        raise ValueError(f"{where}.low is {param.low}, but must be above 0 on a logarithmic scale")
    if param.step is None:
        return param
    if param.log:
        raise ValueError(f"{where} has log and step, but takes one of them")
    if not 0 < param.step <= param.high - param.low:
        width = param.high - param.low
        raise ValueError(f"{where}.step is {param.step}, but must be above 0 and at most high - low, {width}")
    if param.count > MAX_COUNT:
        raise ValueError(
            f"{where}.step is {param.step}, but at most {MAX_COUNT:,} steps lead from low to high"
        )
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
        check_plain(plain, where)
        default = Default(label(plain))
    elif len(plain) == 1 and isinstance(cases := next(iter(plain.values())), dict):
        (name,) = plain
        check_precedes(name, where, preceding)
        check_plain(list(cases.values()), where)
        default = Default(on=name, cases=tuple((case, label(value)) for case, value in cases.items()))
    else:
        raise ValueError(f"{where} is {plain}, but must be a value or like {{optimizer: {{sgd: 0.1}}}}")
    for value in (default.value,) if default.on is None else dict(default.cases).values():
        if value not in param:
            raise ValueError(f"{where} is {value!r}, which is not in {param.domain}")
    return default


def check_precedes(name: str, where: str, preceding: Mapping[str, Param]) -> None:
    """Raises ValueError if no parameter of that name precedes this one."""
    if name not in preceding:
        hint = did_you_mean(str(name), preceding) if preceding else ""
        raise ValueError(f"{where}: {name!r} is no parameter that stands before this one{hint}")


def check_plain(value: object, where: str, depth: int = 0) -> None:
    """Raises ValueError for a date, a set or bytes, also inside of a list or mapping, and for a list or
    mapping that is nested more than MAX_DEPTH deep."""
    if depth > MAX_DEPTH:
        raise ValueError(f"{where} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str | int | float | bool):
                raise ValueError(f"{where}: the key {key!r} is not text or a number")
            check_plain(entry, where, depth + 1)
    elif isinstance(value, list):
        for entry in value:
            check_plain(entry, where, depth + 1)
    elif not (value is None or isinstance(value, str | int | float)):
        raise ValueError(f"{where}: {value!r} is not a plain value (text, number, true or false)")
