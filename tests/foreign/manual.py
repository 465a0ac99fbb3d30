"""Modules with manual optimization, and some that packs refuse. All train on DigitsDataModule."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.foreign.autoencoder import DigitsDataModule
from tests.foreign.gan import Gan
from tests.foreign.variety import Base

__all__ = ["DigitsDataModule"]


class DrawingGan(Gan):
    """Two optimizers, toggled, with schedulers stepped by hand; it draws in training and validation."""

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("val_loss", self.generator(torch.randn(8, 4, device=self.device)).square().mean())
        self.log("steps", float(self.trainer.global_step))


class ClosureGan(Gan):
    """Steps with closures in `toggle_model`, clipped, as in Lightning's documentation, and drops out."""

    def __init__(self, lr: float = 1e-3, width: int = 16):
        super().__init__(lr, width=width)
        self.discriminator.append(nn.Dropout(0.5))

    def training_step(self, batch, batch_idx):
        generated = self.generator(torch.randn(len(batch[0]), 4, device=self.device))
        of_generator, of_discriminator = self.optimizers()

        def generate():
            loss = -self.discriminator(generated).mean()
            of_generator.zero_grad()
            self.manual_backward(loss)
            self.clip_gradients(of_generator, gradient_clip_val=0.01, gradient_clip_algorithm="norm")
            return loss

        def discriminate():
            loss = F.softplus(self.discriminator(generated.detach()) - self.discriminator(batch[0])).mean()
            of_discriminator.zero_grad()
            self.manual_backward(loss)
            return loss

        with of_generator.toggle_model():
            self.log("generator_loss", of_generator.step(closure=generate))
        with of_discriminator.toggle_model():
            self.log("discriminator_loss", of_discriminator.step(closure=discriminate), on_epoch=True)
        self.log("steps", float(self.global_step))
        of_discriminator.optimizer.param_groups[0]["weight_decay"] = 1e-3 * (1 + self.current_epoch)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.discriminator(batch[0]).mean())


class Accumulates(Base):
    """One optimizer, which gets the gradients of three batches."""

    def __init__(self, lr: float = 1e-2):
        super().__init__(lr)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        optimizer = self.optimizers()
        self.manual_backward(loss / 3)
        if (batch_idx + 1) % 3 == 0 or self.trainer.is_last_batch:
            optimizer.step()
            optimizer.zero_grad()
        self.log("steps", float(self.trainer.global_step), on_step=False, on_epoch=True, reduce_fx="max")


class Schedules(Base):
    """A scheduler by a metric and one by epoch, stepped by hand."""

    def __init__(self, lr: float = 1e-2):
        super().__init__(lr)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        with self.toggled_optimizer(optimizer):
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()

    def on_train_epoch_end(self):
        by_epoch, by_metric = self.lr_schedulers()
        by_epoch.step()
        by_metric.step(self.trainer.callback_metrics["val_loss"])

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        return [optimizer], [
            torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
            torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10),
        ]


class Asks(Base):
    """Uses the logger."""

    def training_step(self, batch, batch_idx):
        self.logger.log_metrics({"x": 1.0})
        return super().training_step(batch, batch_idx)


class Measured(Schedules):
    """Not used elsewhere, so that no other test has verified it."""


class Hooks(Base):
    """Overrides a hook of a step."""

    def on_before_optimizer_step(self, optimizer):
        optimizer.param_groups[0]["lr"] = 0.0


class AsksStrategy(Accumulates):
    """Asks the strategy for what a lane has not."""

    def training_step(self, batch, batch_idx):
        self.trainer.strategy.barrier()
        super().training_step(batch, batch_idx)
