"""Batches per second of a DataLoader, and of the same batches indexed in tensors.

`python -m benchmarks.batches` prints a table.
8,000 items of 784 floats and a label, in shuffled batches of 64; and 60,000 images of bytes that are decoded,
turned into tensors and normalized one by one, as torchvision's data sets do.
"""

import time
from collections.abc import Iterable
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision import transforms

from trainables.training.indexed_loader import indexed

BATCH = 64
ROW = "| {:28} | {:>12} | {:>12} | {:>12} | {:>12} |"


class Rows(Dataset):
    """Items of a tensor and a number."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.x[index], int(self.labels[index])


class Images(Dataset):
    """Random images in the manner of torchvision's MNIST."""

    def __init__(self, count: int) -> None:
        self.images = torch.randint(256, (count, 28, 28), dtype=torch.uint8)
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.13,), (0.31,))])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].numpy())), index % 10


def rate(loader: Iterable[Any], passes: int = 1) -> float:
    """Batches per second over some passes."""
    began = time.perf_counter()
    count = sum(1 for _ in range(passes) for _ in loader)
    return count / (time.perf_counter() - began)


def row(dataset: Dataset) -> tuple[float, float, float, float]:
    """Seconds to make the indexed loader; batches per second: DataLoader, first pass, later passes."""
    plain = DataLoader(dataset, BATCH, shuffle=True)
    began = time.perf_counter()
    loader = indexed(plain)
    seconds = time.perf_counter() - began
    assert loader is not plain
    return seconds, rate(plain), rate(loader), rate(loader, passes=5)


def main(items: int = 8_000, images: int = 60_000) -> None:
    """Prints the table."""
    x, labels = torch.randn(items, 784), torch.randint(10, (items,))
    tensors = TensorDataset(x, labels)
    datasets = {
        f"{items} rows, TensorDataset": tensors,
        f"{items} rows, Subset of it": Subset(tensors, torch.randperm(items).tolist()),
        f"{items} rows, one by one": Rows(x, labels),
        f"{images} images": Images(images),
    }
    print(ROW.format("dataset", "s to check", "DataLoader/s", "first pass/s", "later/s"))
    for name, dataset in datasets.items():
        seconds, *rates = row(dataset)
        print(ROW.format(name, f"{seconds:.3f}", *(f"{value:.0f}" for value in rates)))


if __name__ == "__main__":
    main()
