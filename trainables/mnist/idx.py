"""Reader of IDX, the format of the MNIST files, plain or gzipped.

A file holds two zero bytes, one byte for the type, one byte for the number of dimensions, the size of each
dimension (32 bits, big-endian), and the values.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trainables.unpacked import check_ratio

Array = np.ndarray[Any, Any]
UBYTE = 0x08  # type of images and labels
TYPES = {UBYTE: "unsigned byte", 0x09: "byte", 0x0B: "short", 0x0C: "int", 0x0D: "float", 0x0E: "double"}
GZIP = b"\x1f\x8b"


def read(path: Path) -> Array:
    """The array of unsigned bytes in an IDX file, read-only.

    Raises ValueError if the file is missing, damaged, of another format or type, or does not have exactly as
    many values as its dimensions need.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            if file.peek(2)[:2] == GZIP:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    return _read(path, unpacked, None, size)
            return _read(path, file, size, size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged: it can't be unpacked ({error})") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error


def read_pair(images: Path, labels: Path) -> tuple[Array, Array]:
    """Images (N, H, W) and their labels (N,), both unsigned bytes: label i is image i's.

    Raises ValueError as `read` does, for another number of dimensions, and for unequal counts.
    """
    pixels, classes = read(images), read(labels)
    if (pixels.ndim, classes.ndim) == (1, 3):
        raise ValueError(f"{images} holds labels and {labels.name} holds images; swap the two files")
    for path, kind, array, rule in (images, "images", pixels, 3), (labels, "labels", classes, 1):
        if array.ndim != rule:
            raise ValueError(f"{path} has dimensions {_times(array.shape)}, but {kind} must have {rule}")
    if len(pixels) != len(classes):
        raise ValueError(
            f"{images} has {len(pixels)} images, but {labels.name} has {len(classes)} labels; "
            "image i must belong to label i"
        )
    return pixels, classes


def _read(path: Path, file: BinaryIO | gzip.GzipFile, size: int | None, packed: int) -> Array:
    """The array in an open file of `size` bytes, None if unknown; `packed` is the size on the disk.

    Reads one byte more than the header promises, at most.
    """
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        raise ValueError(f"{path} begins with 0x{magic.hex()}, which is no magic number of an IDX file")
    if magic[2] != UBYTE:
        raise ValueError(f"{path} holds values of type {TYPES[magic[2]]}, but must hold unsigned bytes")
    header = 4 * magic[3]
    dimensions = file.read(header)
    if len(dimensions) < header:
        has = len(magic) + len(dimensions)
        raise ValueError(f"{path} is truncated: {has} bytes, but its header alone has {4 + header}")
    sizes = tuple(int(size) for size in np.frombuffer(dimensions, ">u4"))
    if 0 in sizes:
        raise ValueError(f"{path} has the dimensions {_times(sizes)}, but none may be 0")
    count = math.prod(sizes)
    if size is None:
        try:
            check_ratio(count, packed)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        values = file.read(count + 1)
        found, more = len(values), " or more" if len(values) > count else ""
    else:
        found, more = size - 4 - header, ""
        values = file.read(count) if found == count else b""
    if found != count or len(values) != count:
        state = "is truncated" if found < count else "is too long"
        raise ValueError(
            f"{path} {state}: {found}{more} values, but its dimensions {_times(sizes)} need {count}"
        )
    try:
        return np.frombuffer(values, np.uint8).reshape(sizes)
    except ValueError as error:  # of more dimensions than NumPy has
        raise ValueError(f"{path} has {len(sizes)} dimensions, which are too many") from error


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in sizes)
