"""A parameter of a space: one of several values, or a range of numbers.

A configuration is plain: an option that is a list or a mapping, or has a name, is there under its label
(results/labels.py). Only the module gets the value that the label stands for.

Both may have a condition: the parameter is active only `when` earlier parameters have certain values. Both
may have a default, fixed or depending on the value of an earlier parameter.
"""

import math
import random
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from spaces.validation import Bool, Number

Value = str | float | int | bool | None
When = Mapping[str, tuple[Value, ...]]  # earlier parameters, and the values that activate this one


@dataclass(frozen=True)
class Default:
    """Initial value of a parameter: `value`, or the one in `cases` for the value of parameter `on`."""

    value: Value = None
    on: str | None = None
    cases: tuple[tuple[Value, Value], ...] = ()

    def lookup(self, values: Mapping[str, Value]) -> tuple[Value, ...]:
        """The default, given the values of earlier parameters: a tuple of one, empty if no case applies."""
        if self.on is None:
            return (self.value,)
        return tuple(default for case, default in self.cases if case == values.get(self.on))

    def plain(self) -> Any:
        """As in a YAML file."""
        return self.value if self.on is None else {self.on: dict(self.cases)}


@dataclass(frozen=True)
class Choice:
    """One of several values; a fixed parameter is a choice of one."""

    options: tuple[Value, ...]  # labels
    when: When = field(default_factory=dict)
    default: Default | None = None
    values: Mapping[Value, Any] = field(default_factory=dict)  # by label; without it, the value is the label
    named: bool = False  # whether the labels are names, and `values` has all of them

    def sample(self, rng: random.Random) -> Value:
        """One of the options, with equal probabilities."""
        return rng.choice(self.options)

    @property
    def fallback(self) -> Value:
        """Initial value where there is no default: the first option."""
        return self.options[0]

    @property
    def bounds(self) -> tuple[Value, Value]:
        """Smallest and largest option if all are numbers, else the first and the last."""
        numbers = [o for o in self.options if isinstance(o, int | float) and not isinstance(o, bool)]
        if len(numbers) == len(self.options):
            return min(numbers), max(numbers)
        return self.options[0], self.options[-1]

    def __contains__(self, value: object) -> bool:
        return value in self.options

    def value_at(self, coordinate: float) -> Value:
        """The option at a coordinate; all have equal shares of [0, 1]."""
        return self.options[share(coordinate, len(self.options))]

    def coordinate(self, value: Any) -> float:
        """The coordinate of an option: the middle of its share."""
        return (self.options.index(value) + 0.5) / len(self.options)

    def from_column(self, value: Any) -> Value:
        """The option for a value of a run's table. Options of mixed types are stored there as text."""
        by_text = {str(option): option for option in self.options}
        return self.options[self.options.index(value)] if value in self.options else by_text[value]

    @property
    def domain(self) -> Any:
        """The options, for a message."""
        return list(self.options) if len(self.options) > 1 else self.options[0]

    def plain(self) -> Any:
        """As in a YAML file."""
        extra = when_and_default(self)
        if self.named:
            return {"choices": deepcopy(dict(self.values)), **extra}
        # A copy of each: YAML writes an object that is there twice as an alias.
        values = [deepcopy(self.values.get(option, option)) for option in self.options]
        if len(values) == 1 and not self.values:
            values = values[0]
        return {"choices": values, **extra} if extra else values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, uniform or (`log`) uniform in the logarithm.

    Integers if all of these are integers; write 1.0 instead of 1 for real numbers. With a `step` the values
    are `low`, `low + step` and so on: the grid. `high` need not be on it.
    """

    low: Number
    high: Number
    log: Bool = False
    step: Number | None = None
    when: When = field(default_factory=dict)
    default: Default | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the values are integers."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 0))

    @property
    def count(self) -> int:
        """The number of values on the grid. A range without a step has none."""
        # In decimals, as the file has them: 0.1 + 0.2 is 0.3.
        low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step))
        return int((high - low) / step) + 1

    @property
    def last(self) -> Number:
        """The largest value."""
        return self.high if self.step is None else self.at(self.count - 1)

    def at(self, position: int) -> Number:
        """The value at a position on the grid, from 0."""
        number = Decimal(str(self.low)) + position * Decimal(str(self.step))
        return int(number) if self.is_integer else float(number)

    def nearest(self, number: Number) -> Number:
        """The value nearest to a number."""
        number = min(max(number, self.low), self.last)
        if self.step is not None:
            return self.at(round((number - self.low) / self.step))
        return round(number) if self.is_integer else number

    def sample(self, rng: random.Random) -> Value:
        """A number drawn uniformly, in the logarithm if `log`."""
        if self.step is not None:
            return self.at(rng.randrange(self.count))
        if self.log:
            return self.nearest(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        return self.nearest(rng.uniform(self.low, self.high))

    @property
    def fallback(self) -> Value:
        """Initial value where there is no default: the midpoint, on the logarithmic scale if `log`."""
        return self.nearest(math.sqrt(self.low * self.high) if self.log else (self.low + self.last) / 2)

    @property
    def bounds(self) -> tuple[Value, Value]:
        """Smallest and largest value."""
        return self.low, self.last

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or abs(value - self.nearest(value)) <= 1e-8 * self.step

    def value_at(self, coordinate: float) -> Value:
        """The value at a coordinate from 0 to 1; all on a grid have equal shares."""
        if self.step is not None:
            return self.at(share(coordinate, self.count))
        if self.log:
            return self.nearest(math.exp(math.log(self.low) + coordinate * math.log(self.high / self.low)))
        return self.nearest(self.low + coordinate * (self.high - self.low))

    def coordinate(self, value: Any) -> float:
        """The coordinate of a value; of one on a grid, the middle of its share."""
        if self.low == self.high:
            return 0.5
        if self.step is not None:
            number = (round((value - self.low) / self.step) + 0.5) / self.count
        elif self.log:
            number = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            number = (value - self.low) / (self.high - self.low)
        return min(max(number, 0.0), 1.0)

    def from_column(self, value: Any) -> Value:
        """The value for a value of a run's table: the same."""
        return value

    @property
    def domain(self) -> dict[str, Any]:
        """The fields of the range."""
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high} | ({"log": True} if self.log else {}) | step

    def plain(self) -> Any:
        """As in a YAML file."""
        return {**self.domain, **when_and_default(self)}


