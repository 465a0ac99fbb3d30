"""A pack: several lanes trained as one LightningModule.

Lanes of equal likeness form a group (group.py), which makes each batch once for all of them.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import nn

from spaces.metrics import LATENCY, MEMORY, PARAMS
from spaces.seeds import derive_seed
from trainables.seeding import seed_all
from trainables.training import checkpoint
from trainables.training.device_tensors import place_on
from trainables.training.fit import Fit, Metrics
from trainables.training.isolated_copy import isolated_copy
from trainables.training.kept_tensors import KeptTensors
from trainables.training.latency import first_sample, latency_ms
from trainables.training.measure import measured, memory_mb, params
from trainables.training.packs.group import Group
from trainables.training.packs.lane import PackedLane, TrainBatch
from trainables.training.packs.lane_trainer import LaneTrainer
from trainables.training.packs.loaders import Loaders
from trainables.training.packs.way import choose_way, validate_first, worth_trying

BATCHES_HELD = 8  # in memory at a time: a sequential group trains each lane on all of them


@final
class Pack(L.LightningModule):
    """The lanes of a job, by trial number, and the checkpoints that they start from; None: new weights.

    One training step of Lightning is an epoch of one group, so Lightning adds no cost per batch. `batched`:
    whether groups train batched; None: where that is faster. `epochs` are those of the whole training,
    `limits` the Trainer's `limit_*_batches`.
    """

    def __init__(
        self,
        lanes: Mapping[int, PackedLane],
        starts: Mapping[int, str | None],
        *,
        epochs: int,
        batched: bool | None = None,
        limits: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lanes, self.starts, self.batched, self.epochs = dict(lanes), starts, batched, epochs
        self.loaders = Loaders(limits)
        self.modules_of_lanes = nn.ModuleList(lane.module for lane in lanes.values())
        self.groups: list[Group] = []

    def setup(self, stage: str) -> None:
        for lane in self.lanes.values():
            asked = self.loaders.prepare(lane.data, self.trainer)
            self.loaders.loader(lane.data, "train")  # before an epoch is seeded
            count = partial(self.loaders.count, lane.data, "train")
            trainer = LaneTrainer(self.trainer, lane.module, lane.data, self.epochs, count, lane.accumulate)
            lane.setup(trainer, asked)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        # Not in __init__: the stacks are made when the modules are on their device.
        for number, lane in self.lanes.items():
            start = self.starts[number]
            lane.configure(Path(start) if start else None, number)
        self.groups = group_lanes(self.lanes, batched=False if self.batched is False else None)
        return [optimizer for lane in self.lanes.values() for optimizer in lane.optimizers]

    def train_dataloader(self) -> list[int]:
        return list(range(len(self.groups)))

    def val_dataloader(self) -> list[int]:
        return list(range(len(self.groups)))

    def on_train_start(self) -> None:
        for lane in self.lanes.values():
            lane.begin_training()

    def training_step(self, index: Any, batch_idx: int) -> None:
        group = self.groups[batch_idx]
        if not group.lanes:
            return
        seed = group.first.batch_seed
        if seed is not None:  # each group draws what it would draw alone
            seed_all(derive_seed(seed, self.current_epoch))
        group.begin_epoch()
        batches = self.batches(group, "train")
        while held := tuple(islice(batches, BATCHES_HELD)):
            if group.batched is None:
                left = self.loaders.count(group.first.data, "train") * self._epochs_left
                choose_way(group, held[0], left, fixed=bool(self.batched))
            group.train(held, self.current_epoch)

    def validation_step(self, index: Any, batch_idx: int) -> None:
        group = self.groups[batch_idx]
        if not group.lanes:
            return
        first = group.first
        count = self.loaders.count(first.data, "val") if is_overridden("validation_step", first.module) else 0
        validates = count > 0
        group.begin_validation((one.content for one in self.batches(group, "train")), validates)
        left = count * self._epochs_left
        for batch in self.batches(group, "val") if validates else ():
            undecided = group.validates_batched is None
            if undecided and (self.batched or worth_trying(group, batch.content, left)):
                validate_first(group, batch.content, batch.index, fixed=bool(self.batched))
            else:
                group.validate(batch.content, batch.index)
        if validates:
            for lane in group.lanes.values():
                lane.end_validation()

    @property
    def _epochs_left(self) -> int:
        """The epochs of this job that have not ended."""
        return (self.trainer.max_epochs or 0) - self.current_epoch

    def on_train_epoch_end(self) -> None:
        for group in self.groups:
            if group.lanes:
                group.end_epoch()

    def batches(self, group: Group, split: str) -> Iterator[TrainBatch]:
        """Yields the batches of a group, on the pack's device."""
        data = group.first.data
        count = self.loaders.count(data, split)
        loaded = self.loaders.batches(data, split, self.current_epoch, place_on(self.device))
        for index, batch in enumerate(islice(loaded, count)):
            content = self.transfer_batch_to_device(batch, self.device, 0)
            yield TrainBatch(index, index / count, content, index == count - 1)


