"""KeptTensors: the tensors that a forward pass keeps for the backward pass, and their memory."""

import weakref
from collections.abc import Iterable
from typing import Any, final

from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


@final
class Kept:
    """A tensor that autograd keeps; it lives as long as autograd needs it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@final
class KeptTensors:
    """Sees every tensor that autograd saves while the context manager `hooks` is active.

    Values and gradients do not change. Functions of `torch.func` raise RuntimeError under the hooks.
    """

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Kept] = weakref.WeakSet()
        self.hooks = saved_tensors_hooks(self.pack, self.unpack)

    def pack(self, tensor: Tensor) -> Kept:
        # Detached: an output that is saved by its own graph would otherwise never be freed.
        kept = Kept(tensor.detach())
        self.alive.add(kept)
        return kept

    def unpack(self, kept: Kept) -> Tensor:
        return kept.tensor

    def step_bytes(self, batch: Any, others: Iterable[Tensor]) -> int:
        """Bytes of the tensors in `batch`, and of the storages kept now; those of `others` do not count.

        Tensors with the same storage count once. Of the batch only its own tensors count: they may be views
        of all data.
        """
        in_batch = {tensor.data_ptr(): tensor for tensor in tensors(batch)}
        known = {pointer(tensor) for tensor in (*in_batch.values(), *others)}
        kept = {pointer(item.tensor): item.tensor.untyped_storage().nbytes() for item in self.alive}
        return sum(tensor.nbytes for tensor in in_batch.values()) + sum(
            count for address, count in kept.items() if address not in known
        )


def pointer(tensor: Tensor) -> int:
    """Address of the storage of a tensor."""
    return tensor.untyped_storage().data_ptr()


def tensors(batch: Any) -> list[Tensor]:
    """All tensors in a batch: a tensor, or any nesting of lists, tuples, dicts and dataclasses."""
    found: list[Tensor] = []
    apply_to_collection(batch, Tensor, found.append)
    return found
