"""Pictures of predictions: each section beside the cut of the atlas at its predicted plane."""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, final

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from trainables.slices.predict.predictions import Predictions

Array = np.ndarray[Any, Any]
Cut = Callable[[Tensor, int], Tensor]
"""Planes (N, 9) and a size -> clean sections of the atlas, float32 (N, 1, size, size) in [0, 1]."""

PICTURE_SIZE = 256  # pixels a side at which sections are kept for their pictures, and the atlas is cut
BATCH = 32
PANEL_SIZE = 320  # longer side of a section in its overview, in pixels
THUMBNAIL_SIZE = 128  # longer side of a section in the contact sheet, in pixels
CHECKERS = 6  # squares of the checkerboard along the longer side
GAP, TEXT_HEIGHT = 8, 22  # pixels
MAX_TILES = 240  # of a contact sheet; a longer series is shown in even steps


def scaled_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) scaled so that the longer side is `longest`; neither is less than 1."""
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def checkerboard(section: Array, cut: Array) -> Array:
    """Alternating squares of `section` and `cut`, both uint8 (H, W): continuous outlines mean a good fit."""
    side = math.ceil(max(section.shape) / CHECKERS)
    rows, columns = (np.arange(length) // side for length in section.shape)
    return np.where((rows[:, None] + columns) % 2 == 0, section, cut)


def overview(section: Array, cut: Array | None, size: tuple[int, int], caption: str) -> Image.Image:
    """The section, the cut and their checkerboard in a row, under a caption.

    `section` and `cut`: uint8 (h, w) of any shapes, drawn with the aspect ratio of the file's `size` (width,
    height). Without a `cut`, the section alone.
    """
    shape = scaled_size(*size, PANEL_SIZE)
    panels = [resized(section, shape)]
    if cut is not None:
        matched = resized(match_background(section, cut), shape)
        panels += [matched, checkerboard(panels[0], matched)]
    page = Image.new("L", (len(panels) * (shape[0] + GAP) + GAP, shape[1] + TEXT_HEIGHT + GAP), 255)
    ImageDraw.Draw(page).text((GAP, 4), caption, 0, ImageFont.load_default(13))
    for index, panel in enumerate(panels):
        page.paste(Image.fromarray(panel), (GAP + index * (shape[0] + GAP), TEXT_HEIGHT))
    return page


def match_background(section: Array, cut: Array) -> Array:
    """The cut, which has a bright background, inverted if the section has a dark one. All uint8 (h, w)."""
    edge = np.concatenate([section[0], section[-1], section[:, 0], section[:, -1]])
    return 255 - cut if np.median(edge) < 128 else cut


def resized(image: Array, shape: tuple[int, int]) -> Array:
    """`image` uint8 (h, w) at `shape` (width, height): -> uint8 (height, width)."""
    return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BILINEAR))


@final
class ContactSheet:
    """One picture with thumbnails of the sections of a series, each above its cut.

    `count` is the number of sections. A series of more than MAX_TILES is shown in even steps.
    """

    def __init__(self, count: int) -> None:
        self.step = math.ceil(count / MAX_TILES)
        tiles = math.ceil(count / self.step)
        self.columns = max(1, round(math.sqrt(2 * tiles)))  # a tile is about twice as high as wide
        self.rows = math.ceil(tiles / self.columns)
        self.tiles: list[Image.Image] = []

    def add(self, index: int, section: Array, cut: Array | None, size: tuple[int, int], title: str) -> None:
        """Adds the section at `index` of the series, if the sheet shows it."""
        if index % self.step:
            return
        shape = scaled_size(*size, THUMBNAIL_SIZE)
        images = [section] if cut is None else [section, match_background(section, cut)]
        tile = Image.new("L", (THUMBNAIL_SIZE + GAP, len(images) * (shape[1] + 2) + TEXT_HEIGHT), 255)
        ImageDraw.Draw(tile).text((0, 4), title, 0, ImageFont.load_default(12))
        for row, image in enumerate(images):
            tile.paste(Image.fromarray(resized(image, shape)), (0, TEXT_HEIGHT + row * (shape[1] + 2)))
        self.tiles.append(tile)

    def picture(self) -> Image.Image:
        """The sheet as an image."""
        row_height = max(tile.height for tile in self.tiles) + GAP
        width = self.columns * (THUMBNAIL_SIZE + GAP) + GAP
        sheet = Image.new("L", (width, self.rows * row_height + GAP), 255)
        for index, tile in enumerate(self.tiles):
            row, column = divmod(index, self.columns)
            sheet.paste(tile, (GAP + column * (THUMBNAIL_SIZE + GAP), GAP + row * row_height))
        return sheet


def to_uint8(cuts: Tensor) -> list[Array]:
    """Float images (N, 1, S, S) in [0, 1] -> N arrays uint8 (S, S)."""
    return list((255 * cuts[:, 0]).round().byte().numpy())


def caption(sections: Predictions, row: int) -> str:
    """The caption of a section's overview."""
    parts = [sections.names[row], f"nr {sections.numbers[row]}"]
    if sections.inferred[row]:
        parts.append("inferred from its neighbours")
    elif not math.isnan(sections.uncertainty_um[row]):
        # In mm: the font has no micro sign.
        parts.append(f"uncertainty {sections.uncertainty_um[row] / 1000:.2f} mm")
    if sections.extrapolated[row]:
        parts.append(f"extrapolated: {sections.extrapolated[row]}")
    return "   ".join(parts)


def draw(sections: Predictions, pictures: IO[bytes], cut: Cut | None, folder: Path) -> None:
    """Writes one PNG per section and `contact_sheet.png` into `folder`.

    `pictures` holds the sections one after the other, each as PICTURE_SIZE x PICTURE_SIZE bytes.
    """
    folder.mkdir(exist_ok=True)
    sheet = ContactSheet(len(sections.names))
    pictures.seek(0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow releases the GIL while writing
        for start in range(0, len(sections.names), BATCH):
            planes = torch.from_numpy(sections.planes[start : start + BATCH]).float()
            cuts = [None] * len(planes) if cut is None else to_uint8(cut(planes, PICTURE_SIZE))
            pending = []
            for row, section_cut in enumerate(cuts, start):
                section = np.frombuffer(pictures.read(PICTURE_SIZE**2), np.uint8)
                section = section.reshape(PICTURE_SIZE, PICTURE_SIZE)
                number, size = sections.numbers[row], sections.sizes[row]
                sheet.add(row, section, section_cut, size, f"nr {number}")
                path = folder / f"{number:04}_{Path(sections.names[row]).stem}.png"
                pending.append(pool.submit(write, section, section_cut, size, caption(sections, row), path))
            for future in pending:
                future.result()
    sheet.picture().save(folder / "contact_sheet.png")


def write(section: Array, cut: Array | None, size: tuple[int, int], title: str, path: Path) -> None:
    """Writes an overview as PNG with the fastest compression."""
    overview(section, cut, size, title).save(path, compress_level=1)
