"""Predictions compared with reference planes."""

import json
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from tests.trainables.slices.predict.brightness import UPRIGHT, Predict, expected_depth, read_table
from trainables.slices.predict.evaluation import plane_errors, plot
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes import phantom


def reference_file(source: Path, **change: Any) -> Path:
    """An anchoring file with the sections of `source`, 4 voxels in front of BrightnessModel's predictions.

    `change` replaces the `target`, or the anchoring of the section at an index.
    """
    sections = []
    for number in range(10, 40, 5):
        plane = UPRIGHT.tolist()
        plane[1] = expected_depth(number) + 4
        name = f"mouse_s{number:03}.png"
        sections.append({"filename": name, "anchoring": plane, "width": 60, "height": 40, "nr": number})
    target = change.pop("target", phantom.TARGET)
    for number, anchoring in change.items():
        sections[int(number)]["anchoring"] = anchoring
    path = source.parent / "truth.json"
    path.write_text(json.dumps({"name": "", "target": target, "slices": sections}))
    return path


def test_predictions_are_compared_with_reference_planes(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    messages = predict(truth=reference_file(source))
    assert messages[-1].startswith(
        "6 sections with a reference plane: distance median 100 µm, 90 % within 100 µm"
    )
    for row in read_table(tmp_path / "out").values():
        assert float(row["distance_um"]) == pytest.approx(100, abs=0.1)
        assert float(row["depth_error_um"]) == pytest.approx(-100, abs=0.1)
        assert float(row["cut_error_degrees"]) == float(row["turn_error_degrees"]) == 0
    with Image.open(tmp_path / "out" / "truth.png") as plot:
        assert len(plot.getcolors()) > 3  # type: ignore[arg-type]


def test_invalid_reference_planes_are_skipped_and_the_others_compared(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    path = reference_file(source, **{"0": [float("nan")] * 9, "1": [0.0] * 9, "2": None, "3": [1e400] * 9})
    (source / "mouse_s030.png").unlink()
    messages = predict(truth=path)
    refused = [line for line in messages if line.endswith("it is not compared")]
    assert len(refused) == 3
    for name, line in zip(("mouse_s010.png", "mouse_s015.png", "mouse_s025.png"), refused, strict=True):
        assert name in line
    assert "with a reference plane, but not predicted: mouse_s030.png" in messages
    assert messages[-1].startswith("1 sections with a reference plane")
    rows = read_table(tmp_path / "out")
    assert [name for name, row in rows.items() if row["distance_um"]] == ["mouse_s035.png"]
    (source / "mouse_s035.png").unlink()
    assert predict(truth=path)[-1] == "no predicted section has a reference plane"


def test_a_reference_in_another_atlas_and_a_missing_file_are_refused(predict: Predict, source: Path) -> None:
    with pytest.raises(ValueError, match="is for the atlas WHS_SD_Rat_v4_39um"):
        predict(truth=reference_file(source, target="WHS_SD_Rat_v4_39um"))
    with pytest.raises(ValueError, match="there is no file"):
        predict(truth=source / "none.json")


def test_depth_cut_and_turn_errors_are_told_apart() -> None:
    reference = UPRIGHT.double().numpy()[None].repeat(3, axis=0)
    moved, cut, turned = reference.copy()
    moved[:3] += [3, -8, 0]
    angle = np.radians(5)
    centre = reference[0, :3] + reference[0, 3:6] / 2 + reference[0, 6:] / 2
    cut[3:6] = [-508 * np.cos(angle), -508 * np.sin(angle), 0]
    turned[3:6] = [-508 * np.cos(angle), 0, -508 * np.sin(angle)]
    turned[6:] = [386 * np.sin(angle), 0, -386 * np.cos(angle)]
    for plane in (cut, turned):
        plane[:3] = centre - plane[3:6] / 2 - plane[6:] / 2
    errors = plane_errors(np.stack([moved, cut, turned]), reference, 25.0)
    np.testing.assert_allclose(errors.depth_um, [-200, 0, 0], atol=1e-6)
    np.testing.assert_allclose(errors.cut_degrees, [0, 5, 0], atol=1e-5)
    np.testing.assert_allclose(np.abs(errors.turn_degrees), [0, 0, 5], atol=1e-5)
    assert errors.distance_um[0] == pytest.approx(25 * np.hypot(3, 8))


def test_planes_outside_the_range_of_the_training_planes_are_marked(
    predict: Predict, data: SliceData, source: Path, tmp_path: Path
) -> None:
    low, high = data.plane_range()
    middle = (low + high) / 2

    class Middle(L.LightningModule):
        def forward(self, images: Tensor) -> Tensor:
            planes = middle.repeat(len(images), 1)
            planes[0, 1] = high[1] + 1
            planes[1, [2, 8]] = low[[2, 8]] - 1
            return planes

    messages = predict(Middle())
    assert (
        messages[-1] == "2 sections lie outside the range of the training planes (sections.csv: extrapolated)"
    )
    marks = [row["extrapolated"] for row in read_table(tmp_path / "out").values()]
    assert marks == ["oy", "oz vz", "", "", "", ""]


@pytest.mark.parametrize("depths, distances", [([5000.0], [120.0]), ([5000.0, 5200.0], [0.0, 0.0])])
def test_the_plot_takes_one_section_and_zero_distances(
    depths: list[float], distances: list[float], tmp_path: Path
) -> None:
    plot(np.array(depths), np.array(distances), np.zeros(len(depths), dtype=bool), tmp_path / "truth.png")
    assert Image.open(tmp_path / "truth.png").getextrema() != ((255, 255),) * 3
