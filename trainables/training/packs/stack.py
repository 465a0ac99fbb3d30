"""The stack of a group: one tensor (lanes, ...) for each parameter and buffer of its lanes."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainables.training.packs.lane import PackedLane


def in_template(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a module under their names in its Template."""
    return {f"module.{name}": tensor for name, tensor in tensors.items()}


def stacked(lanes: Sequence[PackedLane]) -> dict[str, Tensor]:
    """Stacks the parameters and buffers of the lanes: one tensor (lanes, ...) per name.

    The modules' own become views of it.
    """
    stack = {}
    named = [named_tensors(lane) for lane in lanes]
    for name in named[0]:
        tensors = [tensors[name] for tensors in named]
        rows = torch.stack([tensor.detach() for tensor in tensors])
        stack[name] = rows
        for tensor, row in zip(tensors, rows.unbind(), strict=True):
            tensor.data = row
    return stack


def named_tensors(lane: PackedLane) -> dict[str, Tensor]:
    """The parameters and buffers of a lane's module."""
    return {**dict(lane.module.named_parameters()), **dict(lane.module.named_buffers())}


def keep_views(stack: Mapping[str, Tensor], lanes: Sequence[PackedLane]) -> None:
    """Copies tensors that took the place of others in a module to the stack; they become views of it.

    Raises ValueError for tensors that do not fit.
    """
    for row, lane in enumerate(lanes):
        named = named_tensors(lane)
        if named.keys() != stack.keys():
            raise ValueError("its parameters and buffers are others than when training began")
        for name, tensor in named.items():
            view = stack[name][row]
            if tensor.data_ptr() != view.data_ptr():
                if tensor.shape != view.shape or tensor.dtype != view.dtype:
                    raise ValueError(f"{name} has another shape or type than when training began")
                view.copy_(tensor.detach())
                tensor.data = view
