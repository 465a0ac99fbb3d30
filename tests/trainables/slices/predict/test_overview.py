"""Pictures of predictions: the section, its cut, and the checkerboard of both."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.slices.predict import overview
from trainables.slices.predict.overview import ContactSheet, checkerboard, draw
from trainables.slices.predict.predictions import Predictions
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import cut
from trainables.training.batches import seeded

SIZE = (120, 90)
PANEL = (overview.PANEL_SIZE, overview.PANEL_SIZE * 90 // 120)


def clean_cut(planes: torch.Tensor, size: int) -> torch.Tensor:
    return cut(phantom.volume(size), planes, size)


def predictions(planes: torch.Tensor) -> Predictions:
    count = len(planes)
    return Predictions(
        names=[f"mouse_s{row:03}.png" for row in range(count)],
        sizes=[SIZE] * count,
        numbers=np.arange(count),
        planes=planes.double().numpy(),
        uncertainty_um=np.full(count, np.nan),
        inferred=np.zeros(count, dtype=bool),
        extrapolated=[""] * count,
    )


def panels(path: Path) -> list[np.ndarray]:
    """The pictures in an overview, from left to right."""
    page = np.asarray(Image.open(path))
    width, height = PANEL
    count = (page.shape[1] - overview.GAP) // (width + overview.GAP)
    starts = [overview.GAP + number * (width + overview.GAP) for number in range(count)]
    return [
        page[overview.TEXT_HEIGHT : overview.TEXT_HEIGHT + height, start : start + width] for start in starts
    ]


def drawn(planes: torch.Tensor, sections: np.ndarray, folder: Path, with_cut: bool = True) -> list[Path]:
    """The overviews of `sections` uint8 (N, PICTURE_SIZE, PICTURE_SIZE) predicted at `planes`."""
    with tempfile.TemporaryFile() as pictures:
        pictures.write(sections.tobytes())
        draw(predictions(planes), pictures, clean_cut if with_cut else None, folder)
    return sorted(folder.glob("0*.png"))


@pytest.fixture(scope="module")
def planes() -> torch.Tensor:
    return phantom.random_planes(5, seeded(3))


def as_sections(planes: torch.Tensor) -> np.ndarray:
    return (255 * clean_cut(planes, overview.PICTURE_SIZE)[:, 0]).round().byte().numpy()


def test_a_section_at_its_true_plane_equals_the_cut(planes: torch.Tensor, tmp_path: Path) -> None:
    paths = drawn(planes, as_sections(planes), tmp_path)
    assert [path.name for path in paths] == [f"{row:04}_mouse_s{row:03}.png" for row in range(5)]
    for path in paths:
        section, atlas, both = panels(path)
        assert section.std() > 20
        np.testing.assert_array_equal(section, atlas)
        np.testing.assert_array_equal(both, atlas)


def test_at_a_wrong_plane_the_checkerboard_shows_both(planes: torch.Tensor, tmp_path: Path) -> None:
    wrong = planes + torch.tensor([0.0, 60, 0, 0, 0, 0, 0, 0, 0])
    section, atlas, both = panels(drawn(wrong, as_sections(planes), tmp_path)[0])
    assert np.abs(section.astype(int) - atlas).mean() > 3
    assert ((both == section) | (both == atlas)).all()
    assert (both != section).any()
    assert (both != atlas).any()


def test_a_section_on_a_dark_background_is_shown_beside_an_inverted_cut(
    planes: torch.Tensor, tmp_path: Path
) -> None:
    section, atlas, _ = panels(drawn(planes, 255 - as_sections(planes), tmp_path)[0])
    assert np.median(section[0]) < 64
    np.testing.assert_array_equal(section, atlas)


def test_without_a_volume_the_section_is_shown_alone(planes: torch.Tensor, tmp_path: Path) -> None:
    sections = as_sections(planes)
    (alone,) = panels(drawn(planes, sections, tmp_path, with_cut=False)[0])
    np.testing.assert_array_equal(alone, overview.resized(sections[0], PANEL))


def test_checkerboard_alternates() -> None:
    board = checkerboard(np.zeros((60, 120), dtype=np.uint8), np.ones((60, 120), dtype=np.uint8))
    side = 120 // overview.CHECKERS
    assert not board[:side, :side].any()
    assert board[:side, side : 2 * side].all()
    assert board[side : 2 * side, :side].all()
    assert board.mean() == 0.5


@pytest.mark.parametrize("count", [1, 5, overview.MAX_TILES, 3 * overview.MAX_TILES + 1])
def test_the_contact_sheet_covers_the_whole_series(count: int) -> None:
    sheet = ContactSheet(count)
    for number in range(count):
        sheet.add(number, np.full((8, 8), 100, dtype=np.uint8), None, SIZE, f"nr {number}")
    assert 1 <= len(sheet.tiles) <= overview.MAX_TILES
    assert len(sheet.tiles) * sheet.step >= count
    assert len(sheet.tiles) <= sheet.columns * sheet.rows
    shown = (np.asarray(sheet.picture()) == 100).sum()  # the titles add a few pixels of this grey
    assert shown == pytest.approx(
        len(sheet.tiles) * overview.THUMBNAIL_SIZE * (overview.THUMBNAIL_SIZE * 90 // 120), rel=0.001
    )


def test_captions_give_uncertainty_inference_and_extrapolation(planes: torch.Tensor) -> None:
    sections = predictions(planes)
    sections.uncertainty_um[:] = 1234
    sections.inferred[1] = True
    sections.extrapolated[2] = "oy vz"
    assert overview.caption(sections, 0) == "mouse_s000.png   nr 0   uncertainty 1.23 mm"
    assert overview.caption(sections, 1) == "mouse_s001.png   nr 1   inferred from its neighbours"
    assert overview.caption(sections, 2).endswith("uncertainty 1.23 mm   extrapolated: oy vz")
