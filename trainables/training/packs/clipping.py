"""Clipping of gradients, as Lightning's Trainer does it before each step of an optimizer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_


@final
@dataclass(frozen=True)
class Clip:
    """To `limit`: the norm of all gradients of a lane (`by` is "norm"), or each entry (`by` is "value")."""

    limit: float
    by: str = "norm"

    def apply(self, parameters: Iterable[Tensor]) -> None:
        """Clips the gradients of these parameters of one lane, in place."""
        if self.by == "norm":
            clip_grad_norm_(parameters, self.limit)
        else:
            clip_grad_value_(parameters, self.limit)
