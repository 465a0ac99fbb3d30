"""Steps: the optimizer steps of the lanes of a group."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import optim

from trainables.training.packs.lane import PackedLane
from trainables.training.packs.logged import ALL

FUSED = (optim.Adam, optim.AdamW, optim.SGD)  # one call steps all lanes, one kernel a parameter


@final
class Steps:
    """Steps the optimizers of lanes: those of PyTorch's `FUSED` kinds together, others one by one."""

    def __init__(self, lanes: Sequence[PackedLane]) -> None:
        self.lanes = lanes
        self.joint: dict[type, optim.Optimizer] = {}
        for lane in lanes:
            if type(lane.optimizer) in FUSED:
                self._join(lane.optimizer)

    def _join(self, optimizer: optim.Optimizer) -> None:
        """Adds an optimizer to the joint one of its kind, which shares its parameter groups and its state."""
        kind = type(optimizer)
        for group in optimizer.param_groups:
            group["fused"], group["foreach"] = not group["differentiable"], False
        if kind not in self.joint:
            self.joint[kind] = kind([{"params": [torch.zeros(1)], "lr": 0.0}])  # type: ignore[call-arg]
            self.joint[kind].state = defaultdict(dict)
        self.joint[kind].state.update(optimizer.state)
        optimizer.state = self.joint[kind].state

    def step(self, progress: float, index: int, last: bool, rows: slice = ALL) -> None:
        """One step of the optimizers in these rows, after `progress` epochs and batch number `index`.

        None if the lanes accumulate gradients, and neither this batch completes them nor is it the `last` of
        the epoch.
        """
        lanes = self.lanes[rows]
        if (index + 1) % lanes[0].accumulate and not last:
            return
        groups: dict[type, list[dict[str, Any]]] = defaultdict(list)
        for lane in lanes:
            lane.before_step(progress)
            groups[type(lane.optimizer)] += lane.optimizer.param_groups
        for kind, joint in self.joint.items():
            if groups[kind]:
                joint.param_groups = groups[kind]
                joint.step()
        for lane in lanes:
            if type(lane.optimizer) not in FUSED:
                lane.optimizer.step()
            for group in lane.optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
            lane.after_step(index)
