"""JointUpdate: a call for each lane and parameter, the fastest way on a CPU: one lane fits into its cache."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, optim

from trainables.training.checkpoint import laid_out_like
from trainables.training.packs.lane import PackedLane
from trainables.training.packs.update import ALL, Gradients, Update

FUSED = (optim.Adam, optim.AdamW, optim.SGD)  # one call steps all lanes, one kernel a parameter


@final
class JointUpdate(Update):
    """Steps the optimizers of PyTorch's `FUSED` kinds together, others one by one.

    `trained` are the parameters of the lanes by name. Gradients are those of the parameters.
    """

    def __init__(self, lanes: Sequence[PackedLane], trained: Mapping[str, Sequence[Tensor]]) -> None:
        self.lanes, self.trained = lanes, trained
        self.joint: dict[type, optim.Optimizer] = {}
        for lane in lanes:
            if type(lane.optimizer) in FUSED:
                self._join(lane.optimizer)

    def _join(self, optimizer: optim.Optimizer) -> None:
        """Adds an optimizer to the joint one of its kind, which shares its parameter groups and its state."""
        kind = type(optimizer)
        for group in optimizer.param_groups:
            group["fused"], group["foreach"] = not group["differentiable"], False
        for parameter, state in optimizer.state.items():
            if "step" in state:  # counted on the CPU by an optimizer that is not fused
                state["step"] = state["step"].to(parameter.device)
        if kind not in self.joint:
            self.joint[kind] = kind([{"params": [torch.zeros(1)], "lr": 0.0}])  # type: ignore[call-arg]
            self.joint[kind].state = defaultdict(dict)
        self.joint[kind].state.update(optimizer.state)
        optimizer.state = self.joint[kind].state

    def add(self, gradients: Gradients) -> None:
        for name, gradient in gradients.items():
            parameters = self.trained[name]
            for parameter, own in zip(parameters, rows_like(gradient, parameters[0]), strict=True):
                parameter.grad = own if parameter.grad is None else parameter.grad.add_(own)

    def step(self, rows: slice = ALL) -> None:
        lanes = self.lanes[rows]
        groups: dict[type, list[dict[str, Any]]] = defaultdict(list)
        for lane in lanes:
            if lane.clip:
                lane.clip.apply([p for group in lane.optimizer.param_groups for p in group["params"]])
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

    def hand_out(self) -> None:
        pass  # they are there


def rows_like(gradient: Tensor, parameter: Tensor) -> Sequence[Tensor]:
    """The gradient of each lane, with the strides of the parameter.

    The fused kernels on a CPU read parameter, gradient and moments in the order of their memory.
    """
    if gradient[0].stride() != parameter.stride():
        gradient = gradient.contiguous()
    if gradient[0].stride() != parameter.stride():
        return [laid_out_like(parameter, own) for own in gradient.unbind()]
    return gradient.unbind()
