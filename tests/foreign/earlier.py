"""A module under Lightning's earlier name, with loaders of its own and without a validation step."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Plane(pl.LightningModule):
    """Fits a plane; logs by step, and an image where the logger takes one."""

    def __init__(self, lr: float, net: dict | None = None):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(2, 1)

    def training_step(self, batch, index):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("loss", loss, on_step=True, on_epoch=False, prog_bar=True, sync_dist=True)
        self.logger.experiment.add_image("weights", self.net.weight[None], self.global_step)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)

    def configure_callbacks(self):
        return [LearningRateMonitor()]

    def train_dataloader(self):
        x = torch.linspace(-1, 1, 64).reshape(32, 2)
        return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 8)


class Broken(Plane):
    """Raises in its training step."""

    def training_step(self, batch, index):
        raise RuntimeError("no such step")


class Needs(Plane):
    """Has an argument without a default that no space gives."""

    def __init__(self, lr: float, depth: int):
        super().__init__(lr)
