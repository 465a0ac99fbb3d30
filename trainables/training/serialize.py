"""What modules, optimizers, schedulers and callbacks keep, as JSON and tensors: nothing to unpickle.

Lightning's checkpoints are dicts of dicts. `apart` takes the tensors out and leaves what JSON can hold, in
which every container says what it is; `whole` puts them together again.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

CONTAINERS = {"tuple": tuple, "set": set, "list": list}


def apart(value: Any, tensors: list[Tensor], where: str) -> Any:
    """`value` as JSON can hold it; its tensors are appended to `tensors`.

    Raises ValueError that begins with `where` for what is neither plain nor made of plain things.
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
        pairs = [[apart(key, tensors, where), apart(v, tensors, f"{where}[{key!r}]")] for key, v in items]
        return {"counter" if isinstance(value, Counter) else "dict": pairs}
    for name, kind in CONTAINERS.items():
        if isinstance(value, kind):
            return {name: [apart(item, tensors, where) for item in value]}
    raise ValueError(
        f"{where} is a {type(value).__qualname__}, which a checkpoint can't keep; "
        "keep numbers, text, tensors, lists and dicts of them"
    )


def whole(plain: Any, tensors: Sequence[Tensor]) -> Any:
    """What `apart` was given."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind in ("tensor", "array"):
        return tensors[content] if kind == "tensor" else tensors[content].numpy()
    if kind in ("dict", "counter"):
        pairs = {whole(key, tensors): whole(value, tensors) for key, value in content}
        return Counter(pairs) if kind == "counter" else pairs
    return CONTAINERS[kind](whole(item, tensors) for item in content)
