"""A LightningModule whose arguments are lists and mappings; tests/spaces/structured.yaml searches it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from tests.tiny import TinyNet


class StructuredNet(TinyNet):
    """Layers of the given widths; it changes its arguments, as a module may."""

    def __init__(
        self,
        lr: float,
        layers: Sequence[int] | None,
        net: dict[str, Any],
        init: Sequence[float],
        slope: float = 0.5,
    ) -> None:
        super().__init__(lr)
        widths = [1, *(layers or ())]
        parts: list[nn.Module] = []
        for before, after in pairwise(widths):
            parts += [nn.Linear(before, after, bias=net["bias"]), getattr(nn, net["act"])()]
        self.net = nn.Sequential(*parts, nn.Linear(widths[-1], 1))
        nn.init.normal_(self.net[-1].weight, init[0], init[1])
        self.slope = slope
        if layers:
            layers.clear()
        net.clear()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)
