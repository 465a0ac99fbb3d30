"""AdamW and the learning rate's schedule.

The rate is a pure function of the share of training that is done, so nothing of the schedule has to be
saved: a trial that pauses at a rung goes on with the rate it would have had.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter, SGDR, ICLR 2017, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def exponential(progress: float) -> float:
    """From 1 down to 0.01, by the same factor each step."""
    return 0.01**progress


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "exponential": exponential,
    # One-cycle is a long warm-up and then a cosine (Smith and Topin, 2018); see `Optim.factor`.
    "one_cycle": cosine,
}
ONE_CYCLE_WARMUP = 0.3  # the share of training in which one-cycle rises, unless `warmup` is larger


@dataclass(frozen=True)
class Optim:
    """AdamW's parameters (Loshchilov and Hutter, ICLR 2019) and the schedule.

    `warmup` is the share of all training steps in which the rate rises linearly from 0 to `lr`.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    schedule: str = "cosine"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in [
            ("lr", 0.0, math.inf),
            ("weight_decay", 0.0, math.inf),
            ("beta1", 0.0, 1.0),
            ("beta2", 0.0, 1.0),
            ("eps", 0.0, math.inf),
            ("warmup", 0.0, 1.0),
        ]:
            value = getattr(self, name)
            if not low <= value < high:
                raise ValueError(f"{name} is {value}, but must be in [{low}, {high}) (param.{name}=...)")
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule is {self.schedule!r}, but must be one of {', '.join(SCHEDULES)} "
                "(param.schedule=...)"
            )

    def factor(self, progress: float) -> float:
        """What `lr` is multiplied by when `progress` (0 to 1) of all steps are done."""
        warmup = max(self.warmup, ONE_CYCLE_WARMUP) if self.schedule == "one_cycle" else self.warmup
        if progress < warmup:
            return progress / warmup
        return SCHEDULES[self.schedule]((progress - warmup) / (1.0 - warmup))

    def rate(self, progress: float) -> float:
        """The learning rate when `progress` (0 to 1) of all steps are done."""
        return self.lr * self.factor(progress)

    def slot(self, module: torch.nn.Module) -> dict[str, Any]:
        """The module's trainable parameters as a parameter group of AdamW."""
        return {
            "params": [parameter for parameter in module.parameters() if parameter.requires_grad],
            "lr": self.lr,
            "betas": (self.beta1, self.beta2),
            "eps": self.eps,
            "weight_decay": self.weight_decay,
        }

    def build(self, module: torch.nn.Module) -> torch.optim.AdamW:
        """AdamW over the module's trainable parameters, one fused kernel a step."""
        return torch.optim.AdamW([self.slot(module)], fused=True)
