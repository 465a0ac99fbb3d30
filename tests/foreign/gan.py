"""A small GAN: manual optimization with two optimizers, each with its own scheduler."""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn


class Gan(L.LightningModule):
    """Generates images like those of the data; `val_distance` is the distance between the mean images."""

    def __init__(self, lr: float = 1e-3, b1: float = 0.5, width: int = 16):
        super().__init__()
        self.automatic_optimization = False
        self.lr, self.b1 = lr, b1
        self.generator = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 64))
        self.discriminator = nn.Sequential(nn.Linear(64, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def training_step(self, batch, batch_idx):
        x, _ = batch
        g_optimizer, d_optimizer = self.optimizers()
        generated = self.generator(torch.randn(len(x), 4, device=self.device))

        self.toggle_optimizer(d_optimizer)
        ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        loss = F.binary_cross_entropy_with_logits(self.discriminator(x), ones.to(x))
        loss = loss + F.binary_cross_entropy_with_logits(self.discriminator(generated.detach()), zeros.to(x))
        d_optimizer.zero_grad()
        self.manual_backward(loss)
        d_optimizer.step()
        self.untoggle_optimizer(d_optimizer)
        self.log("discriminator_loss", loss)

        self.toggle_optimizer(g_optimizer)
        loss = F.binary_cross_entropy_with_logits(self.discriminator(generated), ones.to(x))
        g_optimizer.zero_grad()
        self.manual_backward(loss)
        g_optimizer.step()
        self.untoggle_optimizer(g_optimizer)
        self.log("generator_loss", loss)

    def on_train_epoch_end(self):
        for scheduler in self.lr_schedulers():
            scheduler.step()

    def validation_step(self, batch, batch_idx):
        x, _ = batch
        generated = self.generator(torch.randn(len(x), 4, device=self.device))
        self.log("val_distance", (generated.mean(0) - x.mean(0)).norm())

    def configure_optimizers(self):
        g_optimizer = torch.optim.Adam(self.generator.parameters(), lr=self.lr, betas=(self.b1, 0.999))
        d_optimizer = torch.optim.SGD(self.discriminator.parameters(), lr=self.lr, momentum=0.9)
        return [g_optimizer, d_optimizer], [
            torch.optim.lr_scheduler.ExponentialLR(g_optimizer, 0.9),
            torch.optim.lr_scheduler.MultiStepLR(d_optimizer, [1, 3]),
        ]
