"""Any image file as grey bytes of one size."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

Array = np.ndarray[Any, Any]


def read_image(path: Path, size: int) -> Array:
    """An image as uint8 (size, size), 0 black, 255 white; what is transparent is white.

    Takes PNG, JPEG, TIFF and what else Pillow reads; 8 or 16 bits; grey or colour, with alpha or without;
    of a TIFF with several pages the first. Raises ValueError with one line that names the section.
    """
    try:
        values = _tiff(path) if path.suffix.lower() in (".tif", ".tiff") else _other(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"section {path.name} can't be read as an image ({reason}); export it again as PNG or take it out"
        ) from error
    # Pillow's bilinear filter widens with the factor of reduction, so fine texture does not alias.
    small = Image.fromarray(_grey(values)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small).round().clip(0, 255).astype(np.uint8)


def _grey(values: Array) -> Array:
    """Over white: 8 or 16 bits (H, W, channels), the last alpha if their number is even -> float32 (H, W)."""
    scaled = values.astype(np.float32) * (255 / np.iinfo(values.dtype).max)
    if values.shape[-1] >= 3:
        grey = scaled[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
    else:
        grey = scaled[..., 0]
    if values.shape[-1] in (2, 4):
        grey = 255 - (255 - grey) * scaled[..., -1] / 255
    return grey


def _tiff(path: Path) -> Array:
    """TIFF through tifffile, which knows byte orders, planes and inverted greys better than Pillow does."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            values = page.asarray()
            axes, photometric = page.axes, page.photometric
    except Exception:  # above all compressions that tifffile leaves to another package, and Pillow knows
        return _other(path)
    if axes not in ("YX", "YXS", "SYX") or photometric == tifffile.PHOTOMETRIC.PALETTE:
        return _other(path)
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its pixels are {values.dtype}, not 8 or 16 bits")
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        values = np.iinfo(values.dtype).max - values
    return np.moveaxis(values, 0, -1) if axes == "SYX" else values.reshape(*values.shape[:2], -1)


def _other(path: Path) -> Array:
    with Image.open(path) as image:
        if image.mode.startswith("I;16"):
            return np.asarray(image).astype(np.uint16)[..., None]
        if image.mode in ("I", "F"):
            raise ValueError(f"its pixels are of mode {image.mode}, not 8 or 16 bits")
        return np.asarray(image.convert("RGBA"))  # Pillow reduces 16 bits of colour to 8 by itself
