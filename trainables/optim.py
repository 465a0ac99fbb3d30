"""AdamW and the schedule of its learning rate.

The learning rate is a pure function of the share of training that is done. So a checkpoint needs no state of
the schedule, and a trial paused at a rung resumes with the same rates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any

import torch
from pydantic import Field

from spaces.validation import Rule, validate


def constant(progress: float) -> float:
    """Always 1."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter, SGDR, ICLR 2017, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def exponential(progress: float) -> float:
    """Exponential decay from 1 to 0.01."""
    return 0.01**progress


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "exponential": exponential,
    # One-cycle is a long warm-up followed by a cosine (Smith and Topin, 2018); see `Optim.factor`.
    "one_cycle": cosine,
}
ONE_CYCLE_WARMUP = 0.3  # share of training in which the rate rises, unless `warmup` is larger

NonNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False), Rule("be a finite number >= 0")]
Share = Annotated[float, Field(strict=True, ge=0, lt=1), Rule("be a number in [0, 1)")]
Schedule = Annotated[
    str, Field(pattern=f"^({'|'.join(SCHEDULES)})$"), Rule(f"be one of {', '.join(SCHEDULES)}")
]


@dataclass(frozen=True)
class Optim:
    """AdamW's parameters (Loshchilov and Hutter, ICLR 2019) and the schedule.

    `warmup` is the share of all training steps in which the rate rises linearly from 0 to `lr`.
    Raises ValueError for a value that breaks the rule of its type.
    """

    lr: NonNegative = 1e-3
    weight_decay: NonNegative = 1e-2
    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: NonNegative = 1e-8
    schedule: Schedule = "cosine"
    warmup: Share = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            name = item.name
            validate(item.type, getattr(self, name), lambda name=name: name, "param.{}=...")

    def factor(self, progress: float) -> float:
        """The factor of `lr` when the share `progress` (0 to 1) of all steps is done."""
        warmup = max(self.warmup, ONE_CYCLE_WARMUP) if self.schedule == "one_cycle" else self.warmup
        if progress < warmup:
            return progress / warmup
        return SCHEDULES[self.schedule]((progress - warmup) / (1.0 - warmup))

    def rate(self, progress: float) -> float:
        """The learning rate when the share `progress` (0 to 1) of all steps is done."""
        return self.lr * self.factor(progress)

    def parameter_group(self, module: torch.nn.Module) -> dict[str, Any]:
        """The module's trainable parameters as a parameter group of AdamW."""
        return {
            "params": [parameter for parameter in module.parameters() if parameter.requires_grad],
            "lr": self.lr,
            "betas": (self.beta1, self.beta2),
            "eps": self.eps,
            "weight_decay": self.weight_decay,
        }

    def build(self, module: torch.nn.Module) -> torch.optim.AdamW:
        """AdamW for the module's trainable parameters, with one fused kernel per step."""
        return torch.optim.AdamW([self.parameter_group(module)], fused=True)
