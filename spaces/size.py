"""The number of configurations of a space, and all of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from spaces.params import Choice, Param, Range, Value, is_active
from spaces.space import Space

COUNTED = 100_000  # configurations that are tried against the rules of a space
OTHER = "\0other"  # stands for all values that no condition names


def configurations(space: Space) -> float:
    """How many different configurations a space has; infinite if a range of real numbers can be active.

    Rules on parameters are counted by trying all configurations, up to COUNTED of them; of a larger space
    the number is that without its rules.
    """
    number = without_rules(space)
    if not space.rules or number > COUNTED:
        return number
    return sum(1 for _ in every_configuration(space))


def without_rules(space: Space) -> float:
    """How many configurations there are, whatever the rules.

    The parameters are gone through in order. What is kept of a configuration are the values that later
    conditions name.
    """
    named: dict[str, set[Value]] = {name: set() for name in space.params}
    for param in space.params.values():
        for name, allowed in param.when.items():
            named[name].update(allowed)
    numbers: dict[tuple[tuple[str, Value], ...], float] = {(): 1}
    for name, param in space.params.items():
        after: dict[tuple[tuple[str, Value], ...], float] = defaultdict(float)
        for state, number in numbers.items():
            if not is_active(param, dict(state)):
                after[state] += number
                continue
            own = [value for value in named[name] if value in param]
            for value in own:
                after[*state, (name, value)] += number
            if rest := options(param) - len(own):
                after[(*state, (name, OTHER)) if own else state] += number * rest
        numbers = after
    return sum(numbers.values())


def options(param: Param) -> float:
    """How many values a parameter has."""
    match param:
        case Choice(values):
            return len(set(values))
        case Range() if param.step is not None:
            return param.count
        case Range(low, high) if param.is_integer or low == high:
            return int(high - low) + 1
        case _:
            return inf


def every_configuration(space: Space) -> Iterator[dict[str, Value]]:
    """All configurations of a space that keep its rules, one after the other; none with real numbers."""

    def completed(
        params: Sequence[tuple[str, Param]], values: dict[str, Value]
    ) -> Iterator[dict[str, Value]]:
        if not params:
            yield values
            return
        (name, param), *rest = params
        if not is_active(param, values):
            yield from completed(rest, values)
            return
        for value in values_of(param):
            yield from completed(rest, {**values, name: value})

    every = completed(list(space.params.items()), {})
    return (values for values in every if not space.broken_rule(values))


def values_of(param: Param) -> Iterable[Value]:
    """The values of a choice or of a range of integers, in order; none of another range."""
    match param:
        case Choice(values):
            return dict.fromkeys(values)
        case Range() if param.step is not None:
            return map(param.at, range(param.count))
        case Range(low, high) if param.is_integer:
            return range(int(low), int(high) + 1)
        case Range(low, high) if low == high:
            return (low,)
        case _:
            return ()
