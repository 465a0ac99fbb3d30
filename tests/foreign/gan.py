"""Two optimizers that a module steps by itself, each with a scheduler of its own: a small GAN."""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn


class Gan(L.LightningModule):
    """Draws points like those of the data; `val_distance` is how far its mean lies from theirs."""

    def __init__(self, lr: float = 1e-3, b1: float = 0.5, width: int = 16):
        super().__init__()
        self.automatic_optimization = False
        self.lr, self.b1 = lr, b1
        self.generator = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 64))
        self.judge = nn.Sequential(nn.Linear(64, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def training_step(self, batch, batch_idx):
        x, _ = batch
        drawer, judge = self.optimizers()
        drawn = self.generator(torch.randn(len(x), 4, device=self.device))

        self.toggle_optimizer(judge)
        ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        loss = F.binary_cross_entropy_with_logits(self.judge(x), ones.to(x))
        loss = loss + F.binary_cross_entropy_with_logits(self.judge(drawn.detach()), zeros.to(x))
        judge.zero_grad()
        self.manual_backward(loss)
        judge.step()
        self.untoggle_optimizer(judge)
        self.log("judge_loss", loss)

        self.toggle_optimizer(drawer)
        loss = F.binary_cross_entropy_with_logits(self.judge(drawn), ones.to(x))
        drawer.zero_grad()
        self.manual_backward(loss)
        drawer.step()
        self.untoggle_optimizer(drawer)
        self.log("drawer_loss", loss)

    def on_train_epoch_end(self):
        for scheduler in self.lr_schedulers():
            scheduler.step()

    def validation_step(self, batch, batch_idx):
        x, _ = batch
        drawn = self.generator(torch.randn(len(x), 4, device=self.device))
        self.log("val_distance", (drawn.mean(0) - x.mean(0)).norm())

    def configure_optimizers(self):
        drawer = torch.optim.Adam(self.generator.parameters(), lr=self.lr, betas=(self.b1, 0.999))
        judge = torch.optim.SGD(self.judge.parameters(), lr=self.lr, momentum=0.9)
        return [drawer, judge], [
            torch.optim.lr_scheduler.ExponentialLR(drawer, 0.9),
            torch.optim.lr_scheduler.MultiStepLR(judge, [1, 3]),
        ]
