"""Grids of small images as PNG, for galleries."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

GAP = 2  # pixels between two images, before enlarging


def png_grid(rows: list[list[Tensor]], enlarge: int = 1) -> bytes:
    """Draws a grid of grey images as PNG; each (H, W) with values in [0, 1], all of one size.

    The gaps are transparent, so the grid suits light and dark pages. `enlarge` repeats each pixel.
    """
    height, width = rows[0][0].shape
    columns = max(map(len, rows))
    size = (len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP)
    canvas = np.zeros((*size, 2), np.uint8)  # grey and opacity
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            grey = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
            canvas[top : top + height, left : left + width, 0] = grey
            canvas[top : top + height, left : left + width, 1] = 255
    canvas = canvas.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    file = io.BytesIO()
    Image.fromarray(canvas, "LA").save(file, "PNG", optimize=True)
    return file.getvalue()
