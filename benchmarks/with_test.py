"""Learners and data that measure the test split beside the validation split, at each epoch.

For recordings of learning curves only: a search never reads the test split. Where validation has metric `m`,
these learners log `val/m`, over the validation split alone as ever, and `val/test_m`, over the test split.
"""

from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor

from trainables.mnist.autoencoder import Autoencoder
from trainables.mnist.classifier import Classifier
from trainables.mnist.data import MnistData
from trainables.slices.sections.data import SliceData
from trainables.slices.xception import SliceRegressor
from trainables.training.batches import Batches

PREFIX = "test_"


class BothSplits:
    """The validation batches of a data module, then its test batches: first in the order of base classes."""

    def val_dataloader(self) -> "Weighted":
        loaders: list[Batches] = [super().val_dataloader(), super().test_dataloader()]  # type: ignore[misc]
        return Weighted(loaders)


@final
class Weighted:
    """The batches of validation and test, each with the weights of its samples in the two means, (B, 2).

    A learner's metrics are means over all samples of both. With the weight N/n for the n samples of a split,
    of N in all, and 0 for the others, a mean is that of the split.
    """

    def __init__(self, loaders: Sequence[Batches]) -> None:
        self.loaders = loaders

    def __len__(self) -> int:
        return sum(len(loader) for loader in self.loaders)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        counts = [loader.count for loader in self.loaders]
        for column, loader in enumerate(self.loaders):
            for inputs, targets in loader:
                weights = torch.zeros(len(inputs), 2, device=inputs.device)
                weights[:, column] = sum(counts) / counts[column]
                yield inputs, targets, weights


class BothMetrics:
    """The metrics of both splits: first in the order of base classes."""

    def metrics(self, batch: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        *own, weights = batch
        values: dict[str, Tensor] = super().metrics(own)  # type: ignore[misc]
        return {name: value * weights[:, 0] for name, value in values.items()} | {
            f"{PREFIX}{name}": value * weights[:, 1] for name, value in values.items()
        }


class ClassifierWithTest(BothMetrics, Classifier):  # type: ignore[misc]
    """Classifier, measured on both splits."""


class AutoencoderWithTest(BothMetrics, Autoencoder):  # type: ignore[misc]
    """Autoencoder, measured on both splits."""


class SliceRegressorWithTest(BothMetrics, SliceRegressor):  # type: ignore[misc]
    """SliceRegressor, measured on both splits."""


class MnistDataWithTest(BothSplits, MnistData):  # type: ignore[misc]
    """MnistData, validated on both splits."""


class SliceDataWithTest(BothSplits, SliceData):  # type: ignore[misc]
    """SliceData, validated on both splits."""


def with_test(path: str | None) -> str:
    """The import path of the class here that stands for the learner or data at `path`.

    Raises ValueError if there is none.
    """
    name = f"{(path or '').rpartition(':')[2]}WithTest"
    if name not in globals():
        raise ValueError(f"{path} has no counterpart that measures the test split ({__name__})")
    return f"{__name__}:{name}"
