"""Training losses. Each maps a batch to one number per sample: a pack weighs samples and lanes itself."""

from collections.abc import Callable, Mapping
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

Function = Callable[[Tensor, Tensor], Tensor]


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over all but the first axis: (B, ...), (B, ...) -> (B,)."""
    return (prediction - target).square().flatten(1).mean(1)


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over all but the first axis: (B, ...), (B, ...) -> (B,)."""
    return (prediction - target).abs().flatten(1).mean(1)


def linf(prediction: Tensor, target: Tensor) -> Tensor:
    """Largest absolute error over all but the first axis: (B, ...), (B, ...) -> (B,)."""
    return (prediction - target).abs().flatten(1).amax(1)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits (B, C) against class probabilities (B, C), in nats -> (B,)."""
    return -(target * functional.log_softmax(logits, dim=1)).sum(1)


REGRESSION_LOSSES: dict[str, Function] = {"mse": mse, "l1": l1, "linf": linf}


@final
class Loss(nn.Module):
    """The function `name` of `functions` as a module: (B, ...), (B, ...) -> (B,).

    Its choice is also a tensor, `kind`, so that the lanes of a pack can differ in it. Raises ValueError if
    `functions` has no such name.
    """

    kind: Tensor

    def __init__(self, name: str, functions: Mapping[str, Function]) -> None:
        super().__init__()
        if name not in functions:
            raise ValueError(f"loss is {name!r}, but must be one of {', '.join(functions)} (param.loss=...)")
        self.name, self.functions, self.number = name, functions, list(functions).index(name)
        self.register_buffer("kind", torch.tensor(self.number), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.functions[self.name](prediction, target)
