"""Image files of many formats, read as grey bytes of one size."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from spaces.messages import one_line

Array = np.ndarray[Any, Any]

MIN_SIDE = 16  # pixels: smaller images show no section
MAX_PIXELS = 2**27  # 11,585 a side: a gigabyte while it is decoded
LARGE_PIXELS = 2**24  # larger images are decoded one at a time, to limit memory
BAND_ROWS = 1024  # rows of a 16-bit image that are converted to floating point at a time
OVERSAMPLING = 4  # a JPEG is decoded at no less than this many times the side of the result
SEVERAL_PAGES = "several pages, of which the first is taken"

Image.MAX_IMAGE_PIXELS = None  # Pillow's limit ignores reduced decoding of JPEG; MAX_PIXELS takes its place
_large_image_lock = threading.Lock()


class Decoded(NamedTuple):
    """A decoded image, at one or more sizes."""

    pixels: tuple[Array, ...]  # uint8 (size, size) each: 0 black, 255 white
    width: int  # of the file, in pixels
    height: int
    notes: tuple[str, ...]  # unusual properties of the file


def read_image(path: Path, size: int) -> Array:
    """An image as uint8 (size, size); see `decode`."""
    return decode(path, (size,)).pixels[0]


def decode(path: Path, sizes: Sequence[int]) -> Decoded:
    """An image as uint8 (size, size) for each of `sizes`: 0 black, 255 white; transparent pixels are white.

    Reads PNG, JPEG, TIFF and Pillow's other formats: 8 or 16 bits, grey or colour, with or without alpha,
    the first of several pages. The white of 16-bit images is 2**bits - 1 for the bits of the brightest
    pixel, since cameras use 10 to 16 of them. Raises ValueError with one line that names the section if the
    file is no such image, has a side below MIN_SIDE or more than MAX_PIXELS pixels.
    """
    try:
        tiff = path.suffix.lower() in (".tif", ".tiff")
        grey, width, height, notes = (_tiff if tiff else _other)(path, OVERSAMPLING * max(sizes))
    except Exception as error:  # the readers' own errors have no common class
        raise ValueError(
            f"section {path.name} can't be read as an image ({_reason(path, error)}); "
            "export it again as PNG or take it out"
        ) from error
    # Pillow's bilinear filter is widened by the factor of reduction, so fine texture does not alias.
    small = (grey.resize((size, size), Image.Resampling.BILINEAR) for size in sizes)
    return Decoded(tuple(np.asarray(image) for image in small), width, height, tuple(notes))


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "the file is empty" if path.stat().st_size == 0 else "no known image format"
    return one_line(error) or type(error).__name__


def _check(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"it has {width} x {height} pixels, but must have {MIN_SIDE} a side")


def _lock_if_large(pixels: int) -> AbstractContextManager[Any]:
    return _large_image_lock if pixels > LARGE_PIXELS else nullcontext()


def _other(path: Path, min_side: int) -> tuple[Image.Image, int, int, list[str]]:
    """The grey image, the file's width and height, and the notes, read by Pillow.

    A JPEG may be decoded at a reduced size, of at least `min_side` pixels a side.
    """
    with Image.open(path) as image:
        width, height = image.size
        _check(width, height)
        notes = []
        if getattr(image, "n_frames", 1) > 1:
            notes.append(SEVERAL_PAGES)
        if image.mode in ("P", "PA"):
            notes.append("colours from a palette")
        if image.mode == "CMYK":
            notes.append("CMYK")
        image.draft(None, (min_side, min_side))  # only JPEG can be decoded at a half, a quarter or an eighth
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{width:,} x {height:,} pixels are more than {MAX_PIXELS:,}; scale it down")
        with _lock_if_large(image.width * image.height):
            return _grey(image, notes), width, height, notes


def _grey(image: Image.Image, notes: list[str]) -> Image.Image:
    """An image in any of Pillow's modes as grey bytes, on white."""
    if image.mode.startswith("I;16"):
        return _grey16(np.asarray(image).astype(np.uint16)[..., None], notes)
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {image.mode}, not 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("L", image.size, 255)
        white.paste(image.convert("L"), mask=image.getchannel("A"))
        return white
    return (image.convert("RGB") if image.mode == "CMYK" else image).convert("L")


def _grey16(values: Array, notes: list[str]) -> Image.Image:
    """16-bit values (H, W, channels) as grey bytes, on white; the last of 2 or 4 channels is alpha."""
    colours = 3 if values.shape[-1] >= 3 else 1
    bits = max(8, int(values[..., :colours].max()).bit_length())
    notes.append("16 bits" if bits == 16 else f"16 bits, of which {bits} are used")
    # ITU-R BT.601, the weights that Pillow uses for 8 bits
    mix = np.array([0.299, 0.587, 0.114] if colours == 3 else [1.0], dtype=np.float32) * (255 / (2**bits - 1))
    grey = np.empty(values.shape[:2], dtype=np.uint8)
    for start in range(0, len(values), BAND_ROWS):
        rows = slice(start, start + BAND_ROWS)
        band = values[rows, :, :colours].astype(np.float32) @ mix
        if values.shape[-1] in (2, 4):
            band = 255 - (255 - band) * (values[rows, :, -1] / np.float32(65535))
        grey[rows] = (band + 0.5).astype(np.uint8)
    return Image.fromarray(grey)


def _tiff(path: Path, min_side: int) -> tuple[Image.Image, int, int, list[str]]:
    """TIFF, read by tifffile: it handles byte orders, separate planes and inverted greys; else by Pillow."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            supported = page.axes in ("YX", "YXS", "SYX") and page.photometric in (
                tifffile.PHOTOMETRIC.MINISWHITE,
                tifffile.PHOTOMETRIC.MINISBLACK,
                tifffile.PHOTOMETRIC.RGB,
            )
            width, height = page.imagewidth, page.imagelength
            if not supported or width * height > MAX_PIXELS:
                return _other(path, min_side)
            with _lock_if_large(width * height):
                values = page.asarray()
            several = len(file.pages) > 1
            axes, inverted = page.axes, page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except Exception:  # mostly compressions that Pillow supports, and tifffile only with another package
        return _other(path, min_side)
    _check(width, height)
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its pixels are {values.dtype}, not 8 or 16 bits")
    if inverted:
        values = np.iinfo(values.dtype).max - values
    values = np.moveaxis(values, 0, -1) if axes == "SYX" else values.reshape(height, width, -1)
    notes = [SEVERAL_PAGES] if several else []
    if values.dtype == np.uint16:
        return _grey16(values, notes), width, height, notes
    return _grey(_image(values), notes), width, height, notes


def _image(values: Array) -> Image.Image:
    """8-bit values (H, W, channels) as Pillow's image; channels after the fourth are dropped."""
    count = min(values.shape[-1], 4)
    return Image.fromarray(np.ascontiguousarray(values[..., 0] if count == 1 else values[..., :count]))
