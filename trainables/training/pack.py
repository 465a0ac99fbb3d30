"""A pack: several learners trained as one LightningModule, with one AdamW over all of them.

Lanes of equal shapes form a group, which sees each batch once. A group's parameters lie in
one stack, of which the learners' own are views: whatever trains the stack trains the learners. A group is
trained *together*, by one batched forward and gradient (`torch.func.vmap`), or *one by one*, lane after
lane; which is faster depends on the model and the device, so a probe on the first batch decides.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import FunctionType
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from trainables.learner import Learner, Means
from trainables.training import checkpoint
from trainables.training.batches import Batches, seeded
from trainables.training.fit import Fit, Metrics
from trainables.training.lane_modules import MeanLoss, with_lane_dropout

logger = logging.getLogger(__name__)
PLAIN = (str, int, float, Path, type(None))
PROBES = 3  # the quickest of so many counts
AT_ONCE = 8  # batches that are held at a time


class Group:
    """Learners of equal shapes, by trial number, that see the same batches."""

    def __init__(self, learners: Mapping[int, Learner], data: L.LightningDataModule) -> None:
        self.learners, self.data = dict(learners), data
        self.means = {number: (Means(), Means()) for number in learners}  # of training, of validation
        self.slots = {number: learner.optim.slot(learner) for number, learner in learners.items()}
        self.optimizer = torch.optim.AdamW(list(self.slots.values()), fused=True)
        self.slots = dict(zip(learners, self.optimizer.param_groups, strict=True))
        self.together: bool | None = None  # unknown before the first batch
        self.stack: dict[str, dict[str, Tensor]] = {}
        self.restack()

    def restack(self) -> None:
        """Lays the learners that are left out in one stack."""
        lanes = list(self.learners.values())
        if len(lanes) == 1:
            self.together, self.stack = False, {}  # a lane alone keeps its layout
            return
        self.stack = {kind: stacked(lanes, kind) for kind in ("parameters", "buffers")}
        self.template = MeanLoss(lanes)

    def drop(self, numbers: frozenset[int]) -> None:
        """Takes lanes out."""
        gone = numbers & self.learners.keys()
        for number in gone:
            self.learners.pop(number).zero_grad()  # so much less memory
        if gone and self.learners:
            self.restack()

    def train(self, batches: Sequence[tuple[float, Any]], epoch: int) -> None:
        """A step of every lane with each batch; with it comes the share of the epoch that is done before."""
        if self.together is None:
            self.together = self.probe(batches[0][1])
        if self.together:
            for share, batch in batches:
                self.step(epoch + share, batch, self.learners, self.gradients_together(batch))
            return
        for number, learner in self.learners.items():  # the processor's cache has room for one
            for share, batch in batches:
                self.step(epoch + share, batch, [number], [self.gradients_alone(learner, batch)])

    def step(self, progress: float, batch: Any, numbers: Collection[int], losses: Iterable[Tensor]) -> None:
        """Steps these lanes by their gradients, after so many epochs, and notes the losses."""
        for number, loss in zip(numbers, losses, strict=True):
            learner = self.learners[number]
            self.slots[number]["lr"] = learner.optim.rate(progress / learner.epochs)
            self.means[number][0].add({"loss": loss.detach().expand(len(batch[0]))})
        self.optimizer.param_groups = [self.slots[number] for number in numbers]
        self.optimizer.step()

    def gradients_alone(self, learner: Learner, batch: Any) -> Tensor:
        """Leaves a learner's gradients of this batch in its parameters; returns its loss."""
        for parameter in learner.parameters():
            parameter.grad = None
        loss = learner.losses(batch).mean()
        with torch.autocast(loss.device.type, enabled=False):  # for forward passes alone
            loss.backward()
        return loss

    def gradients_together(self, batch: Any) -> list[Tensor]:
        """The same of all learners at once."""

        def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return functional_call(self.template, (parameters, buffers), (batch,))

        batched = vmap(grad_and_value(loss), randomness="different")
        gradients, losses = batched(self.stack["parameters"], self.stack["buffers"])
        for name, gradient in gradients.items():
            for learner, lane in zip(self.learners.values(), gradient.unbind(), strict=True):
                learner.get_parameter(name.removeprefix("learner.")).grad = lane
        return list(losses.unbind())

    def probe(self, batch: Any) -> bool:
        """Whether this batch's gradients come faster together. Changes nothing: buffers are put back."""
        before = {name: buffer.clone() for name, buffer in self.stack["buffers"].items()}
        one = next(iter(self.learners.values()))
        try:
            together = min(seconds(self.gradients_together, batch) for _ in range(PROBES))
            alone = min(seconds(self.gradients_alone, one, batch) for _ in range(PROBES))
        except (RuntimeError, NotImplementedError) as error:
            logger.info("these lanes can't be batched and train one by one: %s", error)
            return False
        finally:
            for name, buffer in before.items():
                self.stack["buffers"][name].copy_(buffer)
        logger.info("%d lanes: %.2g s together, %.2g s for one alone", len(self.learners), together, alone)
        return together < alone * len(self.learners)

    def validate(self, batch: Any) -> None:
        """Notes each learner's metrics of this batch."""
        for number, learner in self.learners.items():
            self.means[number][1].add(learner.metrics(batch))

    def measured(self) -> Metrics:
        """Each lane's metrics of the epoch that has ended, as the lane alone would log them."""
        return {
            number: {f"train/{name}": value for name, value in self.means[number][0].take().items()}
            | {f"val/{name}": value for name, value in self.means[number][1].take().items()}
            | ({} if learner.baseline is None else {"val/baseline": learner.baseline})
            | ({} if learner.nearest is None else {"val/nearest": learner.nearest})
            | {"lr": self.slots[number]["lr"]}
            for number, learner in self.learners.items()
        }