@final
class PackFit(Fit):
    """A pack in a Trainer.

    `dropout_seed` and the epoch seed the dropout; `measure` are the names of measured metrics, `options`
    further arguments of the Trainer.
    """

    data = None  # each group has its own

    def __init__(
        self,
        pack: Pack,
        dropout_seed: int,
        *,
        mixed_precision: bool = True,
        measure: tuple[str, ...] = (),
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.module = self.pack = pack
        self.dropout_seed, self.measure = dropout_seed, measure
        self.numbers, self.mixed_precision = tuple(pack.lanes), mixed_precision
        self.trainer_options = options
        # Of lanes that have ended their own training.
        self.ended: dict[int, checkpoint.State] = {}
        self.final: dict[int, Mapping[str, float]] = {}

    @property
    def lanes(self) -> dict[int, PackedLane]:
        """The lanes that still train."""
        return {number: lane for group in self.pack.groups for number, lane in group.lanes.items()}

    def seed(self, epoch: int) -> None:
        torch.manual_seed(derive_seed(self.dropout_seed, epoch))

    def epoch_metrics(self, trainer: L.Trainer) -> Metrics:
        trained = [group.metrics for group in self.pack.groups if group.lanes]
        return {**self.final, **{number: metrics for group in trained for number, metrics in group.items()}}

    def measured(self, trainer: L.Trainer) -> Metrics:
        metrics = {}
        for group in self.pack.groups:
            first_batch = cache(partial(self.first_batch, group))
            for number, lane in group.lanes.items():
                metrics[number] = measured(self.measure, lane_methods(trainer, lane, first_batch))
        return metrics

    def first_batch(self, group: Group, split: str) -> Any:
        """The first batch of a group in this epoch."""
        return next(self.pack.batches(group, split)).content

    def drop(self, diverged: frozenset[int], metrics: Metrics) -> bool:
        for number, lane in self.lanes.items():
            if lane.ends and number not in diverged:
                lane.final_metrics = {number: metrics[number]}
                self.ended[number] = lane.state()
                self.final[number] = metrics[number]
        for group in self.pack.groups:
            group.drop(diverged | self.ended.keys())
        return bool(self.lanes)

    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        return {**self.ended, **{number: lane.state() for number, lane in self.lanes.items()}}


def lane_methods(
    trainer: L.Trainer, lane: PackedLane, first_batch: Callable[[str], Any]
) -> dict[str, Callable[[], float]]:
    """How each measured metric of a lane is found; `first_batch` makes a batch of a split."""
    module = lane.module

    def kept() -> int:
        if lane.observed:
            return lane.observed.step_bytes
        return step_bytes(lane, trainer, first_batch("train"))

    return {
        PARAMS: lambda: params(module),
        LATENCY: lambda: latency_ms(module, trainer, first_sample(first_batch("val"))),
        MEMORY: lambda: memory_mb(module, lane.optimizers, kept()),
    }


def step_bytes(lane: PackedLane, trainer: L.Trainer, batch: Any) -> int:
    """Bytes of a training batch and of the tensors that a module keeps for the backward pass.

    Raises ValueError if its loss has no gradient.
    """
    copied, kept = isolated_copy(lane.module, trainer), KeptTensors()
    copied.train()
    with trainer.precision_plugin.forward_context(), kept.hooks:
        loss = lane.training_loss(copied, batch, 0)
    if not loss.requires_grad:
        raise ValueError("its loss has no gradient")
    return kept.step_bytes(batch, (*copied.parameters(), *copied.buffers()))


def group_lanes(lanes: Mapping[int, PackedLane], *, batched: bool | None = None) -> list[Group]:
    """Groups lanes of equal likeness."""
    groups: dict[Any, dict[int, PackedLane]] = {}
    for number, lane in lanes.items():
        groups.setdefault(lane.likeness(), {})[number] = lane
    return [Group(members, batched=batched) for members in groups.values()]
