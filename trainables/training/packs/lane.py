"""PackedLane: how one lane of a pack takes its steps. There are two kinds: Learners, and other modules."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import lightning as L
from torch import Tensor, nn, optim

from trainables.training import checkpoint
from trainables.training.first_batches import FirstBatches
from trainables.training.fit import Metrics
from trainables.training.packs.clipping import Clip
from trainables.training.packs.lane_trainer import LaneTrainer
from trainables.training.packs.logged import Logged


@final
@dataclass(frozen=True)
class TrainBatch:
    """A training batch: its number in the epoch, the share of the epoch done before it, its content."""

    index: int
    share: float
    content: Any
    last: bool  # of the epoch


class Template(nn.Module, ABC):
    """The steps of any lane of a group, for `functional_call` with the tensors of that lane.

    `module` is a copy of one lane's module, as that is when the template is made.
    """

    module: nn.Module

    def forward(self, step: Callable[[Any, int], Any], batch: Any, index: int) -> Any:
        """One of the steps below."""
        return step(batch, index)

    @abstractmethod
    def loss(self, batch: Any, index: int) -> tuple[Tensor, Logged]:
        """The training loss of batch number `index` of an epoch, a scalar, and the values logged."""

    @abstractmethod
    def validate(self, batch: Any, index: int) -> Logged:
        """The values logged for a validation batch."""

    @abstractmethod
    def steps_unread(self) -> AbstractContextManager[None]:
        """Context manager: a step that reads how many steps have been made raises ValueError."""


class PackedLane(ABC):
    """A lane of a pack: its module and data, and from `configure` on its optimizer.

    `accumulate` is the number of batches for each step of the optimizer, before which `clip` clips the
    gradients, if it is not None. `ends`: whether its training has ended, before that of the pack;
    `final_metrics` then holds those of all further epochs. `batch_seed` and the epoch seed the random
    generators from which its batches draw; None: they do not draw from those. `has_hooks`: whether hooks of
    epochs may change the module.
    `manual`: its training step makes the steps of its optimizers, as `manual_step`; it is not batched, so
    lanes of equal likeness see the same batches, whatever the shapes of their tensors.
    """

    module: L.LightningModule
    data: L.LightningDataModule
    optimizer: optim.Optimizer
    further_optimizers: Sequence[optim.Optimizer] = ()  # of a manual lane
    manual: bool = False
    observed: FirstBatches | None = None  # of a manual lane: its first batch, for the measured metrics
    batch_seed: int | None = None
    same_draws: bool = False  # whether its steps draw the random numbers that they draw alone
    accumulate: int = 1
    ends: bool = False
    final_metrics: Metrics | None = None
    clip: Clip | None = None
    has_hooks: bool

    @property
    def optimizers(self) -> list[optim.Optimizer]:
        """All optimizers."""
        return [self.optimizer, *self.further_optimizers]

    @abstractmethod
    def likeness(self) -> Hashable:
        """Lanes of equal likeness have tensors of equal shapes and see the same batches."""

    @abstractmethod
    def template(self, lanes: Sequence[Any]) -> Template:
        """The steps of any of these lanes, which have equal likeness and include this one."""

    @abstractmethod
    def setup(self, trainer: LaneTrainer, asked: bool) -> None:
        """Completes the module before it moves to its device.

        `asked`: whether the setup of its data asks the Trainer, which is that of the pack. Raises Unpackable
        if the module needs another.
        """

    @abstractmethod
    def configure(self, start: Path | None, number: int) -> None:
        """Makes the optimizers, and restores lane `number` of the checkpoint `start`, if there is one.

        The module is on its device. Raises ValueError if the checkpoint can't be read or does not fit.
        """

    @abstractmethod
    def state(self) -> checkpoint.State:
        """The state that a later job needs to continue."""

    @abstractmethod
    def begin_training(self) -> None:
        """Called once, before the first epoch."""

    @abstractmethod
    def begin_epoch(self) -> None:
        """Called before the first batch of each epoch."""

    @abstractmethod
    def training_loss(self, module: Any, batch: Any, index: int) -> Tensor:
        """The training loss, a scalar, of the module of this lane or a copy of it."""

    @abstractmethod
    def loss(self, batch: Any, index: int) -> tuple[Tensor, Logged]:
        """The training loss of batch number `index`, a scalar with a gradient, and the values logged."""

    def manual_step(self, batch: Any, index: int) -> Logged:
        """Trains a `manual` lane on batch number `index`. Returns the values logged."""
        raise NotImplementedError(f"{type(self).__name__} makes no steps itself")

    @abstractmethod
    def before_step(self, progress: float) -> None:
        """Called before each step of the optimizer, after `progress` epochs."""

    @abstractmethod
    def after_step(self, index: int) -> None:
        """Called after each step of the optimizer, with the number of the last batch."""

    @abstractmethod
    def begin_validation(self, batches: Iterable[Any], validates: bool) -> None:
        """Called when the training batches of an epoch are done.

        `batches` makes another pass over them; `validates`: whether there are validation batches.
        """

    @abstractmethod
    def validate(self, batch: Any, index: int) -> Logged:
        """The values logged for a validation batch."""

    @abstractmethod
    def end_validation(self) -> None:
        """Called after the validation batches of an epoch, if there are any."""

    @abstractmethod
    def end_epoch(self, values: Mapping[str, float]) -> dict[str, float]:
        """The metrics of the epoch: `values`, which its steps have logged, and others."""
