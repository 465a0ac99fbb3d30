"""Learner: base class of Ladder's own modules, with per-sample losses and metrics, AdamW and a schedule."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, final

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from trainables.optim import Optim

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Learner(L.LightningModule, ABC):
    """A LightningModule whose subclasses define the loss and the metrics of each sample.

    Logs `train/loss`, `val/loss` and `val/<metric>`, each the mean over the samples of the epoch. `epochs` is
    the length of the whole training, which the schedule spans; the other arguments are those of Optim.
    Raises ValueError for an argument that Optim refuses.
    """

    mixed_precision: ClassVar[bool] = False  # train with bf16 autocast where the device supports it
    channels_last: ClassVar[bool] = False  # channels-last memory layout
    batch_norm_samples: ClassVar[int] = 0  # to recompute batch-norm statistics before validation (0: off)

    def __init__(
        self,
        *,
        epochs: int = 9,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        schedule: str = "cosine",
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        self.optim = Optim(lr, weight_decay, beta1, beta2, eps, schedule, warmup)
        self.epochs = epochs
        self._train, self._val = Means(), Means()

    @abstractmethod
    def losses(self, batch: Any) -> Tensor:
        """The training loss of each sample of a batch, (B,)."""

    @abstractmethod
    def metrics(self, batch: Any) -> dict[str, Tensor]:
        """The validation metrics of each sample of a batch, by name, (B,) each."""

    def recalibrate_batch_norm(self, batches: Iterable[Any]) -> None:
        """Recomputes batch norm's running statistics from `batch_norm_samples` samples with current weights.

        In short trainings the usual moving averages lag behind the weights. "Precise batch norm": Wu and
        Johnson, Rethinking "Batch" in BatchNorm, 2021, arXiv:2105.07576.
        """
        norms: list[Any] = [module for module in self.modules() if isinstance(module, BATCH_NORMS)]
        if not (self.batch_norm_samples and norms):
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
        self.train()
        samples = 0
        with torch.no_grad():
            for count, batch in enumerate(batches, start=1):
                for norm in norms:
                    norm.momentum = (
                        1 / count
                    )  # a plain mean; with None, PyTorch reads the count from the device
                samples += len(self.losses(batch))
                if samples >= self.batch_norm_samples:
                    break
        self.eval()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optim.build(self)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        steps = int(self.trainer.num_training_batches)
        rate = self.optim.rate((self.current_epoch + batch_idx / steps) / self.epochs)
        for group in self.optimizers(use_pl_optimizer=False).param_groups:  # type: ignore[union-attr]
            group["lr"] = rate

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        losses = self.losses(batch)
        self._train.add({"loss": losses.detach()})
        return losses.mean()

    def on_train_epoch_end(self) -> None:
        self.log_dict({f"train/{name}": value for name, value in self._train.take().items()})

    def on_validation_epoch_start(self) -> None:
        if self.batch_norm_samples and self.trainer.state.fn is TrainerFn.FITTING:
            loader: Any = self.trainer.train_dataloader
            with self.trainer.precision_plugin.forward_context():
                self.recalibrate_batch_norm(
                    self.transfer_batch_to_device(batch, self.device, 0) for batch in loader
                )

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._val.add(self.metrics(batch))

    def on_validation_epoch_end(self) -> None:
        self.log_dict({f"val/{name}": value for name, value in self._val.take().items()})

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._val.add(self.metrics(batch))

    def on_test_epoch_end(self) -> None:
        self.log_dict({f"test/{name}": value for name, value in self._val.take().items()})

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The output of `forward` for the inputs of a batch; a Predictor interprets it."""
        output: Tensor = self(batch[0])
        return output


@final
class Means:
    """Means over the samples of an epoch, summed on the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Adds one batch; every value has shape (B,)."""
        for name, value in values.items():
            total = value.detach().sum(dtype=torch.float64 if value.device.type == "cpu" else torch.float32)
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.count += len(next(iter(values.values())))

    def take(self) -> dict[str, float]:
        """Returns the means and starts again from zero."""
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means
