"""fingerprint(value): tells whether anything in a graph of objects has changed."""

import hashlib
import pickle
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

MAX_BYTES = 64 * 2**20  # of the state that is looked through; tensors and large arrays are not part of it
LARGE_ARRAY = 2**20  # bytes: larger arrays are taken to be constant
PLAIN = frozenset({int, float, bool, str, bytes, type(None), list, tuple, dict, set})
BY_IDENTITY = (type, FunctionType, BuiltinFunctionType, ModuleType, nn.Module)


def fingerprint(value: object) -> bytes | None:
    """A digest of the state of an object and of all that it refers to; equal as long as nothing has changed.

    The states of random generators, counters and caches are part of it. Tensors count by identity and by the
    number of their in-place changes, arrays over 1 MiB, functions, classes and modules by identity. None if
    the state can't be told: it can't be pickled, or has over 64 MiB.
    """
    digest = Digest()
    try:
        Walk(digest).dump(value)
    except Exception:  # objects of any author have a say in how they are pickled
        return None
    return digest.hash.digest()


@final
class Digest:
    """A file that keeps the digest of what is written. Raises ValueError when that is too much."""

    def __init__(self) -> None:
        self.hash, self.left = hashlib.blake2b(), MAX_BYTES

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        self.left -= size
        if self.left < 0:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        self.hash.update(content)
        return size


@final
class Walk(pickle.Pickler):
    """Pickles the state of objects, with a mark in place of what is large or has no state."""

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) in PLAIN:
            return None
        if isinstance(obj, Tensor):
            return "tensor", id(obj), obj._version
        if isinstance(obj, torch.Generator):  # it is pickled with a new tensor each time
            return "generator", obj.get_state().numpy().tobytes()
        if isinstance(obj, np.ndarray) and obj.nbytes > LARGE_ARRAY:
            return "array", id(obj)
        return ("identity", id(obj)) if isinstance(obj, BY_IDENTITY) else None
