"""What a parameter of a space may be: one of several values, or a range of numbers.

Either may count only `when` parameters before it have certain values, and say where to begin (`default`),
alone or by the value of a parameter before it.
"""

import difflib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Value = str | float | int | bool | None
When = Mapping[str, tuple[Value, ...]]  # parameters, and the values at which another one counts


@dataclass(frozen=True)
class Default:
    """Where to begin: at `value`, or by the value of parameter `on` at what `cases` has for it."""

    value: Value = None
    on: str | None = None
    cases: tuple[tuple[Value, Value], ...] = ()

    def given(self, values: Mapping[str, Value]) -> tuple[Value, ...]:
        """The default beside these values of other parameters; empty if there is none for them."""
        if self.on is None:
            return (self.value,)
        return tuple(start for case, start in self.cases if case == values.get(self.on))

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        return self.value if self.on is None else {self.on: dict(self.cases)}


@dataclass(frozen=True)
class Choice:
    """One of several values; a fixed parameter is a choice of one."""

    options: tuple[Value, ...]
    when: When = field(default_factory=dict)
    default: Default | None = None

    def sample(self, rng: random.Random) -> Value:
        return rng.choice(self.options)

    @property
    def middle(self) -> Value:
        """Where to begin if nothing is known: the first."""
        return self.options[0]

    @property
    def ends(self) -> tuple[Value, Value]:
        """The smallest and the largest of numbers, else the first and the last."""
        numbers = [o for o in self.options if isinstance(o, int | float) and not isinstance(o, bool)]
        whole = len(numbers) == len(self.options)
        return (min(numbers), max(numbers)) if whole else (self.options[0], self.options[-1])

    def __contains__(self, value: object) -> bool:
        return value in self.options

    def from_column(self, value: Any) -> Value:
        """The option that stands in a run's table; those of several types stand there as text."""
        by_text = {str(option): option for option in self.options}
        return self.options[self.options.index(value)] if value in self.options else by_text[value]

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        values = list(self.options) if len(self.options) > 1 else self.options[0]
        more = conditions(self)
        return {"choices": values, **more} if more else values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, uniform or (`log`) uniform in the logarithm.

    Whole numbers where both ends are whole, unless the space says otherwise by writing 1.0 for 1.
    """

    low: float
    high: float
    log: bool = False
    when: When = field(default_factory=dict)
    default: Default | None = None

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def sample(self, rng: random.Random) -> Value:
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value

    @property
    def middle(self) -> Value:
        """Where to begin if nothing is known: the middle of the scale."""
        value = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return round(value) if self.whole else value

    @property
    def ends(self) -> tuple[Value, Value]:
        """The smallest and the largest."""
        return self.low, self.high

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def from_column(self, value: Any) -> Value:
        """What stands in a run's table."""
        return value

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        ends = {"low": self.low, "high": self.high} | ({"log": True} if self.log else {})
        return {**ends, **conditions(self)}


Param = Choice | Range


def is_active(param: Param, values: Mapping[str, Value]) -> bool:
    """Whether the parameter counts beside these values of those before it."""
    return all(name in values and values[name] in allowed for name, allowed in param.when.items())


def start(param: Param, values: Mapping[str, Value]) -> Value:
    """Where to begin with a parameter beside these values of those before it: its default, or its middle."""
    known = param.default.given(values) if param.default else ()
    return known[0] if known and known[0] in param else param.middle


def fitting(default: Default | None, param: Param) -> Default | None:
    """What of a default lies in a parameter that has changed."""
    if default is None or default.on is None:
        return default if default and default.value in param else None
    cases = tuple((case, value) for case, value in default.cases if value in param)
    return replace(default, cases=cases) if cases else None


def conditions(param: Param) -> dict[str, Any]:
    """`when` and `default`, where there are any, as they would stand in a YAML file."""
    when = {name: list(values) if len(values) > 1 else values[0] for name, values in param.when.items()}
    return ({"when": when} if when else {}) | ({"default": param.default.plain()} if param.default else {})


def nearest(name: str, known: Any) -> str:
    """A hint that names what `name` may have been meant to be, or what there is."""
    longer = [key for key in known if str(key).endswith(f".{name}")]  # lr, for param.lr
    close = longer or difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(known))}"
