"""by_value(...): a hashable that is equal exactly for equal arguments."""

from collections.abc import Hashable, Mapping
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

ATOMS = (type(None), bool, int, str, bytes, complex, PurePath, Enum)
BY_IDENTITY = (type, FunctionType, BuiltinFunctionType)


def by_value(value: Any) -> Hashable:
    """A hashable that is equal exactly for values of equal types and content, in the same order.

    Numbers, text, paths, None, enumerations, and lists, tuples, sets and mappings of them; functions and
    classes are equal to themselves. Raises TypeError for any other object, which can't be compared.
    """
    kind = type(value)
    if isinstance(value, BY_IDENTITY):
        return "identity", value
    if isinstance(value, float | np.generic):
        return kind, repr(value)  # nan too is equal to itself
    if isinstance(value, ATOMS):
        return kind, value
    if isinstance(value, list | tuple):
        return kind, tuple(map(by_value, value))
    if isinstance(value, set | frozenset):
        return kind, frozenset(map(by_value, value))
    if isinstance(value, Mapping):
        return kind, tuple((by_value(name), by_value(one)) for name, one in value.items())
    raise TypeError(f"a {kind.__name__} can't be compared by value")
