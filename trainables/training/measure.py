"""Measures the metrics of `spaces/metrics.py`, which no training logs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn

from spaces.messages import describe

MEGABYTE = 10**6


def measured(names: Iterable[str], methods: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The metrics `names`, each by its method. The global random generators are afterwards as before.

    Raises ValueError if a method raises; it names the metric and the error.
    """
    values = {}
    with isolate_rng():
        for name in names:
            with measuring(name):
                values[name] = float(methods[name]())
    return values


@contextmanager
def measuring(name: str) -> Iterator[None]:
    """Turns any exception into a ValueError that names the metric and the exception."""
    try:
        yield
    except Exception as error:  # anything can go wrong in a user's module
        raise ValueError(
            f"{name} can't be measured on this module: {describe(error)} "
            "(objective and constraint in the space file)"
        ) from error


def params(module: nn.Module) -> int:
    """Number of parameters, trained and frozen; a parameter that is used twice counts once.

    Raises ValueError if a lazy parameter has no shape yet.
    """
    return sum(parameter.numel() for parameter in module.parameters())


def memory_mb(module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], step_bytes: int) -> float:
    """Memory that the training of a module needs, in MB of 10^6 bytes.

    The sum of parameters, buffers, one gradient for each parameter that is trained, the state of the
    `optimizers`, and `step_bytes`: a training batch and the tensors that its forward pass keeps for the
    backward pass. It is a count of tensors, not an observation of an allocator.
    """
    parameters = list(module.parameters())
    gradients = [parameter for parameter in parameters if parameter.requires_grad]
    state = [
        value
        for optimizer in optimizers
        for parameter in parameters
        for value in optimizer.state.get(parameter, {}).values()
        if isinstance(value, torch.Tensor)
    ]
    tensors = [*parameters, *module.buffers(), *gradients, *state]
    return (sum(tensor.nbytes for tensor in tensors) + step_bytes) / MEGABYTE
