"""Any image file as grey bytes of one size."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

Array = np.ndarray[Any, Any]

LEAST = 16  # pixels a side: less shows no section
MOST = 2**27  # pixels, 11,585 a side: a gigabyte while it is decoded
LARGE = 2**24  # pixels; of images above it only one is decoded at a time, so that threads don't add up
BAND = 1024  # rows of a 16-bit image that are made floating point at a time
KEPT = 4  # pixels that decoding keeps for one of the result, where a format can decode smaller at once

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit would also refuse JPEG, which is decoded smaller; ours is MOST
_one_large = threading.Lock()


class Decoded(NamedTuple):
    """An image at the sizes that were asked for."""

    pixels: tuple[Array, ...]  # uint8 (size, size) each: 0 black, 255 white
    width: int  # of the file, in pixels
    height: int
    kinds: tuple[str, ...]  # what is unusual about the file, in words


def read_image(path: Path, size: int) -> Array:
    """An image as uint8 (size, size); see `decode`."""
    return decode(path, (size,)).pixels[0]


def decode(path: Path, sizes: Sequence[int]) -> Decoded:
    """An image as uint8 (size, size) for each of `sizes`, 0 black, 255 white; what is transparent is white.

    Takes PNG, JPEG, TIFF and what else Pillow reads; 8 or 16 bits; grey or colour, with alpha or without; of
    several pages the first. 16 bits are as many as the brightest pixel needs: cameras fill 10 to 16 of them.
    Raises ValueError with one line that names the section.
    """
    try:
        tiff = path.suffix.lower() in (".tif", ".tiff")
        grey, width, height, kinds = (_tiff if tiff else _other)(path, KEPT * max(sizes))
    except Exception as error:  # the readers' own errors have no common class
        raise ValueError(
            f"section {path.name} can't be read as an image ({_reason(path, error)}); "
            "export it again as PNG or take it out"
        ) from error
    # Pillow's bilinear filter widens with the factor of reduction, so fine texture does not alias.
    small = (grey.resize((size, size), Image.Resampling.BILINEAR) for size in sizes)
    return Decoded(tuple(np.asarray(image) for image in small), width, height, tuple(kinds))


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "the file is empty" if path.stat().st_size == 0 else "no known image format"
    return " ".join(str(error).split()) or type(error).__name__


def _check(width: int, height: int) -> None:
    if min(width, height) < LEAST:
        raise ValueError(f"it has {width} x {height} pixels, but must have {LEAST} a side")


def _turn(pixels: int) -> AbstractContextManager[Any]:
    return _one_large if pixels > LARGE else nullcontext()


def _other(path: Path, enough: int) -> tuple[Image.Image, int, int, list[str]]:
    """The grey image, the file's width and height, and its kinds, through Pillow."""
    with Image.open(path) as image:
        width, height = image.size
        _check(width, height)
        kinds = []
        if getattr(image, "n_frames", 1) > 1:
            kinds.append("several pages, of which the first is taken")
        if image.mode in ("P", "PA"):
            kinds.append("colours from a palette")
        if image.mode == "CMYK":
            kinds.append("CMYK")
        image.draft(None, (enough, enough))  # JPEG alone can be decoded at a half, a quarter or an eighth
        if image.width * image.height > MOST:
            raise ValueError(f"{width:,} x {height:,} pixels are more than {MOST:,}; scale it down")
        with _turn(image.width * image.height):
            return _grey(image, kinds), width, height, kinds


def _grey(image: Image.Image, kinds: list[str]) -> Image.Image:
    """An image in any of Pillow's modes as grey bytes over white."""
    if image.mode.startswith("I;16"):
        return _grey16(np.asarray(image).astype(np.uint16)[..., None], kinds)
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {image.mode}, not 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("L", image.size, 255)
        white.paste(image.convert("L"), mask=image.getchannel("A"))
        return white
    return (image.convert("RGB") if image.mode == "CMYK" else image).convert("L")


def _grey16(values: Array, kinds: list[str]) -> Image.Image:
    """16 bits (H, W, channels), the last of them alpha if their number is even, as grey bytes over white."""
    colours = 3 if values.shape[-1] >= 3 else 1
    bits = max(8, int(values[..., :colours].max()).bit_length())
    kinds.append("16 bits" if bits == 16 else f"16 bits, of which {bits} are used")
    # ITU-R BT.601, as Pillow does for 8 bits
    mix = np.array([0.299, 0.587, 0.114] if colours == 3 else [1.0], dtype=np.float32) * (255 / (2**bits - 1))
    grey = np.empty(values.shape[:2], dtype=np.uint8)
    for start in range(0, len(values), BAND):
        rows = slice(start, start + BAND)
        band = values[rows, :, :colours].astype(np.float32) @ mix
        if values.shape[-1] in (2, 4):
            band = 255 - (255 - band) * (values[rows, :, -1] / np.float32(65535))
        grey[rows] = (band + 0.5).astype(np.uint8)
    return Image.fromarray(grey)


def _tiff(path: Path, enough: int) -> tuple[Image.Image, int, int, list[str]]:
    """TIFF through tifffile, which knows byte orders, planes and inverted greys better than Pillow does."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            known = page.axes in ("YX", "YXS", "SYX") and page.photometric in (
                tifffile.PHOTOMETRIC.MINISWHITE,
                tifffile.PHOTOMETRIC.MINISBLACK,
                tifffile.PHOTOMETRIC.RGB,
            )
            width, height = page.imagewidth, page.imagelength
            if not known or width * height > MOST:
                return _other(path, enough)
            with _turn(width * height):
                values = page.asarray()
            several = len(file.pages) > 1
            axes, inverted = page.axes, page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except Exception:  # above all compressions that tifffile leaves to another package, and Pillow knows
        return _other(path, enough)
    _check(width, height)
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its pixels are {values.dtype}, not 8 or 16 bits")
    if inverted:
        values = np.iinfo(values.dtype).max - values
    values = np.moveaxis(values, 0, -1) if axes == "SYX" else values.reshape(height, width, -1)
    kinds = ["several pages, of which the first is taken"] if several else []
    if values.dtype == np.uint16:
        return _grey16(values, kinds), width, height, kinds
    return _grey(_image(values), kinds), width, height, kinds


def _image(values: Array) -> Image.Image:
    """8 bits (H, W, channels) as Pillow's; channels beyond the fourth are left out."""
    count = min(values.shape[-1], 4)
    return Image.fromarray(np.ascontiguousarray(values[..., 0] if count == 1 else values[..., :count]))
