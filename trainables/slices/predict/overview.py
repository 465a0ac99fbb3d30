"""Pictures of predictions: each section beside what the atlas shows at its plane."""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from trainables.slices.predict.predictions import Predictions

Array = np.ndarray[Any, Any]
Cut = Callable[[Tensor, int], Tensor]
"""Planes (N, 9) and a size -> clean sections of the atlas, float32 (N, 1, size, size) in [0, 1]."""

PICTURE = 256  # pixels a side in which sections are kept for their pictures, and the atlas is cut
BATCH = 32
PANEL = 320  # pixels that the longer side of a section has in its overview
THUMB = 128  # and in the contact sheet
SQUARES = 6  # of the checkerboard, along the longer side
GAP, LINE = 8, 22
SHEET = 240  # sections of a contact sheet; of a longer series evenly chosen ones


def fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) scaled until the longer is `longest`; neither is less than 1."""
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def checkerboard(section: Array, cut: Array) -> Array:
    """Squares of `section` and of `cut`, both uint8 (H, W), by turns: outlines that meet are aligned."""
    side = math.ceil(max(section.shape) / SQUARES)
    rows, columns = (np.arange(length) // side for length in section.shape)
    return np.where((rows[:, None] + columns) % 2 == 0, section, cut)


def overview(section: Array, cut: Array | None, size: tuple[int, int], caption: str) -> Image.Image:
    """The section, the cut and their checkerboard in a row, under a line of text.

    `section` and `cut`: uint8, any shapes; each is drawn as wide and high as the file is, `size` (width,
    height). Without a `cut` the section alone.
    """
    shape = fitted(*size, PANEL)
    panels = [resized(section, shape)]
    if cut is not None:
        shown = resized(on_ground_of(section, cut), shape)
        panels += [shown, checkerboard(panels[0], shown)]
    page = Image.new("L", (len(panels) * (shape[0] + GAP) + GAP, shape[1] + LINE + GAP), 255)
    ImageDraw.Draw(page).text((GAP, 4), caption, 0, ImageFont.load_default(13))
    for number, panel in enumerate(panels):
        page.paste(Image.fromarray(panel), (GAP + number * (shape[0] + GAP), LINE))
    return page


def on_ground_of(section: Array, cut: Array) -> Array:
    """The cut, which is on a bright ground, as a negative if the section is on a dark one."""
    edge = np.concatenate([section[0], section[-1], section[:, 0], section[:, -1]])
    return 255 - cut if np.median(edge) < 128 else cut


def resized(image: Array, shape: tuple[int, int]) -> Array:
    """`image` uint8 (h, w) at `shape` (width, height): -> uint8 (height, width)."""
    return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BILINEAR))


class ContactSheet:
    """All sections of a series small on one picture, each above its cut; of a long series some of them."""

    def __init__(self, count: int) -> None:
        self.step = math.ceil(count / SHEET)
        tiles = math.ceil(count / self.step)
        self.columns = max(1, round(math.sqrt(2 * tiles)))  # tiles are twice as high as wide, nearly
        self.rows = math.ceil(tiles / self.columns)
        self.tiles: list[Image.Image] = []

    def add(self, number: int, section: Array, cut: Array | None, size: tuple[int, int], title: str) -> None:
        """Adds the section that is the `number`th of the series, if it is one of those shown."""
        if number % self.step:
            return
        shape = fitted(*size, THUMB)
        images = [section] if cut is None else [section, on_ground_of(section, cut)]
        tile = Image.new("L", (THUMB + GAP, len(images) * (shape[1] + 2) + LINE), 255)
        ImageDraw.Draw(tile).text((0, 4), title, 0, ImageFont.load_default(12))
        for place, image in enumerate(images):
            tile.paste(Image.fromarray(resized(image, shape)), (0, LINE + place * (shape[1] + 2)))
        self.tiles.append(tile)

    def picture(self) -> Image.Image:
        """The sheet."""
        high = max(tile.height for tile in self.tiles) + GAP
        sheet = Image.new("L", (self.columns * (THUMB + GAP) + GAP, self.rows * high + GAP), 255)
        for number, tile in enumerate(self.tiles):
            row, column = divmod(number, self.columns)
            sheet.paste(tile, (GAP + column * (THUMB + GAP), GAP + row * high))
        return sheet


def as_bytes(cuts: Tensor) -> list[Array]:
    """Float images (N, 1, S, S) in [0, 1] -> N of uint8 (S, S)."""
    return list((255 * cuts[:, 0]).round().byte().numpy())


def caption(sections: Predictions, row: int) -> str:
    """What stands above a section."""
    parts = [sections.names[row], f"nr {sections.numbers[row]}"]
    if sections.inferred[row]:
        parts.append("inferred from its neighbours")
    elif not math.isnan(sections.spread_um[row]):
        parts.append(f"uncertainty {sections.spread_um[row] / 1000:.2f} mm")  # the font has no micro sign
    if sections.beyond[row]:
        parts.append(f"extrapolated: {sections.beyond[row]}")
    return "   ".join(parts)


def draw(sections: Predictions, pictures: IO[bytes], cut: Cut | None, folder: Path) -> None:
    """Writes a PNG a section, and the contact sheet, into `folder`.

    `pictures` holds the sections as PICTURE x PICTURE bytes each, one after the other.
    """
    folder.mkdir(exist_ok=True)
    sheet = ContactSheet(len(sections.names))
    pictures.seek(0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow writes outside Python's lock
        for start in range(0, len(sections.names), BATCH):
            planes = torch.from_numpy(sections.planes[start : start + BATCH]).float()
            cuts = [None] * len(planes) if cut is None else as_bytes(cut(planes, PICTURE))
            waiting = []
            for row, shown in enumerate(cuts, start):
                section = np.frombuffer(pictures.read(PICTURE**2), np.uint8).reshape(PICTURE, PICTURE)
                number, size = sections.numbers[row], sections.sizes[row]
                sheet.add(row, section, shown, size, f"nr {number}")
                path = folder / f"{number:04}_{Path(sections.names[row]).stem}.png"
                waiting.append(pool.submit(write, section, shown, size, caption(sections, row), path))
            for future in waiting:
                future.result()
    sheet.picture().save(folder / "contact_sheet.png")


def write(section: Array, cut: Array | None, size: tuple[int, int], title: str, path: Path) -> None:
    """Writes an overview as PNG, quickly rather than tightly."""
    overview(section, cut, size, title).save(path, compress_level=1)
