"""The arguments of a class, and the range to search each of them in, chosen by type, default and name."""

import inspect
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

SET_BY_RUN = {"self", "seed", "batch_seed", "epochs", "max_epochs", "baseline"}
LOG_SCALE = re.compile(
    r"(^|_)(lr|learning_rate|wd|weight_decay|decay|eps|epsilon|reg|lambda|lambd|temperature)(_|$)|_lr"
)
FRACTION = re.compile(r"dropout|(^|_)(p|prob|rate|ratio|momentum|smoothing|alpha|beta\d?|b\d)(_|$)")
WIDTH = re.compile(
    r"(?!(in|input|out|output|image|img|data)_)(.*_)?"
    r"(width|hidden|units|neurons|(hidden|embed|embedding|lin\d*|linear\d*|fc\d*|mlp)_(dim|size|units|features))"
)
NOT_SEARCHED = re.compile(r"log_|patience|prediction_length|(.*_)?(seed|workers|n?classes)(_|$)")
SET_BY_DATA = re.compile(
    r"(^|_)(n|num|in|out|input|output|image|vocab)_|classes|workers|_every|(^|_)dim$|shape|size$"
)


@dataclass(frozen=True)
class Argument:
    """An argument of an `__init__`; `default` is `inspect.Parameter.empty` if it is required."""

    name: str
    type: Any  # None if it has no annotation
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


def arguments(cls: type) -> list[Argument]:
    """The arguments of a class's `__init__`, and of its bases' where it passes `**kwargs` on."""
    known: dict[str, Argument] = {}
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if init is None:
            continue
        try:
            hints = typing.get_type_hints(init)
        except (NameError, TypeError):
            hints = {}
        parameters = inspect.signature(init).parameters.values()
        for p in parameters:
            if p.name not in SET_BY_RUN and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD):
                known.setdefault(p.name, Argument(p.name, hints.get(p.name), p.default))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(known.values())


def search_range(argument: Argument) -> Any:
    """The parameter of a space for an argument, as in its YAML; None if no range can be derived."""
    name, default = argument.name, None if argument.required else argument.default
    kind = without_none(argument.type)
    if NOT_SEARCHED.match(name):
        return None
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    if kind is bool or isinstance(default, bool):
        return [False, True]
    if isinstance(default, int) and kind is not float:
        return integer_range(name, default)
    if kind is float or isinstance(default, float):
        return float_range(name, default)
    return None


def integer_range(name: str, default: int) -> Any:
    """Half, all and twice the default, or a range around a small one; None if the data determines it.

    A width has a range from a quarter to four times the default, on a logarithmic scale.
    """
    if default > 0 and WIDTH.fullmatch(name):
        return {"low": max(1, default // 4), "high": 4 * default, "log": True}
    if default <= 0 or (SET_BY_DATA.search(name) and name != "batch_size"):
        return None
    if default >= 8:
        return sorted({default // 2, default, default * 2})
    return {"low": max(1, default - 1), "high": default + 2}


def float_range(name: str, default: float | None) -> Any:
    """A range that includes the default: of a factor of 10 on a log scale, a fraction, or a factor of 2."""
    if LOG_SCALE.search(name) and (default is None or default > 0):
        middle = 3e-3 if default is None else default
        return {"low": rounded(middle / 10), "high": rounded(middle * 10), "log": True}
    if FRACTION.search(name):
        if default is None or default < 0.5:
            return {"low": 0.0, "high": 0.5}
        distance = rounded(1 - default)  # of a momentum, for example, to 1: the quantity that matters
        return {"low": rounded(max(0.0, 1 - 5 * distance)), "high": round(1 - distance / 5, 6)}
    if not default or not math.isfinite(default) or default < 0:
        return None
    return {"low": rounded(default / 2), "high": rounded(default * 2)}


def rounded(value: float) -> float:
    """The value to three significant digits."""
    return float(f"{value:.3g}")


def without_none(kind: Any) -> Any:
    """The type X of `X | None`; None for any other union."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(kind) if part is not type(None)]
        return rest[0] if len(rest) == 1 else None
    return kind


def in_range(values: Any, value: Any) -> bool:
    """Whether a range or list of choices includes the value."""
    return value in values if isinstance(values, list) else values["low"] <= value <= values["high"]
