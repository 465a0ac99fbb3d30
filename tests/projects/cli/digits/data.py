"""The digits of scikit-learn."""

import lightning as L
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


class Digits(L.LightningDataModule):
    """1,797 images of 8 x 8 pixels in random splits."""

    def __init__(self, batch_size: int = 64, validation: float = 0.2) -> None:
        super().__init__()
        self.batch_size, self.validation = batch_size, validation

    def setup(self, stage: str) -> None:
        images, labels = load_digits(return_X_y=True)
        whole = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
        self.train, self.val, self.test = random_split(whole, [0.8 - self.validation, self.validation, 0.2])

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, 256)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.test, 256)