Param = Choice | Range


def share(coordinate: float, count: int) -> int:
    """Which of `count` equal shares of [0, 1] a coordinate is in."""
    return min(int(coordinate * count), count - 1)


def is_active(param: Param, values: Mapping[str, Value]) -> bool:
    """Whether the parameter is active, given the values of the active parameters before it."""
    return all(name in values and values[name] in allowed for name, allowed in param.when.items())


def initial_value(param: Param, values: Mapping[str, Value]) -> Value:
    """The default, given the values of earlier parameters; the fallback if none applies or lies outside."""
    defaults = param.default.lookup(values) if param.default else ()
    return defaults[0] if defaults and defaults[0] in param else param.fallback


def restrict_default(default: Default | None, param: Param) -> Default | None:
    """The part of a default that lies within a parameter whose range has changed; None if nothing does."""
    if default is None or default.on is None:
        return default if default and default.value in param else None
    cases = tuple((case, value) for case, value in default.cases if value in param)
    return replace(default, cases=cases) if cases else None


def when_and_default(param: Param) -> dict[str, Any]:
    """The fields `when` and `default` of a parameter, where it has them, as in a YAML file."""
    when = {name: list(values) if len(values) > 1 else values[0] for name, values in param.when.items()}
    return ({"when": when} if when else {}) | ({"default": param.default.plain()} if param.default else {})
