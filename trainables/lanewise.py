"""Modules in which the lanes of a group differ by a tensor, where a trial alone has a plain value."""

import copy

import torch
from torch import Tensor, nn

from trainables.learner import Learner
from trainables.losses import Loss


class LaneDropout(nn.Module):
    """Dropout whose probability is a tensor."""

    p: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(p), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p) if self.training else x


class LaneLoss(nn.Module):
    """A Loss that computes all of its functions and takes the one that its tensor names.

    The others are given zeros: were they given the lane's own numbers, one that is infinite there would
    leave a gradient of nothing times infinity.
    """

    kind: Tensor

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.functions = list(loss.functions.values())
        self.register_buffer("kind", loss.kind, persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        total = torch.zeros((), device=prediction.device)
        for number, function in enumerate(self.functions):
            chosen = self.kind == number
            losses = function(torch.where(chosen, prediction, 0), torch.where(chosen, target, 0))
            total = total + torch.where(chosen, losses, 0)
        return total


class MeanLoss(nn.Module):
    """A learner's training loss as a module's forward, which is what `functional_call` calls.

    A template for any lane of a group: it works on a copy of the learner, whose losses are LaneLosses.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = copy.deepcopy(learner)
        for module in list(self.learner.modules()):
            for name, child in module.named_children():
                if isinstance(child, Loss):
                    setattr(module, name, LaneLoss(child))

    def forward(self, batch: object) -> Tensor:
        return self.learner.losses(batch).mean()


def with_lane_dropout(module: nn.Module) -> None:
    """Puts LaneDropout in the place of each Dropout."""
    for name, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, name, LaneDropout(child.p))
        else:
            with_lane_dropout(child)
