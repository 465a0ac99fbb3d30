"""Reads NRRD within bounds: pynrrd unpacks whatever comes, opens other files, and skips any line."""

import bz2
import io
import math
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from trainables.unpacked import check_ratio

# Bytes of a value, by a part of the name of its type.
WIDTHS = {
    "char": 1,
    "int8": 1,
    "short": 2,
    "16": 2,
    "64": 8,
    "long": 8,
    "double": 8,
}
WIDTH = 4  # of the others, int and float


def read_nrrd(path: Path) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """The values and the header of a NRRD file.

    Raises ImportError without pynrrd, ValueError for a file beyond the bounds, and pynrrd's own errors.
    """
    import nrrd

    with open(path, "rb") as file:
        header = nrrd.read_header(file)
        if "datafile" in header or "data file" in header:
            raise ValueError("its values are in another file; save both as one .nrrd")
        skips = [header.get(key, 0) for key in ("lineskip", "line skip", "byteskip", "byte skip")]
        if any(skip not in (0, -1) for skip in skips):
            raise ValueError("its values do not begin behind the header; save it again")
        kind = str(header["type"])
        width = next((bytes_ for part, bytes_ in WIDTHS.items() if part in kind), WIDTH)
        promised = width * math.prod(max(0, int(size)) for size in header["sizes"])
        check_ratio(promised, path.stat().st_size)
        source: IO[bytes] = file
        if header["encoding"] in ("gz", "gzip", "bz2", "bzip2"):
            source = io.BytesIO(unpacked(file.read(), header["encoding"], promised))
            header["encoding"] = "raw"
        return nrrd.read_data(header, source, str(path)), header


def unpacked(data: bytes, encoding: str, promised: int) -> bytes:
    """The bytes in packed data. Raises ValueError if they are more than promised, and as the unpackers do."""
    if encoding.startswith("gz"):
        values = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, promised + 1)
    else:
        values = bz2.BZ2Decompressor().decompress(data, promised + 1)
    if len(values) > promised:
        raise ValueError(f"it unpacks to more than the {promised:,} bytes that its header promises")
    return values
