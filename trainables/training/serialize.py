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


def to_json(value: Any, tensors: list[Tensor], where: str, others: list[Any] | None = None) -> Any:
    """Converts `value` to JSON's types; appends its tensors and arrays to `tensors`.

    Anything but numbers, text, tensors, arrays, and lists, tuples, sets, dicts and Counters of them is
    appended to `others`; without that list it raises ValueError, whose message `where` begins.
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
        pairs = [
            [to_json(key, tensors, where, others), to_json(v, tensors, f"{where}[{key!r}]", others)]
            for key, v in items
        ]
        return {"counter" if isinstance(value, Counter) else "dict": pairs}
    for name, kind in CONTAINERS.items():
        if isinstance(value, kind):
            return {name: [to_json(item, tensors, where, others) for item in value]}
    if others is not None:
        others.append(value)
        return {"other": len(others) - 1}
    raise ValueError(
        f"{where} is a {type(value).__qualname__}, which a checkpoint can't keep; keep numbers, text, "
        "tensors, lists and dicts of them, or let it be pickled (trust_checkpoints: true in the space file)"
    )


def from_json(plain: Any, tensors: Sequence[Tensor], others: Sequence[Any] = ()) -> Any:
    """The value that `to_json` converted to `plain`, `tensors` and `others`."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind in ("tensor", "array"):
        return tensors[content] if kind == "tensor" else tensors[content].numpy()
    if kind == "other":
        return others[content]
    if kind in ("dict", "counter"):
        pairs = {from_json(key, tensors, others): from_json(value, tensors, others) for key, value in content}
        return Counter(pairs) if kind == "counter" else pairs
    return CONTAINERS[kind](from_json(item, tensors, others) for item in content)
