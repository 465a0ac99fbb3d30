"""StackedUpdate: one step of the optimizers of all lanes, in a few operations on tensors (lanes, size)."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from trainables.training.checkpoint import laid_out_like
from trainables.training.packs.clipping import Clip
from trainables.training.packs.formulas import Formula, formula_of
from trainables.training.packs.lane import PackedLane
from trainables.training.packs.recorded import Record
from trainables.training.packs.update import ALL, FixedGradients, Gradients, Update

PRECISE = {torch.float32, torch.float64}  # types that can hold learning rates
Named = Mapping[str, Tensor]  # (lanes, ...) by the name of the parameter


@final
class Block:
    """The parameters `names` of one parameter group of each lane, with the state of their optimizers.

    The state of the lanes is copied into tensors (lanes, size), of which theirs become views. `agree`:
    whether all parameters of a lane have made the same number of steps.
    """

    def __init__(
        self, formula: Formula, names: Sequence[str], lanes: Sequence[PackedLane], groups: Sequence[Any]
    ) -> None:
        self.formula, self.names, self.groups = formula, names, groups
        self.rows = [[lane.module.get_parameter(name) for name in names] for lane in lanes]
        self.states = [
            [lane.optimizer.state[parameter] for parameter in row]
            for lane, row in zip(lanes, self.rows, strict=True)
        ]
        self.like = self.rows[0]
        self.sizes = [parameter.numel() for parameter in self.like]
        self.steps, self.agree = np.zeros(len(lanes)), True
        if formula.counts:
            self._hold_counts()
        self.moments: dict[str, Tensor] = {}
        self._hold_moments()

    def _hold_counts(self) -> None:
        zero = torch.zeros((), device=self.like[0].device)
        started = any(state for of_lane in self.states for state in of_lane)
        rows = [[state.get("step", zero).to(zero) for state in of_lane] for of_lane in self.states]
        self.counts = torch.stack([torch.stack(row) for row in rows])  # (lanes, parameters)
        for of_lane, row in zip(self.states, self.counts, strict=True):
            for state, count in zip(of_lane, row, strict=True):
                state["step"] = count
        if started:
            counts = self.counts.double().cpu().numpy()
            self.steps, self.agree = counts[:, 0], bool((counts == counts[:, :1]).all())

    def _hold_moments(self) -> list[Tensor]:
        """Stacks the moments that are not yet held. Returns all that the next step needs."""
        names = self.formula.moments(self.groups)
        for name in names:
            if name not in self.moments:
                self.moments[name] = self._stacked_moment(name)
        return [self.moments[name] for name in names]

    def _stacked_moment(self, name: str) -> Tensor:
        lanes = list(zip(self.rows, self.states, strict=True))
        stacked = self.like[0].new_empty(len(lanes), sum(self.sizes))
        for (row, of_lane), own in zip(lanes, stacked, strict=True):
            for parameter, state, part in zip(row, of_lane, own.split(self.sizes), strict=True):
                view, before = laid_out(part, parameter), state.get(name)
                if before is None:
                    view.zero_()
                else:
                    view.copy_(before)
                state[name] = view
        return stacked

    def flat(self, named: Named) -> Tensor:
        """The tensors of the parameters as one, (lanes, size)."""
        return torch.cat(
            [flat(named[name], parameter) for name, parameter in zip(self.names, self.like, strict=True)], 1
        )

    def parts(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The reverse: names of parameters and their tensors, (lanes, ...)."""
        for name, part, parameter in zip(self.names, flat.split(self.sizes, 1), self.like, strict=True):
            yield name, laid_out(part, parameter)

    def begin_step(self) -> np.ndarray:
        """Counts the next step, and has its moments. Returns its coefficients, (coefficients, lanes)."""
        self.steps += 1
        self._hold_moments()
        return self.formula.coefficients(self.groups, self.steps)

    @property
    def kind(self) -> Hashable:
        """All that decides the operations of the next step, apart from shapes."""
        return self.formula.moments(self.groups), self.formula.needs_parameters(self.groups)

    def step(self, stack: Named, gradient: Tensor, coefficients: Tensor) -> None:
        """Steps the parameters in the stack; the coefficients are (coefficients, lanes, 1)."""
        if self.formula.counts:
            self.counts += 1
        parameters = self.flat(stack) if self.formula.needs_parameters(self.groups) else None
        change, factor = self.formula.change(
            gradient, self._hold_moments(), parameters, coefficients.to(gradient)
        )
        for name, part in self.parts(change):
            rows = stack[name]
            if factor is not None:
                rows.mul_(factor.view(-1, *[1] * (rows.dim() - 1)))
            rows.add_(part)


@final
@dataclass(frozen=True)
class RecordedStep:
    """A recorded step: it holds for these gradients and kinds of blocks; the coefficients are filled in."""

    gradients: FixedGradients
    kinds: Sequence[Hashable]
    coefficients: Tensor
    call: Callable[[], None]


