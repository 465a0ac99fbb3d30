"""Whether two ways to take a step agree, and the state of the lanes around such a comparison."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from trainables.training.packs.group import Group
from trainables.training.packs.logged import Logged
from trainables.training.packs.update import Gradients

TOLERANCE = 1e-5  # of the norm of the gradients and of each value, relative to their own
LOW_TOLERANCE = 1e-2  # in bf16, which has eight bits


def device_of(group: Group) -> torch.device:
    """The device of the lanes."""
    return next(iter(group.stack.values())).device


def tolerance(group: Group) -> float:
    """The tolerance for passes in the precision of the training."""
    return LOW_TOLERANCE if torch.is_autocast_enabled(device_of(group).type) else TOLERANCE


def norm(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all entries."""
    return float(torch.stack([tensor.norm() for tensor in tensors]).norm())


def compare_gradients(batched: Gradients, alone: Gradients, row: int, tolerance: float = TOLERANCE) -> None:
    """Raises ValueError if the gradients in a row are not those of the lane alone, unless it diverges."""
    own = {name: gradient.float() for name, gradient in alone.items()}
    if not all(gradient.isfinite().all() for gradient in own.values()):
        return
    difference = norm([batched[name][row].float() - gradient for name, gradient in own.items()])
    if not difference <= tolerance * norm(list(own.values())):
        raise ValueError(f"the gradients differ from those of a lane alone by {difference:.2g}")


def compare_logged(batched: Logged, alone: Logged, row: int, tolerance: float = TOLERANCE) -> None:
    """Raises ValueError if the values in a row are not those that the lane logs alone."""
    if batched.rules != alone.rules:
        raise ValueError("other values are logged than alone")
    for name, value in alone.values.items():
        one = batched.values[name][row]
        if not torch.isclose(one.double(), value.double(), rtol=tolerance, atol=1e-8, equal_nan=True):
            raise ValueError(f"{name} is {float(one):.6g}, and {float(value):.6g} in a lane alone")


def compare_passes(group: Group, one: tuple[Gradients, Logged], expected: tuple[Gradients, Logged]) -> None:
    """Raises ValueError if gradients or values of a lane differ from those expected."""
    (gradients, logged), allowed = expected, tolerance(group)
    for row in range(len(group.lanes)):
        own = {name: gradient[row] for name, gradient in gradients.items()}
        values = {name: value[row] for name, value in logged.values.items()}
        compare_gradients(one[0], own, row, allowed)
        compare_logged(one[1], Logged(values, logged.rules), row, allowed)


@contextmanager
def unchanged(group: Group) -> Iterator[None]:
    """Context manager: puts back what a step changes: buffers, gradients, and random generators."""
    buffers = [buffer for lane in group.lanes.values() for buffer in lane.module.buffers()]
    before = [buffer.clone() for buffer in buffers]
    try:
        with torch.random.fork_rng():
            yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
        for lane in group.lanes.values():
            lane.module.zero_grad()
