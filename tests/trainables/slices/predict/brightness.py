"""A stand-in for a trained model that reads depth from brightness, and functions to read predicted files."""

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


class BrightnessModel(L.LightningModule):
    """Predicts upright planes at `depth` voxels times the mean grey value, plus `offset` (9,)."""

    def __init__(self, depth: float = 400.0, offset: tuple[float, ...] = (0,) * 9) -> None:
        super().__init__()
        self.depth, self.offset = depth, torch.tensor(offset)

    def forward(self, images: Tensor) -> Tensor:
        planes = UPRIGHT.repeat(len(images), 1) + self.offset
        planes[:, 1] += self.depth * images.mean(dim=(1, 2, 3))
        return planes


def grey_image(value: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.new("L", size, value)


def expected_depth(number: int) -> float:
    """The depth that BrightnessModel predicts for a section of the fixture `source`, in voxels."""
    return 400 * (200 - 4 * number) / 255


def read_series(out: Path) -> quicknii.Series:
    """The written series; asserts that all three formats hold the same."""
    first, *others = (quicknii.read(out / f"series.{ending}") for ending in ("json", "xml", "csv"))
    for other in others:
        assert other.sections == first.sections
    return first


def read_table(out: Path) -> dict[str, dict[str, str]]:
    """The rows of `sections.csv` by file name."""
    with open(out / "sections.csv", newline="") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}