@final
class StackedUpdate(Update):
    """The step of the optimizers of lanes whose parameters are views of `stack`; see `stacked_update`."""

    def __init__(
        self, lanes: Sequence[PackedLane], stack: Named, blocks: Sequence[Block], record: Record | None
    ) -> None:
        self.lanes, self.stack, self.blocks, self.record = lanes, stack, blocks, record
        self.gradients: Gradients | None = None  # of the next step
        self.clip = lanes[0].clip
        self.recorded: RecordedStep | None = None

    def add(self, gradients: Gradients) -> None:
        if self.gradients is not None:
            gradients = {name: before + gradients[name] for name, before in self.gradients.items()}
        self.gradients = gradients

    @torch.no_grad()
    def step(self, rows: slice = ALL) -> None:
        assert rows == ALL
        assert self.gradients is not None
        gradients, self.gradients = self.gradients, None
        coefficients = [block.begin_step() for block in self.blocks]
        # One transfer for all of them.
        moved = torch.from_numpy(np.concatenate(coefficients))
        sizes = [len(part) for part in coefficients]
        device = next(iter(gradients.values())).device
        if self.record is None or not isinstance(gradients, FixedGradients):
            self._apply(gradients, moved.to(device, non_blocking=True), sizes)
            return
        kinds = [block.kind for block in self.blocks]
        step = self.recorded
        if step is None or step.gradients is not gradients or step.kinds != kinds:
            fixed = torch.empty_like(moved, device=device)
            call = self.record(lambda: self._apply(gradients, fixed, sizes))
            step = self.recorded = RecordedStep(gradients, kinds, fixed, call)
        step.coefficients.copy_(moved, non_blocking=True)
        step.call()

    def _apply(self, gradients: Gradients, coefficients: Tensor, sizes: Sequence[int]) -> None:
        """The step on the device; the coefficients are those of all blocks, (coefficients, lanes)."""
        flat = [block.flat(gradients) for block in self.blocks]
        if self.clip:
            clip(flat, self.clip)
        parts = coefficients.unsqueeze(2).split(list(sizes))
        for block, gradient, part in zip(self.blocks, flat, parts, strict=True):
            block.step(self.stack, gradient, part)

    def hand_out(self) -> None:
        for name, rows in (self.gradients or {}).items():
            for lane, row in zip(self.lanes, rows.unbind(), strict=True):
                parameter = lane.module.get_parameter(name)
                parameter.grad = laid_out_like(parameter, row)


def stacked_update(
    lanes: Sequence[PackedLane],
    stack: Named,
    trained: Mapping[str, Sequence[Tensor]],
    record: Record | None = None,
) -> StackedUpdate | None:
    """The update of lanes whose parameters are views of `stack`; None if they must be stepped one by one.

    That is so unless their optimizers are of the same kind, one of those in formulas.py, with the same
    parameters, of one precise type, in each group, and the gradients of all are clipped alike. `trained` are
    the parameters that have gradients, by name. With `record` steps on FixedGradients are recorded.
    """
    kinds = {type(lane.optimizer) for lane in lanes}
    counts = {len(lane.optimizer.param_groups) for lane in lanes}
    if len(kinds) > 1 or len(counts) > 1 or len({lane.clip for lane in lanes}) > 1:
        return None
    row_names = [{id(own[row]): name for name, own in trained.items()} for row in range(len(lanes))]
    blocks = []
    for groups in zip(*(lane.optimizer.param_groups for lane in lanes), strict=True):
        formula = formula_of(type(lanes[0].optimizer), groups)
        names = [
            [of_lane[id(parameter)] for parameter in group["params"] if id(parameter) in of_lane]
            for of_lane, group in zip(row_names, groups, strict=True)
        ]
        types = {trained[name][0].dtype for name in names[0]}
        if formula is None or any(one != names[0] for one in names) or len(types) > 1 or types - PRECISE:
            return None
        if types:
            blocks.append(Block(formula, names[0], lanes, groups))
            if not blocks[-1].agree:
                return None
    return StackedUpdate(lanes, stack, blocks, record) if blocks else None


def flat(rows: Tensor, parameter: Tensor) -> Tensor:
    """Tensors (lanes, ...) as (lanes, size), in the order that the entries of `parameter` have in memory."""
    axes = sorted(range(parameter.dim()), key=parameter.stride, reverse=True)
    return rows.detach().permute(0, *(axis + 1 for axis in axes)).flatten(1)


def laid_out(flat: Tensor, parameter: Tensor) -> Tensor:
    """A view of the last axis with the shape and the strides of `parameter`."""
    return flat.as_strided(
        (*flat.shape[:-1], *parameter.shape),
        (*flat.stride()[:-1], *parameter.stride()),
        flat.storage_offset(),
    )


def clip(gradients: list[Tensor], how: Clip) -> None:
    """Clips gradients (lanes, size), each lane's as `Clip.apply` does, in place."""
    if how.by != "norm":
        torch._foreach_clamp_min_(gradients, -how.limit)
        torch._foreach_clamp_max_(gradients, how.limit)
        return
    norms = torch.stack([torch.linalg.vector_norm(gradient, dim=1) for gradient in gradients])
    factors = (how.limit / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors[:, None])
