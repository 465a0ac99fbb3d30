"""Images and labels for training: scikit-learn's digits, MNIST, or IDX files of your own."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import lightning as L
import numpy as np
import torch
from torch import Tensor

from trainables.mnist import prepare
from trainables.training.batches import Batches, seeded

Batch = tuple[Tensor, Tensor]  # images float32 (B, 1, H, W) in [0, 1], labels int64 (B,)
CPU = torch.device("cpu")
LICENCES = {
    "digits": "CC BY 4.0 (E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI)",
    "mnist": "CC BY-SA 3.0 (Y. LeCun, C. Cortes and C. J. C. Burges, MNIST)",
}
EVAL_BATCH = 256  # images per batch in validation, test and prediction


@final
class ImageSet(torch.utils.data.Dataset[Batch]):
    """Images (N, 1, H, W) of bytes and labels (N,), in memory.

    `__getitems__` returns a whole batch, so a DataLoader needs `collate_fn=lambda batch: batch`.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        """One image float32 (1, H, W) and its label ()."""
        return self.images[index] * (1 / 255), self.labels[index]

    def __getitems__(self, indices: Sequence[int] | Tensor) -> Batch:
        """The images at `indices` (B,) and their labels."""
        rows = torch.as_tensor(indices, device=self.images.device)
        # index_select and one fused product: a third of the time of [rows].float() / 255.
        return self.images.index_select(0, rows) * (1 / 255), self.labels.index_select(0, rows)

    def to(self, device: torch.device) -> "ImageSet":
        """A copy on a GPU with at least four times its size free; else the set itself."""
        size = self.images.nbytes + self.labels.nbytes
        if device.type != "cuda" or 4 * size > torch.cuda.mem_get_info(device)[0]:
            return self
        return ImageSet(self.images.to(device), self.labels.to(device))


def image_set(images: prepare.Array, labels: prepare.Array) -> ImageSet:
    """An ImageSet from bytes (N, H, W) and (N,)."""
    return ImageSet(torch.tensor(images)[:, None], torch.tensor(labels, dtype=torch.int64))


def split_rows(count: int, seed: int, with_test: bool) -> dict[str, np.ndarray[Any, Any]]:
    """Random split of `count` rows: train and val 90/10, or `with_test` train, val and test 80/10/10."""
    order, tenth = torch.randperm(count, generator=seeded(seed)).numpy(), max(1, round(count / 10))
    names = ("train", "val", "test") if with_test else ("train", "val")
    bounds = np.cumsum([count - tenth * (len(names) - 1), *[tenth] * (len(names) - 2)])
    return dict(zip(names, np.split(order, bounds), strict=True))


@functools.lru_cache(maxsize=2)
def load_splits(source: str, root: Path | None, seed: int) -> dict[str, ImageSet]:
    """All splits except a test split with files of its own, read once per process.

    Raises ValueError if a file is missing or malformed.
    """
    images, labels = prepare.load(source, root)
    with_test = root is None or prepare.files(root).test is None
    parts = split_rows(len(labels), seed, with_test).items()
    return {name: image_set(images[rows], labels[rows]) for name, rows in parts}


@functools.lru_cache(maxsize=8)
def load_split(source: str, root: Path | None, seed: int, split: str, device: torch.device = CPU) -> ImageSet:
    """The images of one split, read once per process.

    Raises ValueError if a file is missing or malformed, or the test images differ from the training images
    in size or classes.
    """
    if device != CPU:
        return load_split(source, root, seed, split).to(device)
    splits = load_splits(source, root, seed)
    if split in splits or root is None:
        return splits[split]
    test = image_set(*prepare.load_test(root))
    shape, classes = test.images.shape[1:], compute_facts(source, root, seed)["n_classes"]
    if shape != splits["train"].images.shape[1:] or test.labels.max() >= classes:
        raise ValueError(f"the test images in {root} differ from the training images in size or classes")
    return test


