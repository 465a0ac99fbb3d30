"""Formulas: a step of PyTorch's optimizers on many lanes at once, each with hyperparameters of its own.

A few operations for all lanes and parameters, however many there are: on a GPU each is a launch. What depends
on the hyperparameters and the number of the step alone is computed by NumPy in double precision, as PyTorch's
own optimizers do, and no value is read back from the device.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from torch import Tensor, optim

Groups = Sequence[Mapping[str, Any]]  # a parameter group of each lane's optimizer
REFUSED = ("amsgrad", "maximize", "differentiable", "dampening")  # options that lanes are stepped alone with


class Formula(ABC):
    """The step of one kind of optimizer.

    `numbers` are its hyperparameters. `counts`: whether its state has the number of steps.
    """

    counts: bool
    numbers: tuple[str, ...]

    @abstractmethod
    def moments(self, groups: Groups) -> tuple[str, ...]:
        """Names of the tensors of its state that have the shape of the parameter, and are zeros at first."""

    @abstractmethod
    def coefficients(self, groups: Groups, steps: np.ndarray) -> np.ndarray:
        """What `change` needs, (coefficients, lanes); `steps` is the number of each lane's step, from 1."""

    @abstractmethod
    def change(
        self, gradient: Tensor, moments: Sequence[Tensor], parameters: Tensor | None, coefficients: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The change of the parameters, and the factor (lanes, 1) before it, None for 1; updates the moments.

        Shapes are (lanes, size), that of the coefficients (coefficients, lanes, 1). May write to `gradient`.
        `parameters` are None if `needs_parameters` is false.
        """

    @abstractmethod
    def needs_parameters(self, groups: Groups) -> bool:
        """Whether the change depends on the parameters."""


@final
class Adam(Formula):
    """Adam (Kingma and Ba, ICLR 2015); with `decoupled` AdamW (Loshchilov and Hutter, ICLR 2019)."""

    counts = True
    numbers = ("lr", "betas", "eps", "weight_decay")

    def __init__(self, decoupled: bool) -> None:
        self.decoupled = decoupled

    def moments(self, groups: Groups) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def coefficients(self, groups: Groups, steps: np.ndarray) -> np.ndarray:
        lr, eps, decay = columns(groups, "lr", "eps", "weight_decay")
        beta1, beta2 = np.array([group["betas"] for group in groups], dtype=float).T
        step_size = lr / (1 - beta1**steps)
        decay = 1 - lr * decay if self.decoupled else decay
        return np.stack([decay, 1 - beta1, 1 - beta2, np.sqrt(1 - beta2**steps), eps, -step_size])

    def change(
        self, gradient: Tensor, moments: Sequence[Tensor], parameters: Tensor | None, coefficients: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        decay, weight1, weight2, correction2, eps, step_size = coefficients
        first, second = moments
        if parameters is not None:
            gradient = gradient.addcmul_(parameters, decay)
        first.lerp_(gradient, weight1)
        second.lerp_(gradient.square(), weight2)
        change = (first * step_size).div_(second.sqrt().div_(correction2).add_(eps))
        return change, decay if self.decoupled else None

    def needs_parameters(self, groups: Groups) -> bool:
        return not self.decoupled and any(group["weight_decay"] for group in groups)


@final
class SGD(Formula):
    """Gradient descent, with momentum as PyTorch has it (Sutskever et al., ICML 2013)."""

    counts = False
    numbers = ("lr", "momentum", "weight_decay")

    def __init__(self, nesterov: bool) -> None:
        self.nesterov = nesterov

    def moments(self, groups: Groups) -> tuple[str, ...]:
        return ("momentum_buffer",) if any(group["momentum"] for group in groups) else ()

    def coefficients(self, groups: Groups, steps: np.ndarray) -> np.ndarray:
        lr, momentum, decay = columns(groups, "lr", "momentum", "weight_decay")
        return np.stack([decay, momentum, -lr])

    def change(
        self, gradient: Tensor, moments: Sequence[Tensor], parameters: Tensor | None, coefficients: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        decay, momentum, step_size = coefficients
        if parameters is not None:
            gradient = gradient.addcmul_(parameters, decay)
        for buffer in moments:  # one or none
            buffer.mul_(momentum).add_(gradient)
            gradient = gradient.addcmul(buffer, momentum) if self.nesterov else buffer
        return gradient * step_size, None

    def needs_parameters(self, groups: Groups) -> bool:
        return any(group["weight_decay"] for group in groups)


def formula_of(kind: type[optim.Optimizer], groups: Groups) -> Formula | None:
    """The formula of these groups of optimizers of a kind; None if it has none or they have other options."""
    first = groups[0]
    formula: Formula
    if kind in (optim.Adam, optim.AdamW):
        formula = Adam(decoupled=bool(first.get("decoupled_weight_decay", kind is optim.AdamW)))
    elif kind is optim.SGD:
        formula = SGD(bool(first["nesterov"]))
    else:
        return None
    for group in groups:
        if any(group.get(name) for name in REFUSED):
            return None
        if any(group.get(name) != first.get(name) for name in ("nesterov", "decoupled_weight_decay")):
            return None
        if not all(is_number(group[name]) for name in formula.numbers):
            return None
    return formula


def columns(groups: Groups, *names: str) -> np.ndarray:
    """Hyperparameters of the lanes, (names, lanes)."""
    return np.array([[group[name] for group in groups] for name in names], dtype=float)


def is_number(value: Any) -> bool:
    """Whether a hyperparameter is a number, or several; a tensor is none."""
    return all(
        isinstance(one, int | float) for one in (value if isinstance(value, tuple | list) else [value])
    )
