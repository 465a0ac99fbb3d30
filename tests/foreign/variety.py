"""Modules that use Lightning in different ways, for packs. All train on DigitsDataModule."""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy


class Base(L.LightningModule):
    """A classifier of digits; logs `val_loss`."""

    def __init__(self, lr: float = 1e-2, alpha: float = 0.0):
        super().__init__()
        self.save_hyperparameters()
        self.alpha = alpha
        self.net = self.make()

    def make(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class StepSchedule(Base):
    """A schedule by epoch, in Lightning's short form."""

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]


class OneCycle(Base):
    """A schedule by step that spans the training, as the Trainer estimates it."""

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9)
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.hparams.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Plateau(Base):
    """A schedule by a metric."""

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10)
        return {"optimizer": optimizer, "lr_scheduler": scheduler, "monitor": "val_loss"}


class ConvNet(Base):
    """A convolution with batch norm, frozen weights, and two parameter groups."""

    def make(self):
        net = nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Flatten(), nn.Linear(144, 10),
        )  # fmt: skip
        net[1].weight.requires_grad_(False)
        return net

    def configure_optimizers(self):
        groups = [
            {"params": self.net[2].parameters(), "weight_decay": 0.0},
            {"params": self.net[5].parameters()},
        ]
        return torch.optim.AdamW(groups, lr=self.hparams.lr)


class Embedded(Base):
    """Pixels as words: the batched gradient of an embedding has another memory layout than the parameter."""

    def make(self):
        return nn.Sequential(nn.Embedding(32, 4), nn.Flatten(), nn.Linear(64 * 4, 10))

    def training_step(self, batch, batch_idx):
        return super().training_step(((batch[0] * 16).long(), batch[1]), batch_idx)

    def validation_step(self, batch, batch_idx):
        super().validation_step(((batch[0] * 16).long(), batch[1]), batch_idx)


class Rms(Base):
    """An optimizer that is stepped lane by lane."""

    def configure_optimizers(self):
        return torch.optim.RMSprop(self.parameters(), lr=self.hparams.lr / 10)


class Metrics(Base):
    """Metrics of torchmetrics, in training too."""

    def __init__(self, lr: float = 1e-2):
        super().__init__(lr)
        self.train_accuracy, self.val_accuracy = MulticlassAccuracy(10), MulticlassAccuracy(10)

    def training_step(self, batch, batch_idx):
        logits = self.net(batch[0])
        self.train_accuracy(logits, batch[1])
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return {"loss": F.cross_entropy(logits, batch[1])}

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.val_accuracy.update(self.net(batch[0]), batch[1])

    def on_validation_epoch_end(self):
        self.log("val_accuracy", self.val_accuracy.compute())
        self.val_accuracy.reset()


class Logs(Base):
    """Logs in most ways that Lightning has."""

    def on_train_epoch_start(self):
        self.outputs = []

    def training_step(self, batch, batch_idx, dataloader_idx=0):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("both", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log("largest", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("total", loss, on_step=False, on_epoch=True, reduce_fx=torch.sum)
        self.log_dict(
            {"step": batch_idx, "weighted": loss * 2}, on_step=False, on_epoch=True, batch_size=batch_idx + 1
        )
        return loss

    def on_train_epoch_end(self):
        self.log("epoch", float(self.current_epoch))

    def validation_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("val_loss", loss, on_step=True, on_epoch=True)
        self.outputs.append(loss)

    def on_validation_epoch_end(self):
        self.log("val_mean", torch.stack(self.outputs).mean())


class Noise(Base):
    """Draws random numbers in its step, with a weight that follows the epoch."""

    def training_step(self, batch, batch_idx):
        noise = torch.randn_like(batch[0]) * 0.1 * self.current_epoch
        return F.cross_entropy(self.net(batch[0] + noise), batch[1])


class DrawsInValidation(Noise):
    """Draws random numbers in validation too."""

    def validation_step(self, batch, batch_idx):
        super().validation_step((batch[0] + torch.randn_like(batch[0]), batch[1]), batch_idx)


class ReadsAlpha(Base):
    """Its step reads a plain attribute that may differ between lanes."""

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.net(batch[0]), batch[1], label_smoothing=self.alpha)


class ReadsAlphaLate(Base):
    """Reads it from the second epoch on."""

    def training_step(self, batch, batch_idx):
        smoothing = self.hparams.alpha if self.current_epoch else 0.0
        return F.cross_entropy(self.net(batch[0]), batch[1], label_smoothing=smoothing)


class KeepsOutputs(Base):
    """Collects the losses of an epoch in a list."""

    def on_train_epoch_start(self):
        self.outputs = []

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.outputs.append(loss.detach())
        return loss

    def on_train_epoch_end(self):
        self.log("mean_loss", torch.stack(self.outputs).mean())


class UnusedHead(Base):
    """Has parameters without a gradient, which zero gradients would decay."""

    def __init__(self, lr: float = 1e-2):
        super().__init__(lr)
        self.head = nn.Linear(4, 4)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=0.5)


class OfTrainersModel(Base):
    """Takes the parameters of the Trainer's model."""

    def configure_optimizers(self):
        return torch.optim.Adam(self.trainer.model.parameters(), lr=self.hparams.lr)


class Stops(Base):
    """Sets an attribute of the Trainer."""

    def on_train_epoch_end(self):
        self.trainer.should_stop = True


class Counts(Base):
    """Steps differently the second time a module of the process steps: a pack can't know."""

    steps = 0

    def training_step(self, batch, batch_idx):
        Counts.steps += 1
        return super().training_step(batch, batch_idx) * Counts.steps


class Anneals(Base):
    """Has a weight that follows the epoch, set by a hook."""

    weight = 1.0

    def on_train_epoch_start(self):
        self.weight = 1.0 / (1 + self.current_epoch)

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * self.weight

    def on_validation_epoch_start(self):
        self.weight = 2.0 + self.current_epoch

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]) * self.weight)


class Reassigns(Base):
    """Puts other tensors in the place of a buffer, in hooks."""

    def __init__(self, lr: float = 1e-2):
        super().__init__(lr)
        self.register_buffer("scale", torch.ones(()))

    def on_train_epoch_start(self):
        self.scale = self.scale / 2

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * self.scale

    def on_validation_epoch_start(self):
        self.scale = self.scale * 3

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]) * self.scale)


class TrainsOnly(Base):
    """Logs its objective in training, and has no validation step."""

    validation_step = L.LightningModule.validation_step

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self.net(batch[0]), batch[1])
        self.log("val_loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_validation_epoch_end(self):
        raise RuntimeError("there is no validation")


class StepMetrics(Metrics):
    """Logs metrics of torchmetrics at steps, at steps and epochs, and in one that is only updated."""

    def __init__(self, lr: float = 1e-2):
        super().__init__(lr)
        self.of_steps, self.updated = MeanMetric(), MeanMetric()

    def training_step(self, batch, batch_idx):
        logits = self.net(batch[0])
        self.train_accuracy(logits, batch[1])
        self.of_steps(loss := F.cross_entropy(logits, batch[1]))
        self.updated.update(loss)
        self.log("train_accuracy", self.train_accuracy, on_step=True, on_epoch=True)
        self.log("of_steps", self.of_steps)
        self.log("updated", self.updated, on_step=True, on_epoch=True)
        return loss
