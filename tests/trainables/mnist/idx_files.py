"""Writes small IDX files for tests."""

import atexit
import functools
import gzip
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np

from trainables.mnist import prepare

RNG = np.random.default_rng(0)


def packed(array: np.ndarray, kind: int = 0x08) -> bytes:
    """The bytes of an IDX file; `kind` is its type byte."""
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


def write_idx(path: Path, array: np.ndarray) -> Path:
    """Writes an IDX file; gzipped if its name ends in .gz."""
    data = packed(array)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def make_pair(folder: Path, stem: str = "some", count: int = 50, side: int = 6, suffix: str = ".gz") -> Path:
    """Writes random images (count, side, side) and labels 0 to 4 as a pair of IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    images = RNG.integers(0, 256, (count, side, side), dtype=np.uint8)
    labels = (np.arange(count) % 5).astype(np.uint8)
    for kind, array in ("images-idx3", images), ("labels-idx1", labels):
        write_idx(folder / f"{stem}-{kind}-ubyte{suffix}", array)
    return folder


@functools.cache
def few_digits() -> Path:
    """A folder with IDX files of 100 digits, which is deleted when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="digits-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for kind, array in zip(("images-idx3", "labels-idx1"), prepare.digits(), strict=True):
        write_idx(folder / f"few-{kind}-ubyte", array[:100])
    return folder
