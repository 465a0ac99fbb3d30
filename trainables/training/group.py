"""A group: the learners of a pack that have equal tensor shapes and see the same batches.

Their parameters are stored in one stack, of which the learners' own parameters are views: training the stack
trains the learners. A group trains *batched*, with one forward pass and gradient over all lanes
(`torch.func.vmap`), or *sequentially*, lane after lane. The faster way depends on model and device, so it is
measured on the first batch.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, final

import lightning as L
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from trainables.learner import Learner, Means
from trainables.training.fit import Metrics
from trainables.training.lane_modules import MeanLoss

logger = logging.getLogger(__name__)
PLAIN_TYPES = (str, int, float, Path, type(None))
TIMINGS = 3  # of each way to train; the shortest counts


@final
class Group:
    """Learners of equal shapes, by trial number, and their common data.

    `batched` decides how they train; None: the faster way, measured on the first batch.
    """

    def __init__(
        self, learners: Mapping[int, Learner], data: L.LightningDataModule, *, batched: bool | None = None
    ) -> None:
        self.learners, self.data, self.batched = dict(learners), data, batched
        self.train_means = {number: Means() for number in learners}
        self.val_means = {number: Means() for number in learners}
        self.optimizer = torch.optim.AdamW(
            [learner.optim.parameter_group(learner) for learner in learners.values()], fused=True
        )
        self.parameter_groups = dict(zip(learners, self.optimizer.param_groups, strict=True))
        self.stack: dict[str, dict[str, Tensor]] = {}
        self.restack()

    def restack(self) -> None:
        """Stacks the parameters and buffers of the remaining learners."""
        lanes = list(self.learners.values())
        if len(lanes) == 1:
            self.batched, self.stack = False, {}  # a single lane keeps its memory layout
            return
        self.stack = {kind: stacked(lanes, kind) for kind in ("parameters", "buffers")}
        self.template = MeanLoss(lanes)

    def drop(self, numbers: frozenset[int]) -> None:
        """Removes the lanes with these numbers."""
        removed = numbers & self.learners.keys()
        for number in removed:
            self.learners.pop(number).zero_grad()  # frees the gradients
        if removed and self.learners:
            self.restack()

    def train(self, batches: Sequence[tuple[float, Any]], epoch: int) -> None:
        """One step of every lane per batch; `batches` holds (share of the epoch that is done, batch)."""
        if self.batched is None:
            self.batched = self.batched_is_faster(batches[0][1])
        if self.batched:
            for share, batch in batches:
                self.step(epoch + share, batch, self.learners, self.batched_gradients(batch))
            return
        for number, learner in self.learners.items():  # a CPU cache has room for one lane
            for share, batch in batches:
                self.step(epoch + share, batch, [number], [self.lane_gradients(learner, batch)])

    def step(self, progress: float, batch: Any, numbers: Collection[int], losses: Iterable[Tensor]) -> None:
        """One optimizer step of these lanes after `progress` epochs; adds `losses` to their means."""
        for number, loss in zip(numbers, losses, strict=True):
            learner = self.learners[number]
            self.parameter_groups[number]["lr"] = learner.optim.rate(progress / learner.epochs)
            self.train_means[number].add({"loss": loss.detach().expand(len(batch[0]))})
        self.optimizer.param_groups = [self.parameter_groups[number] for number in numbers]
        self.optimizer.step()

    def lane_gradients(self, learner: Learner, batch: Any) -> Tensor:
        """Computes the gradients of one learner into its parameters; returns its loss, a scalar."""
        for parameter in learner.parameters():
            parameter.grad = None
        loss = learner.losses(batch).mean()
        with torch.autocast(loss.device.type, enabled=False):  # autocast is for forward passes only
            loss.backward()
        return loss

    def batched_gradients(self, batch: Any) -> list[Tensor]:
        """Computes the gradients of all learners into their parameters; returns their losses.

        Raises RuntimeError or NotImplementedError if `vmap` does not support an operation of the learner.
        """

        def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return functional_call(self.template, (parameters, buffers), (batch,))

        batched = vmap(grad_and_value(loss), randomness="different")
        gradients, losses = batched(self.stack["parameters"], self.stack["buffers"])
        for name, gradient in gradients.items():
            for learner, lane in zip(self.learners.values(), gradient.unbind(), strict=True):
                learner.get_parameter(name.removeprefix("learner.")).grad = lane
        return list(losses.unbind())

    def batched_is_faster(self, batch: Any) -> bool:
        """Times the gradients of this batch both ways; afterwards buffers are as before."""
        before = {name: buffer.clone() for name, buffer in self.stack["buffers"].items()}
        learner = next(iter(self.learners.values()))
        try:
            batched = min(seconds(self.batched_gradients, batch) for _ in range(TIMINGS))
            lane = min(seconds(self.lane_gradients, learner, batch) for _ in range(TIMINGS))
        except (RuntimeError, NotImplementedError) as error:
            logger.info("these lanes can't be batched and train sequentially: %s", error)
            return False
        finally:
            for name, buffer in before.items():
                self.stack["buffers"][name].copy_(buffer)
        logger.info("%d lanes: %.2g s batched, %.2g s for a single lane", len(self.learners), batched, lane)
        return batched < lane * len(self.learners)

    def validate(self, batch: Any) -> None:
        """Adds each learner's metrics of this batch to its means."""
        for number, learner in self.learners.items():
            self.val_means[number].add(learner.metrics(batch))

    def epoch_metrics(self) -> Metrics:
        """Metrics of each lane in the epoch that has ended, under the names that a Learner logs."""
        return {
            number: {f"train/{name}": value for name, value in self.train_means[number].take().items()}
            | {f"val/{name}": value for name, value in self.val_means[number].take().items()}
            | {"lr": self.parameter_groups[number]["lr"]}
            for number in self.learners
        }


def seconds(function: Callable[..., object], *arguments: Any) -> float:
    """Seconds of one call, until the GPU has finished."""
    began = time.perf_counter()
    function(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def stacked(learners: list[Learner], kind: str) -> dict[str, Tensor]:
    """Stacks the `parameters` or `buffers` of learners: one tensor (lanes, ...) per name.

    The learners' own become views of it.
    """
    stack = {}
    named = [dict(getattr(learner, f"named_{kind}")()) for learner in learners]
    for name in named[0]:
        tensors = [tensors[name] for tensors in named]
        lanes = torch.stack([tensor.detach() for tensor in tensors])
        stack[f"learner.{name}"] = lanes
        for tensor, lane in zip(tensors, lanes.unbind(), strict=True):
            tensor.data = lane
    return stack


def group_lanes(
    lanes: Mapping[int, tuple[Learner, L.LightningDataModule]], *, batched: bool | None = None
) -> list[Group]:
    """Groups lanes with equal modules, and equal plain attributes of learner and data.

    Functions among the learner's attributes must be equal too.
    """
    groups: dict[tuple[object, ...], dict[int, Learner]] = {}
    for number, (learner, data) in lanes.items():
        key = (
            repr(learner),
            attributes(learner, *PLAIN_TYPES, FunctionType),
            attributes(data, *PLAIN_TYPES),
        )
        groups.setdefault(key, {})[number] = learner
    return [Group(learners, lanes[next(iter(learners))][1], batched=batched) for learners in groups.values()]


def attributes(instance: object, *types: type) -> tuple[tuple[str, str], ...]:
    """Names and values of the attributes that have one of these types."""
    return tuple(sorted((n, repr(value)) for n, value in vars(instance).items() if isinstance(value, types)))