def seconds(way: Callable[..., object], *given: Any) -> float:
    """How long a way takes with what it is given."""
    began = time.perf_counter()
    way(*given)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def stacked(learners: list[Learner], kind: str) -> dict[str, Tensor]:
    """The learners' parameters or buffers, one tensor (lanes, ...) a name; their own become views of it."""
    stack = {}
    named = [dict(getattr(learner, f"named_{kind}")()) for learner in learners]
    for name in named[0]:
        tensors = [tensors[name] for tensors in named]
        stack[f"learner.{name}"] = whole = torch.stack([tensor.detach() for tensor in tensors])
        for tensor, lane in zip(tensors, whole.unbind(), strict=True):
            tensor.data = lane
    return stack


def grouped(lanes: Mapping[int, tuple[Learner, L.LightningDataModule]]) -> list[Group]:
    """The lanes in groups of equal modules, shapes, batches, plain values and functions."""
    groups: dict[tuple[object, ...], dict[int, Learner]] = {}
    for number, (learner, data) in lanes.items():
        key = (repr(learner), of_kinds(learner, *PLAIN, FunctionType), of_kinds(data, *PLAIN))
        groups.setdefault(key, {})[number] = learner
    return [Group(learners, lanes[next(iter(learners))][1]) for learners in groups.values()]


def of_kinds(of: object, *kinds: type) -> tuple[tuple[str, str], ...]:
    """The attributes of these kinds that an object was made with."""
    return tuple(sorted((name, repr(value)) for name, value in vars(of).items() if isinstance(value, kinds)))


class Pack(L.LightningModule):
    """The lanes of a job. A training step is an epoch of one group, so Lightning costs nothing a batch."""

    def __init__(self, lanes: Mapping[int, tuple[Learner, L.LightningDataModule]]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lanes = dict(lanes)
        self.learners = nn.ModuleList(learner for learner, _ in lanes.values())
        with_lane_dropout(self.learners)
        self.groups: list[Group] = []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        self.groups = grouped(self.lanes)  # now that the learners are on their device
        return [group.optimizer for group in self.groups]

    def train_dataloader(self) -> list[int]:
        return list(range(len(self.groups)))

    def val_dataloader(self) -> list[int]:
        return list(range(len(self.groups)))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        group = self.groups[batch_idx]
        batches = self.batches(group, "train")
        while some := tuple(islice(batches, AT_ONCE)):
            group.train(some, self.current_epoch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        group = self.groups[batch_idx]
        for learner in group.learners.values():
            learner.recalibrate_batch_norm(images for _, images in self.batches(group, "train"))
        for _, images in self.batches(group, "val"):
            group.validate(images)

    def batches(self, group: Group, split: str) -> Iterator[tuple[float, Any]]:
        """The batches of a group on the pack's device, each with the share of them that came before."""
        if not group.learners:
            return
        group.data.trainer = self.trainer
        loader: Batches = getattr(group.data, f"{split}_dataloader")()
        for index, batch in enumerate(loader):
            yield index / len(loader), self.transfer_batch_to_device(batch, self.device, 0)


class PackFit(Fit):
    """A pack, as `drive` wants it."""

    data = None  # each group has its own

    def __init__(self, pack: Pack, starts: Mapping[int, str | None], seed: int) -> None:
        self.module = self.pack = pack
        self.starts, self.lane_seed = starts, seed
        self.numbers = tuple(pack.lanes)
        self.mixed_precision = all(learner.mixed_precision for learner, _ in pack.lanes.values())

    def restore(self, trainer: L.Trainer) -> None:
        for group in self.pack.groups:
            for number, learner in group.learners.items():
                if start := self.starts[number]:
                    checkpoint.restore(learner, group.optimizer, Path(start), number)

    def seed(self, epoch: int) -> None:
        torch.manual_seed(seeded(self.lane_seed, epoch).initial_seed())

    def measured(self, trainer: L.Trainer) -> Metrics:
        return {number: values for group in self.pack.groups for number, values in group.measured().items()}

    def drop(self, numbers: frozenset[int]) -> None:
        for group in self.pack.groups:
            group.drop(numbers)

    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        return {
            number: checkpoint.state(learner, group.optimizer)
            for group in self.pack.groups
            for number, learner in group.learners.items()
        }
