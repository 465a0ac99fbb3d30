"""Modules in which the lanes of a group differ by a tensor, where a trial alone has a plain value."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainables.learner import Learner
from trainables.losses import Loss


class LaneDropout(nn.Module):
    """Dropout whose probability is a tensor. It is passed over where that is 0 (in all lanes of a group)."""

    p: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.drops = p > 0
        self.register_buffer("p", torch.tensor(p), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.drops):
            return x
        return x * torch.rand_like(x).ge_(self.p).div_(1 - self.p)


class LaneLoss(nn.Module):
    """The lanes' Losses as one: it computes every function that a lane has, and takes the one that its
    tensor names.

    The others are given zeros: were they given the lane's own numbers, one that is infinite there would
    leave a gradient of nothing times infinity.
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
            chosen = self.kind == number
            losses = function(torch.where(chosen, prediction, 0), torch.where(chosen, target, 0))
            total = total + torch.where(chosen, losses, 0)
        return total


class MeanLoss(nn.Module):
    """The lanes' training loss as a module's forward, which is what `functional_call` calls.

    A template for each lane of a group: it works on a copy of one, with what the lanes differ in as tensors.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__()
        self.learner = copy.deepcopy(learners[0])
        for name, module in list(self.learner.named_modules()):
            lanes: list[Any] = [learner.get_submodule(name) for learner in learners]
            if isinstance(module, Loss):
                self.learner.set_submodule(name, LaneLoss(lanes))
            elif isinstance(module, LaneDropout):
                module.drops = any(lane.drops for lane in lanes)

    def forward(self, batch: object) -> Tensor:
        return self.learner.losses(batch).mean()


def with_lane_dropout(module: nn.Module) -> None:
    """Puts LaneDropout in the place of each Dropout."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, LaneDropout(child.p))
        else:
            with_lane_dropout(child)
