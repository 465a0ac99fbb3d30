"""What a parameter of a space may be: one of several values, or a range of numbers."""

import difflib
import math
import random
from dataclasses import dataclass
from typing import Any

Value = str | float | int | bool | None


@dataclass(frozen=True)
class Choice:
    """One of several values; a fixed parameter is a choice of one."""

    options: tuple[Value, ...]

    def sample(self, rng: random.Random) -> Value:
        return rng.choice(self.options)

    @property
    def middle(self) -> Value:
        """Where to begin if nothing is known: the first."""
        return self.options[0]

    def __contains__(self, value: object) -> bool:
        return value in self.options

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        return list(self.options) if len(self.options) > 1 else self.options[0]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, uniform or (`log`) uniform in the logarithm.

    Whole numbers where both ends are whole, unless the space says otherwise by writing 1.0 for 1.
    """

    low: float
    high: float
    log: bool = False

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

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        return {"low": self.low, "high": self.high} | ({"log": True} if self.log else {})


Param = Choice | Range


def nearest(name: str, known: Any) -> str:
    """A hint that names what `name` may have been meant to be, or what there is."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(known))}"


def parse_param(plain: Any, where: str) -> Param:
    """A parameter from its YAML value: a scalar, a list of choices, or {low, high, log}.

    Raises ValueError that begins with `where`.
    """
    if isinstance(plain, dict):
        unknown = set(plain) - {"low", "high", "log"}
        if unknown:
            raise ValueError(f"{where}: unknown field {sorted(unknown)[0]!r}; a range has low, high and log")
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
    options = plain if isinstance(plain, list) else [plain]
    if not options:
        raise ValueError(f"{where} is an empty list, but must name at least one value")
    for option in options:
        if not (option is None or isinstance(option, str | int | float | bool)):
            raise ValueError(f"{where}: {option!r} is not a plain value (text, number, true or false)")
    if len(set(map(repr, options))) < len(options):
        raise ValueError(f"{where} names a value twice: {options}")
    return Choice(tuple(options))
