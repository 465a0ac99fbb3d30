"""A module whose training has state: schedulers, callbacks, and several loaders."""

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, StochasticWeightAveraging
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Waves(L.LightningDataModule):
    """Points on a noisy sine wave, with two loaders for training and two for validation."""

    def __init__(self, count: int = 64, batch_size: int = 16):
        super().__init__()
        self.count, self.batch_size = count, batch_size

    def setup(self, stage):
        x = np.random.uniform(-1, 1, (self.count, 1)).astype("float32")
        y = np.sin(3 * x) + np.random.normal(0, 0.1, x.shape).astype("float32")
        self.points = TensorDataset(torch.tensor(x), torch.tensor(y))

    def train_dataloader(self):
        return {
            "some": DataLoader(self.points, self.batch_size, shuffle=True),
            "more": DataLoader(self.points, self.batch_size, shuffle=True),
        }

    def val_dataloader(self):
        return [DataLoader(self.points, 64), DataLoader(self.points, 32)]


class Wave(L.LightningModule):
    """Fits the wave. `schedule` is plateau, one_cycle (per step), warm_cosine or averaged (weights)."""

    def __init__(self, lr: float = 1e-2, schedule: str = "plateau", patience: int | None = None):
        super().__init__()
        self.lr, self.schedule, self.patience = lr, schedule, patience
        self.net = nn.Sequential(
            nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1)
        )

    def training_step(self, batch, batch_idx):
        loss = sum(F.mse_loss(self.net(x), y) for x, y in batch.values())
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        self.log("val_loss", F.mse_loss(self.net(x), y), add_dataloader_idx=dataloader_idx > 0)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        schedulers = torch.optim.lr_scheduler
        if self.schedule == "plateau":
            scheduler = schedulers.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"},
            }
        if self.schedule == "one_cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            scheduler = schedulers.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]
        if self.schedule == "warm_cosine":
            warm = schedulers.LinearLR(optimizer, 0.1, total_iters=1)
            cosine = schedulers.CosineAnnealingLR(optimizer, T_max=self.trainer.max_epochs - 1)
            return [optimizer], [schedulers.SequentialLR(optimizer, [warm, cosine], [1])]
        return optimizer

    def configure_callbacks(self):
        callbacks = [ModelCheckpoint(monitor="val_loss", save_top_k=1)]
        if self.patience is not None:
            callbacks.append(EarlyStopping("val_loss", min_delta=10.0, patience=self.patience))
        if self.schedule == "averaged":
            callbacks.append(StochasticWeightAveraging(swa_lrs=5e-2, swa_epoch_start=2, annealing_epochs=2))
        return callbacks
