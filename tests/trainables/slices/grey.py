"""Sections whose grey tells their depth, a model that reads it, and what a prediction wrote."""

import csv
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from PIL import Image
from torch import Tensor

from trainables.slices.planes import quicknii

UPRIGHT = torch.tensor([478.0, 0, 334, -508, 0, 0, 0, 0, -386])  # coronal, at depth 0
Predict = Callable[..., list[str]]


class Grey(L.LightningModule):
    """Reads the depth of a section from its grey: `depth` voxels for white; then adds `off` (9,)."""

    def __init__(self, depth: float = 400.0, off: tuple[float, ...] = (0,) * 9) -> None:
        super().__init__()
        self.depth, self.off = depth, torch.tensor(off)

    def forward(self, images: Tensor) -> Tensor:
        planes = UPRIGHT.repeat(len(images), 1) + self.off
        planes[:, 1] += self.depth * images.mean(dim=(1, 2, 3))
        return planes


def grey(value: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.new("L", size, value)


def depth(number: int) -> float:
    """Where Grey sees the sections of `source`."""
    return 400 * (200 - 4 * number) / 255


def series(out: Path) -> quicknii.Series:
    """What was written, which is the same in all three formats."""
    first, *others = (quicknii.read(out / f"series.{ending}") for ending in ("json", "xml", "csv"))
    for other in others:
        assert other.sections == first.sections
    return first


def table(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "sections.csv", newline="") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}
