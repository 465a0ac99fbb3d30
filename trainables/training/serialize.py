"""State of modules, optimizers, schedulers and callbacks as JSON and tensors, so nothing is unpickled.

Lightning's checkpoints are nested dicts. `to_json` moves their tensors to a list and tags every container
with its type; `from_json` reverses it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

CONTAINERS = {"tuple": tuple, "set": set, "list": list}


def to_json(value: Any, tensors: list[Tensor], where: str) -> Any:
    """Converts `value` to JSON's types; appends its tensors and arrays to `tensors`.

    Raises ValueError if `value` contains anything but numbers, text, tensors, arrays, and lists, tuples,
    sets, dicts and Counters of them. `where` begins the message.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor | np.ndarray):
        tensors.append(torch.as_tensor(value))
        return {"array" if isinstance(value, np.ndarray) else "tensor": len(tensors) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        items = value.items()
        pairs = [[to_json(key, tensors, where), to_json(v, tensors, f"{where}[{key!r}]")] for key, v in items]
        return {"counter" if isinstance(value, Counter) else "dict": pairs}
    for name, kind in CONTAINERS.items():
        if isinstance(value, kind):
            return {name: [to_json(item, tensors, where) for item in value]}
    raise ValueError(
        f"{where} is a {type(value).__qualname__}, which a checkpoint can't keep; "
        "keep numbers, text, tensors, lists and dicts of them"
    )


def from_json(plain: Any, tensors: Sequence[Tensor]) -> Any:
    """The value that `to_json` converted to `plain` and `tensors`."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind in ("tensor", "array"):
        return tensors[content] if kind == "tensor" else tensors[content].numpy()
    if kind in ("dict", "counter"):
        pairs = {from_json(key, tensors): from_json(value, tensors) for key, value in content}
        return Counter(pairs) if kind == "counter" else pairs
    return CONTAINERS[kind](from_json(item, tensors) for item in content)
