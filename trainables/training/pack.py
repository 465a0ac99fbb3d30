"""A pack: several learners trained as one LightningModule.

Lanes with equal tensor shapes form a group (group.py), which makes each batch once for all of them.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from torch import nn

from spaces.metrics import LATENCY, MEMORY, PARAMS
from spaces.seeds import derive_seed
from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.batches import Batches
from trainables.training.fit import Fit, Metrics
from trainables.training.group import Group, group_lanes
from trainables.training.isolated_copy import isolated_copy
from trainables.training.kept_tensors import KeptTensors
from trainables.training.lane_modules import replace_dropout
from trainables.training.latency import first_sample, latency_ms
from trainables.training.measure import measured, memory_mb, params

BATCHES_HELD = 8  # in memory at a time: a sequential group trains each lane on all of them


@final
class Pack(L.LightningModule):
    """The lanes of a job: learner and data by trial number.

    One training step of Lightning is an epoch of one group, so Lightning adds no cost per batch. `batched`:
    see Group.
    """

    def __init__(
        self, lanes: Mapping[int, tuple[Learner, L.LightningDataModule]], *, batched: bool | None = None
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lanes, self.batched = dict(lanes), batched
        self.learners = nn.ModuleList(learner for learner, _ in lanes.values())
        replace_dropout(self.learners)
        self.groups: list[Group] = []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        # Not in __init__: the stacks are made when the learners are on their device.
        self.groups = group_lanes(self.lanes, batched=self.batched)
        return [group.optimizer for group in self.groups]

    def train_dataloader(self) -> list[int]:
        return list(range(len(self.groups)))

    def val_dataloader(self) -> list[int]:
        return list(range(len(self.groups)))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        group = self.groups[batch_idx]
        batches = self.batches(group, "train")
        while held := tuple(islice(batches, BATCHES_HELD)):
            group.train(held, self.current_epoch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        group = self.groups[batch_idx]
        for learner in group.learners.values():
            learner.recalibrate_batch_norm(batch for _, batch in self.batches(group, "train"))
        for _, batch in self.batches(group, "val"):
            group.validate(batch)

    def batches(self, group: Group, split: str) -> Iterator[tuple[float, Any]]:
        """Yields (share of the epoch that is done, batch on the pack's device) for a group."""
        if not group.learners:
            return
        group.data.trainer = self.trainer
        loader: Batches = getattr(group.data, f"{split}_dataloader")()
        for index, batch in enumerate(loader):
            yield index / len(loader), self.transfer_batch_to_device(batch, self.device, 0)


@final
class PackFit(Fit):
    """A pack that starts from one checkpoint a lane; None: from initial weights.

    `dropout_seed` and the epoch seed the dropout; `measure` are the names of measured metrics.
    """

    data = None  # each group has its own

    def __init__(
        self,
        pack: Pack,
        starts: Mapping[int, str | None],
        dropout_seed: int,
        *,
        mixed_precision: bool = True,
        measure: tuple[str, ...] = (),
    ) -> None:
        self.module = self.pack = pack
        self.starts, self.dropout_seed, self.measure = starts, dropout_seed, measure
        self.numbers = tuple(pack.lanes)
        self.mixed_precision = mixed_precision and all(
            learner.mixed_precision for learner, _ in pack.lanes.values()
        )

    def restore(self, trainer: L.Trainer) -> None:
        for group in self.pack.groups:
            for number, learner in group.learners.items():
                if start := self.starts[number]:
                    checkpoint.restore(learner, group.optimizer, Path(start), number)

    def seed(self, epoch: int) -> None:
        torch.manual_seed(derive_seed(self.dropout_seed, epoch))

    def epoch_metrics(self, trainer: L.Trainer) -> Metrics:
        return {
            number: metrics for group in self.pack.groups for number, metrics in group.epoch_metrics().items()
        }

    def measured(self, trainer: L.Trainer) -> Metrics:
        metrics = {}
        for group in self.pack.groups:
            first_batch = cache(partial(self.first_batch, group))
            for number, learner in group.learners.items():
                methods = lane_methods(trainer, group.optimizer, learner, first_batch)
                metrics[number] = measured(self.measure, methods)
        return metrics

    def first_batch(self, group: Group, split: str) -> Any:
        """The first batch of a group in this epoch."""
        _, batch = next(self.pack.batches(group, split))
        return batch

    def drop(self, numbers: frozenset[int]) -> None:
        for group in self.pack.groups:
            group.drop(numbers)

    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        return {
            number: checkpoint.state(learner, group.optimizer)
            for group in self.pack.groups
            for number, learner in group.learners.items()
        }


def lane_methods(
    trainer: L.Trainer,
    optimizer: torch.optim.Optimizer,
    learner: Learner,
    first_batch: Callable[[str], Any],
) -> dict[str, Callable[[], float]]:
    """How each measured metric of a learner is found; `first_batch` makes a batch of a split."""
    return {
        PARAMS: lambda: params(learner),
        LATENCY: lambda: latency_ms(learner, trainer, first_sample(first_batch("val"))),
        MEMORY: lambda: memory_mb(learner, [optimizer], step_bytes(learner, trainer, first_batch("train"))),
    }


def step_bytes(learner: Learner, trainer: L.Trainer, batch: Any) -> int:
    """Bytes of a training batch and of the tensors that a learner keeps for the backward pass.

    Raises ValueError if its loss has no gradient.
    """
    copied, kept = isolated_copy(learner, trainer), KeptTensors()
    copied.train()
    with trainer.precision_plugin.forward_context(), kept.hooks:
        loss = copied.losses(batch).mean()
    if not loss.requires_grad:
        raise ValueError("its loss has no gradient")
    return kept.step_bytes(batch, (*copied.parameters(), *copied.buffers()))
