"""Data of users: IDX files, images of sections, anchorings, volumes."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import tifffile
from PIL import Image

from tests.fuzz.kind import Kind
from tests.trainables.mnist.idx_files import RNG, packed
from trainables.mnist import idx, inputs
from trainables.slices.planes import quicknii
from trainables.slices.predict.inputs import read_numbers
from trainables.slices.sections.images import decode
from trainables.slices.volumes import files
from trainables.text.prepare import prepare

RAMP = np.add.outer(np.linspace(20, 120, 60), np.linspace(20, 120, 90)).round().astype(np.uint8)
COLOUR = np.stack([RAMP] * 3, axis=-1)
AFFINE = np.diag([0.1, 0.2, 0.1, 1])


def brain() -> Any:
    """Grey values of an ellipsoid on black."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, count) for count in (20, 16, 12)), indexing="ij")
    return (((x / 0.7) ** 2 + (y / 0.8) ** 2 + (z / 0.6) ** 2 < 1) * (120 + 60 * y + 50 * x)).astype(np.uint8)


def series() -> quicknii.Series:
    """Three anchored sections."""
    numbers = (480.5, 230.25, 337.1, -507.3, 0.7, 6.2, -8.1, 1.3, -385.9)
    sections = tuple(quicknii.Section(f"b_s{i}.png", numbers, 1024, 670, i) for i in range(3))
    return quicknii.Series("brain", "ABA_Mouse_CCFv3_2017_25um.cutlas", "someone", sections)


def file(name: str, write: Callable[[Path], object]) -> Callable[[Path], Path]:
    """A function that writes a file of that name into a folder and returns its path."""

    def make(folder: Path) -> Path:
        write(folder / name)
        return folder / name

    return make


def image(name: str, write: Callable[[Path], object]) -> Kind:
    return Kind(file(name, write), lambda path: decode(path, (32, 48)))


def volume(name: str, write: Callable[[Path], object], **both: Any) -> Kind:
    own = {} if ".nii" in name else {"orientation": "asr", "voxel_um": 100.0}
    return Kind(file(name, write), lambda path: files.read(path, 32, **own), **both)


IDX = packed(RNG.integers(0, 256, (30, 6, 6), dtype=np.uint8))
NIFTI = nibabel.Nifti1Image(brain(), AFFINE)
VISUALIGN = {"target": "WHS_SD_Rat_v4_39um", "slices": [{"filename": "a_s1.png", "nr": 1, "width": 9}]}
VISUALIGN["slices"][0] |= {"height": 9, "markers": [[1, 2, 3, 4]], "anchoring": [1, 2, 3, 4, 5, 6, 7, 8.5, 1]}
INSIDE = {"before": gzip.decompress, "after": lambda data: gzip.compress(data, mtime=0)}

KINDS = {
    "IDX": Kind(file("a-idx", lambda path: path.write_bytes(IDX)), idx.read),
    "IDX, packed": Kind(file("a.gz", lambda path: path.write_bytes(gzip.compress(IDX, mtime=0))), idx.read),
    "IDX in gzip": Kind(
        file("a.gz", lambda path: path.write_bytes(gzip.compress(IDX, mtime=0))), idx.read, **INSIDE
    ),
    "text": Kind(
        file("a.txt", lambda path: path.write_text("One line of text, äöü.\n" * 20)),
        lambda path: prepare({"root": str(path), "context": 4}),
    ),
    "digit": Kind(
        file("a.png", lambda p: Image.fromarray(RAMP).save(p)), lambda p: inputs.read(p, (1, 60, 90))
    ),
    "PNG": image("a.png", lambda path: Image.fromarray(COLOUR).save(path)),
    "PNG, 16 bits": image("a.png", lambda path: Image.fromarray(RAMP.astype(np.uint16) * 257).save(path)),
    "PNG, palette": image("a.png", lambda path: Image.fromarray(RAMP).convert("P").save(path)),
    "JPEG": image("a.jpg", lambda path: Image.fromarray(COLOUR).save(path)),
    "TIFF": image("a.tif", lambda path: tifffile.imwrite(path, COLOUR, photometric="rgb")),
    "TIFF, tiles": image(
        "a.tif", lambda p: tifffile.imwrite(p, COLOUR, photometric="rgb", tile=(16, 16), compression="zlib")
    ),
    "TIFF, LZW": image("a.tif", lambda path: Image.fromarray(RAMP).save(path, compression="tiff_lzw")),
    "GIF": image("a.gif", lambda path: Image.fromarray(RAMP).save(path)),
    "WebP": image("a.webp", lambda path: Image.fromarray(COLOUR).save(path)),
    "JPEG 2000": image("a.jp2", lambda path: Image.fromarray(COLOUR).save(path)),
    "BMP": image("a.bmp", lambda path: Image.fromarray(COLOUR).save(path)),
    **{
        f"anchorings.{ending}": Kind(
            file(f"a.{ending}", lambda path: quicknii.write(series(), path)), quicknii.read
        )
        for ending in ("json", "xml", "csv")
    },
    "VisuAlign": Kind(file("a.json", lambda path: path.write_text(json.dumps(VISUALIGN))), quicknii.read),
    "numbers": Kind(file("n.csv", lambda path: path.write_text("name,nr\na.png,1\nb.png,2\n")), read_numbers),
    "NIfTI": volume("a.nii", lambda path: nibabel.save(NIFTI, path)),
    "NIfTI, packed": volume("a.nii.gz", lambda path: nibabel.save(NIFTI, path)),
    "NIfTI in gzip": volume("a.nii.gz", lambda path: nibabel.save(NIFTI, path), **INSIDE),
    "NRRD": volume("a.nrrd", lambda path: nrrd.write(str(path), brain(), {"spacings": [0.1, 0.2, 0.1]})),
    "TIFF volume": volume("a.tif", lambda path: tifffile.imwrite(path, brain())),
    "NumPy": volume("a.npy", lambda path: np.save(path, brain())),
}
