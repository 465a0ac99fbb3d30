"""A plain module for digits, which others vary."""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn


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
