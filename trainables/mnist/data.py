"""Images and labels for training: scikit-learn's digits, MNIST, or anyone's IDX files."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
EVAL_BATCH = 256  # images a batch where nothing is trained


class ImageSet(torch.utils.data.Dataset[Batch]):
    """Images (N, 1, H, W) of bytes and labels (N,), in memory.

    `__getitems__` makes a whole batch at once, so a DataLoader needs `collate_fn=lambda batch: batch`.
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
        """The same images on a device; these themselves if they don't fit with ample room to train."""
        size = self.images.nbytes + self.labels.nbytes
        if device.type != "cuda" or 4 * size > torch.cuda.mem_get_info(device)[0]:
            return self
        return ImageSet(self.images.to(device), self.labels.to(device))


def image_set(images: prepare.Array, labels: prepare.Array) -> ImageSet:
    """An ImageSet of bytes (N, H, W) and (N,)."""
    return ImageSet(torch.tensor(images)[:, None], torch.tensor(labels, dtype=torch.int64))


def split_rows(count: int, seed: int, whole: bool) -> dict[str, np.ndarray[Any, Any]]:
    """Deals `count` images to train and val, 90/10, or (`whole`) to train, val and test, 80/10/10."""
    order, few = torch.randperm(count, generator=seeded(seed)).numpy(), max(1, round(count / 10))
    names = ("train", "val", "test") if whole else ("train", "val")
    bounds = np.cumsum([count - few * (len(names) - 1), *[few] * (len(names) - 2)])
    return dict(zip(names, np.split(order, bounds), strict=True))


@functools.lru_cache(maxsize=2)
def splits(source: str, root: Path | None, seed: int) -> dict[str, ImageSet]:
    """The splits by name, but for one in files of its own, loaded once a process. Raises ValueError."""
    images, labels = prepare.load(source, root)
    whole = root is None or prepare.files(root).test is None
    parts = split_rows(len(labels), seed, whole).items()
    return {name: image_set(images[rows], labels[rows]) for name, rows in parts}


@functools.lru_cache(maxsize=8)
def load(source: str, root: Path | None, seed: int, split: str, device: torch.device = CPU) -> ImageSet:
    """The images of a split, loaded once a process. Raises ValueError."""
    if device != CPU:
        return load(source, root, seed, split).to(device)
    known = splits(source, root, seed)
    if split in known or root is None:
        return known[split]
    test = image_set(*prepare.load_test(root))
    shape, classes = test.images.shape[1:], facts(source, root, seed)["n_classes"]
    if shape != known["train"].images.shape[1:] or test.labels.max() >= classes:
        raise ValueError(f"the test images in {root} differ from the training images in size or classes")
    return test


@functools.lru_cache(maxsize=8)
def facts(source: str, root: Path | None, seed: int) -> dict[str, Any]:
    """See MnistData.facts."""
    train, val = (splits(source, root, seed)[name] for name in ("train", "val"))
    mean = torch.from_numpy(train.images.numpy().mean(axis=0, dtype=np.float32) / 255)
    images, labels = val.__getitems__(torch.arange(len(val)))
    return {
        "n_classes": int(max(part.labels.max() for part in splits(source, root, seed).values())) + 1,
        "image_shape": tuple(mean.shape),
        "baseline_accuracy": (labels == train.labels.bincount().argmax()).float().mean().item(),
        "baseline_rmse": (images - mean).square().flatten(1).mean(1).sqrt().mean().item(),
    }


class MnistData(L.LightningDataModule):
    """Images and labels in three splits, fixed by `seed`; `batch_seed` (`seed` without one) orders batches.

    `source="digits"`: scikit-learn's, split 80/10/10. `source="mnist"`: the published files, in `root` or
    in the cache folder. `source="idx"`, or `root` alone: IDX files in the folder `root`, either MNIST's
    four, of which `train` is split 90/10 into training and validation and `t10k` is the test, opened for
    nothing else; or only one pair, split 80/10/10. Raises ValueError with one line for what can't be used.
    """

    def __init__(
        self,
        source: str = "digits",
        root: str | None = None,
        seed: int = 0,
        batch_size: int = 64,
        batch_seed: int | None = None,
    ) -> None:
        super().__init__()
        prepare.check({"source": source, "root": root})
        self.source, self.folder = prepare.place(source, root)
        self.seed, self.batch_size = seed, batch_size
        self.batch_seed = seed if batch_seed is None else batch_seed

    @property
    def licence(self) -> str | None:
        """What the images may be used under; None where that is not known."""
        return LICENCES.get(self.source)

    def facts(self) -> dict[str, Any]:
        """What a learner needs to know of the data, and what it has to beat.

        `n_classes`; `image_shape` (1, H, W); over the validation set, `baseline_accuracy` of always
        saying the most frequent training class, `baseline_rmse` of always drawing the mean training image.
        """
        return facts(self.source, self.folder, self.seed)

    def split(self, name: str, device: torch.device = CPU) -> ImageSet:
        """The images of `train`, `val` or `test`, on the device if they fit."""
        return load(self.source, self.folder, self.seed, name, device)

    def batch(self, images: ImageSet, indices: Tensor, generator: torch.Generator, train: bool) -> Batch:
        """The images at `indices`; what a subclass draws for them it draws from `generator`."""
        return images.__getitems__(indices)

    def _batches(self, name: str, train: bool = False) -> Batches:
        images = self.split(name, self.trainer.strategy.root_device if self.trainer else CPU)
        return Batches(
            lambda indices, generator: self.batch(images, indices, generator, train),
            len(images),
            self.batch_size if train else EVAL_BATCH,
            # What is drawn for validation is the same in every epoch, whatever orders the batches.
            seed=self.batch_seed if train else self.seed,
            epoch=lambda: self.trainer.current_epoch if self.trainer and train else 0,
            shuffle=train,
            drop_last=train,  # batch norm can't take a last batch of one image
        )

    def train_dataloader(self) -> Batches:
        return self._batches("train", train=True)

    def val_dataloader(self) -> Batches:
        return self._batches("val")

    def test_dataloader(self) -> Batches:
        return self._batches("test")

    def predict_dataloader(self) -> Batches:
        return self._batches("val")
