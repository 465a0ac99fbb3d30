"""The digits of scikit-learn as a data module."""

import lightning as L
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


class DigitsDataModule(L.LightningDataModule):
    """1,797 images in random splits; `data_dir` would keep downloads."""

    def __init__(self, data_dir: str = "data/", batch_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.data_train = None

    def setup(self, stage: str | None = None) -> None:
        if self.data_train is None:
            images, labels = load_digits(return_X_y=True)
            whole = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
            self.data_train, self.data_val, self.data_test = random_split(
                whole, [1197, 300, 300], generator=torch.Generator().manual_seed(42)
            )

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.data_train, self.hparams.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.data_val, 256)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.data_test, 256)
