"""Values that lanes log in their steps, and their means over an epoch, of all lanes of a group at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from trainables.training.packs.update import ALL

Values = Mapping[str, Tensor]  # by name; a scalar of one lane, or (lanes,)


@final
@dataclass(frozen=True)
class Rule:
    """How the values of a name become a value of the epoch, as arguments of `LightningModule.log` say.

    `weight` is that of the batch in a mean: its number of samples. `reduce` is mean, sum, min or max.
    """

    weight: float = 1.0
    reduce: str = "mean"
    on_step: bool = False
    on_epoch: bool = True


@final
@dataclass(frozen=True)
class Logged:
    """The values of one step, and the rule of each."""

    values: Values
    rules: Mapping[str, Rule]


@final
class EpochValues:
    """What the lanes of a group have logged in the steps of an epoch, a row for each lane."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.clear()

    def clear(self) -> None:
        """Begins a new epoch."""
        self.totals: dict[str, Tensor] = {}  # (lanes,)
        self.latest: dict[str, Tensor] = {}  # (lanes,), of the last step
        self.weights: dict[str, np.ndarray] = {}  # (lanes,)
        self.rules: dict[str, Rule] = {}

    def add(self, logged: Logged, rows: int | slice = ALL) -> None:
        """Adds a step of the lane at a row, or of all lanes."""
        for name, value in logged.values.items():
            rule = logged.rules[name]
            value = value.detach()
            if name not in self.rules:
                self._begin(name, rule, value)
            if rule.on_step:
                self.latest[name][rows] = value.to(self.latest[name].dtype)
            if rule.on_epoch:
                self._reduce(name, rule, value, rows)

    def _begin(self, name: str, rule: Rule, value: Tensor) -> None:
        precise = torch.float64 if value.device.type == "cpu" else torch.float32
        start = {"min": float("inf"), "max": float("-inf")}.get(rule.reduce, 0.0)
        self.totals[name] = torch.full((self.lanes,), start, dtype=precise, device=value.device)
        self.latest[name] = torch.zeros_like(self.totals[name])
        self.weights[name] = np.zeros(self.lanes)
        self.rules[name] = rule

    def _reduce(self, name: str, rule: Rule, value: Tensor, rows: int | slice) -> None:
        total, value = self.totals[name], value.to(self.totals[name].dtype)
        if rule.reduce == "mean":
            total[rows] += value * rule.weight
        elif rule.reduce == "sum":
            total[rows] += value
        else:
            total[rows] = getattr(torch, f"{rule.reduce}imum")(total[rows], value)
        self.weights[name][rows] += rule.weight

    def take(self) -> list[dict[str, float]]:
        """The values of the epoch by lane, under the names that Lightning gives them; begins a new epoch.

        A value logged at steps and at the epoch has the suffixes `_step` and `_epoch` too.
        """
        lanes: list[dict[str, float]] = [{} for _ in range(self.lanes)]
        for name, rule in self.rules.items():
            latest, totals = self.latest[name].tolist(), self.totals[name].tolist()
            for row, weight in enumerate(self.weights[name].tolist()):
                total = totals[row] / weight if rule.reduce == "mean" and weight else totals[row]
                if rule.on_epoch and weight:
                    lanes[row][name] = total
                    lanes[row] |= (
                        {f"{name}_step": latest[row], f"{name}_epoch": total} if rule.on_step else {}
                    )
                elif rule.on_step:
                    lanes[row][name] = latest[row]
        self.clear()
        return lanes
