"""FirstBatches: what Lightning's first batches tell of a module that is no learner."""

from contextlib import ExitStack
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from spaces.metrics import LATENCY, MEMORY
from trainables.training.kept_tensors import KeptTensors, tensors
from trainables.training.latency import first_sample
from trainables.training.measure import measuring


@final
class FirstBatches(Callback):
    """Observes the training step of the first batch, and keeps a sample of the first validation batch.

    It only watches: it draws no batch, and runs no step. `names` are the metrics to be measured.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.kept = KeptTensors()
        self.hooks = ExitStack()
        self.batch: list[Tensor] | None = None  # while its step is observed
        self.most = 0
        self.first: Any = None

    @property
    def step_bytes(self) -> int:
        """Bytes of `KeptTensors.step_bytes` at the backward pass; the largest of several.

        Raises ValueError if Lightning has seen no backward pass.
        """
        if not self.most:
            raise ValueError("it had no backward pass (by manual_backward, if it optimizes manually)")
        return self.most

    @property
    def sample(self) -> Any:
        """A batch of one validation sample. Raises ValueError if there was no validation."""
        if self.first is None:
            raise ValueError("it had no validation batch")
        return self.first

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if MEMORY in self.names and not self.most:
            self.batch = tensors(batch)
            self.hooks.enter_context(self.kept.hooks)

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        if self.batch is not None:
            own = (*pl_module.parameters(), *pl_module.buffers())
            with measuring(MEMORY):
                self.most = max(self.most, self.kept.step_bytes(self.batch, own))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.hooks.close()
        self.batch = None

    def on_validation_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if LATENCY in self.names and self.first is None:
            with measuring(LATENCY):  # now, as the step may change the batch
                self.first = first_sample(batch)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        if MEMORY in self.names and "saved tensor hooks" in str(exception):
            with measuring(MEMORY):
                raise exception
