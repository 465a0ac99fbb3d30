"""A text as windows of characters, in plain DataLoaders."""

from functools import lru_cache
from typing import Any, final

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from trainables.text import ngram, prepare
from trainables.text.characters import encode, vocabulary

EVAL_BATCH = 128  # windows
ORDER = 3  # of the n-grams to beat


@final
class TextWindows(L.LightningDataModule):
    """Batches of characters as numbers int64 (B, context), and of the characters that follow them.

    `root` is a file of text in UTF-8; None: Python's language reference. `seed` decides which pieces of the
    text are in which split (80, 10 and 10 %). `train`, `val` and `test` are the numbers of windows; a split
    that has fewer gives all. The characters are those of the training windows; a number of its own
    stands for all others.

    Raises ValueError for a number that is not above 0. The text is read at first use, which raises ValueError
    if the file is missing or no text.
    """

    def __init__(
        self,
        root: str | None = None,
        seed: int = 0,
        context: int = prepare.CONTEXT,
        batch_size: int = 16,
        train: int = 2048,
        val: int = 512,
        test: int = 512,
    ) -> None:
        super().__init__()
        self.counts = {"train": train, "val": val, "test": test}
        prepare.check_options({**self.counts, "context": context})
        self.root, self.seed, self.context, self.batch_size = root, seed, context, batch_size
        self.licence = None if root else prepare.LICENCE

    def facts(self) -> dict[str, Any]:
        """`vocabulary`, the known characters (characters.py), and objectives to beat on validation windows.

        `baseline_bits`: bits per character by frequencies alone. `simple_bits`: by n-grams of order 3
        (ngram.py), counted in the training windows.
        """
        counts = self.counts["train"], self.counts["val"]
        return compute_facts(self.root, self.seed, self.context, *counts)

    @property
    def vocabulary(self) -> str:
        """The characters of the training windows."""
        return vocabulary("".join(windows(self.root, self.seed, "train", self.context, self.counts["train"])))

    def split(self, name: str) -> Tensor:
        """The windows of `train`, `val` or `test`: numbers of characters, int64 (N, context + 1)."""
        rows = windows(self.root, self.seed, name, self.context, self.counts[name])
        return torch.from_numpy(encode("".join(rows), self.vocabulary)).view(len(rows), -1)

    def dataset(self, name: str) -> TensorDataset:
        """The characters of the windows of a split, and those that follow."""
        numbers = self.split(name)
        return TensorDataset(numbers[:, :-1].contiguous(), numbers[:, 1:].contiguous())

    def train_dataloader(self) -> DataLoader[Any]:
        data = self.dataset("train")
        return DataLoader(data, batch_size=min(self.batch_size, len(data)), shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.dataset("val"), batch_size=EVAL_BATCH)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.dataset("test"), batch_size=EVAL_BATCH)

    def predict_dataloader(self) -> DataLoader[Any]:
        return self.val_dataloader()


@lru_cache(maxsize=8)
def compute_facts(root: str | None, seed: int, context: int, train: int, val: int) -> dict[str, Any]:
    """See TextWindows.facts."""
    data = TextWindows(root, seed, context, train=train, val=val)
    counted, predicted = (data.split(name).numpy() for name in ("train", "val"))
    orders = {"baseline": 1, "simple": ORDER}
    known = data.vocabulary
    return {"vocabulary": known} | {
        f"{name}_bits": ngram.bits(counted, predicted, order, len(known)) for name, order in orders.items()
    }


@lru_cache(maxsize=8)
def windows(root: str | None, seed: int, split: str, context: int, count: int) -> tuple[str, ...]:
    """Up to `count` windows of context + 1 characters, evenly spread over a split.

    The last character of a window is the first of the next one in the split. Raises ValueError as
    `prepare.read`, and if the text is too short for a window.
    """
    text = prepare.split(prepare.read(root), seed)[split]
    available = (len(text) - 1) // context
    if available < 1:
        raise ValueError(f"the text is too short for a window of {context} characters (data.root=, context=)")
    chosen = np.linspace(0, available - 1, min(count, available)).round().astype(int)
    return tuple(text[place * context : (place + 1) * context + 1] for place in chosen)
