"""isolated_copy(...): a copy of a module in training, which can be run without an effect on the training."""

import copy
from typing import Any, TypeVar

import lightning as L
from torch import Tensor, nn

Module = TypeVar("Module", bound=L.LightningModule)


def isolated_copy(module: Module, trainer: L.Trainer) -> Module:
    """A copy with its own parameters and buffers, without gradients, on the same device.

    It is attached to the trainer, which modules ask for epochs and devices, but logs nothing. Raises any
    exception of `copy.deepcopy`.
    """
    # What is in `memo` is not copied by deepcopy. It would copy the stack of a whole pack for each lane, and
    # all gradients; and it refuses tensors with a history, such as spectral norm stores.
    memo: dict[int, Any] = {id(trainer): trainer}
    for parameter in module.parameters():
        if type(parameter) is nn.Parameter:
            memo[id(parameter)] = nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = buffer.detach().clone()
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach()
    copied = copy.deepcopy(module, memo)
    copied.trainer = trainer
    for part in copied.modules():
        if isinstance(part, L.LightningModule):
            part.log = part.log_dict = ignore  # type: ignore[method-assign]
    return copied


def ignore(*arguments: object, **options: object) -> None:
    """Does nothing."""