@functools.lru_cache(maxsize=8)
def compute_facts(source: str, root: Path | None, seed: int) -> dict[str, Any]:
    """See ImageData.facts."""
    splits = load_splits(source, root, seed)
    train, val = splits["train"], splits["val"]
    mean = torch.from_numpy(train.images.numpy().mean(axis=0, dtype=np.float32) / 255)
    images, labels = val.__getitems__(torch.arange(len(val)))
    most_frequent = (labels == train.labels.bincount().argmax()).float().mean().item()
    return {
        "n_classes": int(max(part.labels.max() for part in splits.values())) + 1,
        "image_shape": tuple(mean.shape),
        "baseline_accuracy": most_frequent,
        "baseline_neighbour": most_frequent,
        "baseline_rmse": (images - mean).square().flatten(1).mean(1).sqrt().mean().item(),
    }


class ImageData(L.LightningDataModule, ABC):
    """Images and labels in three splits; a subclass decides what a batch holds.

    `seed` fixes the splits, `batch_seed` (default: `seed`) the order of training batches. `source="digits"`:
    scikit-learn's digits, split 80/10/10. `source="mnist"`: the published files, in `root` or in the cache
    folder. `source="idx"`, or `root` alone: IDX files in the folder `root`. With MNIST's four files `train`
    is split 90/10 into training and validation, and `t10k` is the test split, opened only to test; a single
    pair of files is split 80/10/10.

    Raises ValueError for an unknown `source`, and for `source="idx"` without a `root`. Files are read at
    first use, which raises ValueError if one is missing or malformed.
    """

    on_device: ClassVar[bool] = True  # keep the images on the trainer's device if they fit

    def __init__(
        self,
        source: str = "digits",
        root: str | None = None,
        seed: int = 0,
        batch_size: int = 64,
        batch_seed: int | None = None,
    ) -> None:
        super().__init__()
        prepare.check_options({"source": source, "root": root})
        self.source, self.folder = prepare.resolve_source(source, root)
        self.seed, self.batch_size = seed, batch_size
        self.batch_seed = seed if batch_seed is None else batch_seed

    @property
    def licence(self) -> str | None:
        """Licence of the images; None if unknown."""
        return LICENCES.get(self.source)

    def facts(self) -> dict[str, Any]:
        """Constants of the data: arguments of learners, and `baseline_<metric>` for the objective of a space.

        `n_classes`; `image_shape` (1, H, W); on the validation split, `baseline_accuracy` (and
        `baseline_neighbour`) of always predicting the most frequent training class, and `baseline_rmse` of
        always predicting the mean training image.
        """
        return compute_facts(self.source, self.folder, self.seed)

    def split(self, name: str, device: torch.device = CPU) -> ImageSet:
        """The images of `train`, `val` or `test`, on the device if they fit."""
        return load_split(self.source, self.folder, self.seed, name, device if self.on_device else CPU)

    @abstractmethod
    def batch(self, images: ImageSet, indices: Tensor, generator: torch.Generator, train: bool) -> Any:
        """The batch of the images at `indices`; all randomness comes from `generator`."""

    def _batches(self, name: str, train: bool = False) -> Batches:
        images = self.split(name, self.trainer.strategy.root_device if self.trainer else CPU)
        return Batches(
            lambda indices, generator: self.batch(images, indices, generator, train),
            len(images),
            self.batch_size if train else EVAL_BATCH,
            # Random draws in validation are the same for every batch_seed and in every epoch.
            seed=self.batch_seed if train else self.seed,
            epoch=lambda: self.trainer.current_epoch if self.trainer and train else 0,
            shuffle=train,
            drop_last=train,  # batch norm can't train on a last batch of one image
        )

    def train_dataloader(self) -> Batches:
        return self._batches("train", train=True)

    def val_dataloader(self) -> Batches:
        return self._batches("val")

    def test_dataloader(self) -> Batches:
        return self._batches("test")

    def predict_dataloader(self) -> Batches:
        return self._batches("val")


@final
class MnistData(ImageData):
    """Images and labels in batches of `Batch`."""

    def batch(self, images: ImageSet, indices: Tensor, generator: torch.Generator, train: bool) -> Batch:
        return images.__getitems__(indices)
