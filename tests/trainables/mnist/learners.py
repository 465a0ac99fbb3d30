"""Builds small learners and a batch of digits for tests."""

from typing import Any

from torch import Tensor

from trainables import import_path
from trainables.learner import Learner
from trainables.mnist.data import MnistData


def make(kind: type[Learner], shape: tuple[int, int, int] = (1, 8, 8), **params: Any) -> Learner:
    return import_path.build(kind, {"n_classes": 10, "image_shape": shape, "widths": "16-8"} | params)


def digits_batch(count: int = 32) -> tuple[Tensor, Tensor]:
    """The first training digits and their labels."""
    return MnistData().split("train").__getitems__(range(count))
