"""Modules whose settings are tensors, so that the lanes of a group can differ in them."""

import copy
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from trainables.losses import Loss


@final
class LaneDropout(nn.Module):
    """Dropout whose probability `p` is a tensor. It is skipped if `p` is 0 (in all lanes of a group)."""

    p: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.active = p > 0
        self.register_buffer("p", torch.tensor(p), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.active):
            return x
        return x * ((torch.rand_like(x) >= self.p) / (1 - self.p))


@final
class LaneLoss(nn.Module):
    """The Losses of several lanes as one: (B, ...), (B, ...) -> (B,).

    It computes each function that any lane uses, and selects the lane's own by the tensor `kind`. The other
    functions get zeros: an infinite derivative at the lane's values times a weight of 0 would be NaN.
    """

    kind: Tensor

    def __init__(self, losses: Sequence[Loss]) -> None:
        super().__init__()
        self.functions = {loss.number: loss.functions[loss.name] for loss in losses}
        self.register_buffer("kind", losses[0].kind, persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if len(self.functions) == 1:
            (function,) = self.functions.values()
            return function(prediction, target)
        total = torch.zeros((), device=prediction.device)
        for number, function in self.functions.items():
            selected = self.kind == number
            losses = function(torch.where(selected, prediction, 0), torch.where(selected, target, 0))
            total = total + torch.where(selected, losses, 0)
        return total


def join_settings(modules: Sequence[nn.Module]) -> Any:
    """A copy of the first of these modules, in which the settings that may differ between them are tensors.

    They are the probability of dropout and the loss of a Learner.
    """
    joined = copy.deepcopy(modules[0])
    for name, module in list(joined.named_modules()):
        lanes: list[Any] = [lane.get_submodule(name) for lane in modules]
        if isinstance(module, Loss):
            joined.set_submodule(name, LaneLoss(lanes))
        elif isinstance(module, LaneDropout):
            module.active = any(lane.active for lane in lanes)
    return joined


def replace_dropout(module: nn.Module) -> None:
    """Replaces each Dropout below `module` by LaneDropout, in place."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, LaneDropout(child.p))
        else:
            replace_dropout(child)
