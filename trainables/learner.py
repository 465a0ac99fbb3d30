"""What all learners share: a loss in training, metrics in validation, AdamW with a schedule."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from trainables.optim import Optim


class Learner(L.LightningModule, ABC):
    """A LightningModule that says per sample what its loss and its metrics are; the rest is here.

    Metrics are logged as `train/loss`, `val/loss` and `val/<metric>`, each the mean over the samples of
    the epoch. `baseline` is the objective of the best prediction that looks at no input; where it is
    known it is logged as `val/baseline`, so that a reader sees what was learned; so is `nearest`, that of
    answering as for the most similar training sample, as `val/nearest`.
    """

    mixed_precision: ClassVar[bool] = False  # bf16 autocast pays for this learner, where there is bf16
    channels_last: ClassVar[bool] = False  # so do channels-last images
    batch_norm_samples: ClassVar[int] = 0  # training samples from which batch norm is settled for validation

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
        baseline: float | None = None,
        nearest: float | None = None,
    ) -> None:
        super().__init__()
        self.optim = Optim(lr, weight_decay, beta1, beta2, eps, schedule, warmup)
        self.epochs, self.baseline, self.nearest = epochs, baseline, nearest
        self._train, self._val = Means(), Means()

    @abstractmethod
    def losses(self, batch: Any) -> Tensor:
        """The loss of each sample of a batch, shape (B,)."""

    @abstractmethod
    def metrics(self, batch: Any) -> dict[str, Tensor]:
        """What validation measures of each sample of a batch, by name, each of shape (B,)."""

    def recalibrate_batch_norm(self, batches: Iterable[Any]) -> None:
        """Takes batch norm's running statistics anew from `batch_norm_samples` samples, with the weights as they are.

        In short trainings the usual moving averages lag behind the weights, and validation measures the
        lag ("precise batch norm": Wu and Johnson, 2021, arXiv:2105.07576).
        """
        norms = [module for module in self.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if not (self.batch_norm_samples and norms):
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over the batches
        self.train()
        seen = 0
        with torch.no_grad():
            for batch in batches:
                seen += len(self.losses(batch))
                if seen >= self.batch_norm_samples:
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
        if self.baseline is not None:
            self.log("val/baseline", self.baseline)
        if self.nearest is not None:
            self.log("val/nearest", self.nearest)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._val.add(self.metrics(batch))

    def on_test_epoch_end(self) -> None:
        self.log_dict({f"test/{name}": value for name, value in self._val.take().items()})

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """What `forward` gives for the inputs of a batch; a Predictor says what it means."""
        found: Tensor = self(batch[0])
        return found


class Means:
    """Means over the samples of an epoch, summed on the device and read once."""

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
        """The means so far; starts anew."""
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means
