"""Fixtures for predictions of sections."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest

from tests.trainables.slices.predict.brightness import BrightnessModel, Predict, grey_image
from trainables.slices.predict.predictor import SlicePredictor
from trainables.slices.sections.data import SliceData


@pytest.fixture(scope="module")
def data() -> SliceData:
    return SliceData(image_size=32, train=16, val=4, test=4)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of six sections that get darker from number 10 to number 35."""
    folder = tmp_path / "brain"
    folder.mkdir()
    for number in range(10, 40, 5):
        grey_image(200 - 4 * number).save(folder / f"mouse_s{number:03}.png")
    return folder


@pytest.fixture
def predict(data: SliceData, source: Path, tmp_path: Path) -> Predict:
    """Predicts the folder `source` into `out/` without pictures; returns the messages."""

    def run(*members: L.LightningModule, **options: Any) -> list[str]:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        predictor = SlicePredictor(members or [BrightnessModel()], data)
        return predictor.predict(source, out, {**predictor.options, "overview": False, **options})

    return run
