"""The losses that training minimises. Each maps a batch to one number per sample.

One number per sample, not per batch: the pack of lanes weighs samples and lanes itself.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


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


LOSSES: dict[str, Loss] = {"mse": mse, "l1": l1, "linf": linf, "cross_entropy": cross_entropy}


def loss_named(name: str, allowed: tuple[str, ...] = tuple(LOSSES)) -> Loss:
    """The loss called `name`. Raises ValueError if it is not one of `allowed`."""
    if name not in allowed:
        raise ValueError(f"loss is {name!r}, but must be one of {', '.join(allowed)} (param.loss=...)")
    return LOSSES[name]
