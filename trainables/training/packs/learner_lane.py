"""LearnerLane: a Learner in a pack."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FunctionType
from typing import Any, final

import lightning as L
from torch import Tensor

from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.packs.lane import PackedLane, Template
from trainables.training.packs.lane_modules import join_settings, replace_dropout
from trainables.training.packs.lane_trainer import LaneTrainer
from trainables.training.packs.logged import Logged, Rule

PLAIN_TYPES = (str, int, float, Path, type(None))


@final
class LearnerLane(PackedLane):
    """A Learner, with its own AdamW and a learning rate that follows from the share of training done."""

    module: Learner
    has_hooks = False

    def __init__(self, module: Learner, data: L.LightningDataModule) -> None:
        self.module, self.data = module, data
        replace_dropout(module)

    def likeness(self) -> Hashable:
        """Equal modules, and equal plain attributes of learner and data; functions must be equal too."""
        return (
            repr(self.module),
            attributes(self.module, *PLAIN_TYPES, FunctionType),
            attributes(self.data, *PLAIN_TYPES),
        )

    def template(self, lanes: Sequence["LearnerLane"]) -> Template:
        return LearnerTemplate([lane.module for lane in lanes])

    def setup(self, trainer: LaneTrainer, asked: bool) -> None:
        pass  # complete from the start

    def configure(self, start: Path | None, number: int) -> None:
        self.optimizer = self.module.optim.build(self.module)
        if start:
            checkpoint.restore(self.module, self.optimizer, start, number)

    def state(self) -> checkpoint.State:
        return checkpoint.state(self.module, self.optimizer)

    def begin_training(self) -> None:
        pass

    def begin_epoch(self) -> None:
        pass

    def training_loss(self, module: Learner, batch: Any, index: int) -> Tensor:
        return module.losses(batch).mean()

    def loss(self, batch: Any, index: int) -> tuple[Tensor, Logged]:
        loss = self.training_loss(self.module, batch, index)
        return loss, logged_loss(loss, batch)

    def before_step(self, progress: float) -> None:
        self.optimizer.param_groups[0]["lr"] = self.module.optim.rate(progress / self.module.epochs)

    def after_step(self, index: int) -> None:
        pass

    def begin_validation(self, batches: Iterable[Any], validates: bool) -> None:
        self.module.recalibrate_batch_norm(batches)

    def validate(self, batch: Any, index: int) -> Logged:
        return logged_metrics(self.module.metrics(batch), batch)

    def end_validation(self) -> None:
        pass

    def end_epoch(self, values: Mapping[str, float]) -> dict[str, float]:
        return {**values, "lr": self.optimizer.param_groups[0]["lr"]}


@final
class LearnerTemplate(Template):
    """The steps of any of these learners; settings that differ are tensors."""

    module: Any

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__()
        self.module = join_settings(learners)

    def loss(self, batch: Any, index: int) -> tuple[Tensor, Logged]:
        loss: Tensor = self.module.losses(batch).mean()
        return loss, logged_loss(loss, batch)

    def validate(self, batch: Any, index: int) -> Logged:
        return logged_metrics(self.module.metrics(batch), batch)

    def steps_unread(self) -> AbstractContextManager[None]:
        return nullcontext()  # a Learner does not know its Trainer


def logged_loss(loss: Tensor, batch: Any) -> Logged:
    """The loss of a training batch under the name that a Learner logs."""
    return Logged({"train/loss": loss}, {"train/loss": Rule(len(batch[0]))})


def logged_metrics(metrics: Mapping[str, Tensor], batch: Any) -> Logged:
    """The metrics of a validation batch, (B,) each, under the names that a Learner logs."""
    means = {f"val/{name}": values.mean() for name, values in metrics.items()}
    return Logged(means, dict.fromkeys(means, Rule(len(batch[0]))))


def attributes(instance: object, *types: type) -> tuple[tuple[str, str], ...]:
    """Names and values of the attributes that have one of these types."""
    return tuple(sorted((n, repr(value)) for n, value in vars(instance).items() if isinstance(value, types)))
