"""Volumes from files (NIfTI, NRRD, stacks of TIFF, NumPy arrays) and BrainGlobe's atlases by name.

The origin of planes is the volume's left, posterior, inferior corner (x to the right, y to the front, z up),
as in QuickNII. `orientation` is BrainGlobe's notation, three letters for the side at which each axis of the
array begins: the Allen atlas is `asr`, its axes begin at the anterior, superior and right side.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
import torch.nn.functional as F
from torch import Tensor

from spaces.messages import one_line
from trainables.slices.planes.families import family_covering
from trainables.slices.volumes.cutting import Volume
from trainables.unpacked import check_ratio

Array = np.ndarray[Any, Any]
Sizes = tuple[float, float, float]
STAIN_WEIGHTS = (0.0, 0.3), (0.4, 0.9)  # of tissue, of the volume's grey values
SYMMETRIC = 0.98  # a volume with this correlation to its mirror image has a midline in its centre
RANGE_UM = (1.0, 2000.0)  # plausible voxel sizes
MM, UM = 1000.0, 1.0
UNITS = {"mm": MM, "millimeter": MM, "millimeters": MM, "um": UM, "µm": UM, "micron": UM, "microns": UM}
UNITS |= {"micrometer": UM, "micrometers": UM}


def read(
    path: Path,
    image_size: int,
    family: str | None = None,
    orientation: str | None = None,
    voxel_um: float | Sequence[float] | None = None,
) -> Volume:
    """The volume in a file, for images of `image_size` pixels.

    `voxel_um`, one number or three in the order of the file's axes, overrides the file's voxel sizes.
    `orientation` overrides NIfTI's own; the other formats need it. NRRD needs it too, because the headers of
    the Allen atlases contradict their arrays. Raises ValueError with one line if the file is missing, can't
    be read, is not a volume, or if its orientation or voxel size is unknown or invalid.
    """
    reader = next((READERS[ending] for ending in READERS if path.name.lower().endswith(ending)), None)
    if reader is None:
        raise ValueError(f"data.root={path} has an unknown format; known are {', '.join(READERS)}")
    if not path.is_file():
        raise ValueError(f"data.root={path} is not a file; set data.root=FILE to your volume")
    try:
        values, sizes, own = reader(path)
    except ImportError as error:
        raise _missing_package(error) from error
    except Exception as error:  # the readers' own errors have no common class
        raise ValueError(f"{path} can't be read as a volume ({_reason(error)}); export it again") from error
    orientation = orientation or own
    if orientation is None:
        raise ValueError(
            f"{path} has no orientation; set data.orientation= to the sides where its axes begin, such as asr"
        )
    sizes = _sizes(path, sizes, voxel_um)
    return from_array(str(path), values, orientation, sizes, image_size, family)


def atlas(name: str, image_size: int, family: str | None = None) -> Volume:
    """The reference image of a BrainGlobe atlas; brainglobe-atlasapi downloads it at its first use.

    Raises ValueError if that package is not installed, or if the atlas can't be downloaded or read.
    """
    try:
        from brainglobe_atlasapi import BrainGlobeAtlas
    except ImportError as error:
        raise ValueError(
            "data=atlas needs brainglobe-atlasapi; install it with pip install 'ladder-search[atlases]'"
        ) from error
    try:
        brainglobe = BrainGlobeAtlas(name, check_latest=False)
        values, sizes = np.asarray(brainglobe.reference), [float(size) for size in brainglobe.resolution]
    except Exception as error:  # any error of the network or the server
        raise ValueError(
            f"the atlas data.name={name} can't be loaded ({_reason(error)}); "
            "download it once while online, or give a file with data=volume data.root=FILE"
        ) from error
    voxels = (sizes[0], sizes[1], sizes[2])
    return from_array(f"atlas {name}", values, brainglobe.orientation, voxels, image_size, family)


def from_array(
    name: str, values: Array, orientation: str, sizes: Sizes, image_size: int, family: str | None = None
) -> Volume:
    """A volume of an array whose axes begin at `orientation` and have voxels of `sizes` in µm.

    Raises ValueError, with `name` in its one line, if the array is not three-dimensional, real and finite,
    if it is constant, or if `orientation` is invalid.
    """
    if values.ndim != 3 or min(values.shape) < 2:
        raise ValueError(
            f"{name} has the shape {values.shape}, but a volume has three axes; export it as a volume"
        )
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} has values of {values.dtype}, but must have grey values; export it in greyscale"
        )
    upright, order = reoriented(name, values, orientation)
    sizes = (sizes[order[0]], sizes[order[1]], sizes[order[2]])
    voxel_um = min(sizes)
    lengths = [count * size / voxel_um for count, size in zip(upright.shape, sizes, strict=True)]
    shape = (lengths[0], lengths[1], lengths[2])
    layers = _layers(name, _downsampled(upright, sizes, image_size))
    symmetry = float(torch.corrcoef(torch.stack([layers[1].flatten(), layers[1].flip(-1).flatten()]))[0, 1])
    midline = shape[0] / 2 if symmetry >= SYMMETRIC else None
    planes = family_covering(layers[0], shape, family or "coronal", half=midline is not None)
    return Volume(layers, shape, voxel_um, midline, STAIN_WEIGHTS, planes)


def reoriented(name: str, values: Array, orientation: str) -> tuple[Array, tuple[int, int, int]]:
    """The array with the axes x, y, z, and the former index of each axis.

    Raises ValueError if `orientation` is not three letters, one of each pair a p, s i and l r.
    """
    letters = str(orientation).lower()
    if len(letters) != 3 or {frozenset(pair) & set(letters) for pair in ("ap", "si", "lr")} != {
        frozenset(letter) for letter in letters
    }:
        raise ValueError(
            f"data.orientation={orientation} of {name} must be three letters, one each of a or p, s or i, "
            "l or r: the sides where the array's axes begin, such as asr"
        )
    try:
        from brainglobe_space import AnatomicalSpace
    except ImportError as error:
        raise _missing_package(error) from error
    order = AnatomicalSpace(letters).map_to("lpi")[0]
    return AnatomicalSpace(letters).map_stack_to("lpi", values), (order[0], order[1], order[2])


def _reason(error: Exception) -> str:
    """The error's message in one line."""
    return one_line(error) or type(error).__name__


def _missing_package(error: ImportError) -> ValueError:
    return ValueError(
        f"volumes need the package {error.name}; install it with pip install 'ladder-search[volumes]'"
    )


def _sizes(path: Path, own: Sizes | None, option: float | Sequence[float] | None) -> Sizes:
    """Three sizes in µm: those of the option, otherwise the file's own."""
    if option is not None:
        numbers = [float(size) for size in (option if isinstance(option, Sequence) else [option] * 3)]
    elif own is not None:
        numbers = list(own)
    else:
        raise ValueError(f"{path} has no voxel size; set data.voxel_um= in µm")
    if len(numbers) != 3 or not all(RANGE_UM[0] <= size <= RANGE_UM[1] for size in numbers):
        raise ValueError(
            f"{path} has voxels of {', '.join(f'{size:g}' for size in numbers)} µm, but must have three "
            f"sizes from {RANGE_UM[0]:g} to {RANGE_UM[1]:g}; set data.voxel_um="
        )
    return numbers[0], numbers[1], numbers[2]


def _downsampled(values: Array, sizes: Sizes, image_size: int) -> Tensor:
    """The values over (y, z, x), averaged to voxels about the size of a pixel: less aliasing and memory."""
    pixel = max(count * size for count, size in zip(values.shape, sizes, strict=True)) / image_size
    counts = [
        max(2, round(count / max(1.0, pixel / (1.3 * size))))
        for count, size in zip(values.shape, sizes, strict=True)
    ]
    # Slab by slab along y: the whole volume in float32 may be far larger than the result.
    bounds = [index * values.shape[1] / counts[1] for index in range(counts[1] + 1)]
    slabs = []
    for low, high in itertools.pairwise(bounds):
        slab = np.asarray(values[:, int(low) : math.ceil(high)], dtype=np.float32).mean(axis=1)
        slabs.append(F.adaptive_avg_pool2d(torch.from_numpy(slab)[None], (counts[0], counts[2]))[0])
    return torch.stack(slabs).transpose(1, 2).contiguous()


def _layers(name: str, values: Tensor) -> Tensor:
    """Tissue and stain (2, Y, Z, X) of grey values on any background, which is the median of the faces."""
    if not bool(values.isfinite().all()):
        raise ValueError(f"{name} has values that are NaN or infinite; replace them by the background")
    faces = [values.select(dim, index).flatten() for dim in range(3) for index in (0, -1)]
    background = torch.cat(faces).median()
    ink = (values - background).abs()
    if not ink.any():
        raise ValueError(f"{name} is the same everywhere; give the volume that shows the tissue")
    positive = ink[ink > 0][:: max(1, ink.numel() // 10**6)]  # a sample of a large volume
    ink = (ink / float(np.quantile(positive.numpy(), 0.99))).clamp(0, 1)
    smooth = F.avg_pool3d(ink[None], 3, stride=1, padding=1)[0]
    tissue = ((smooth - 0.06) / 0.06).clamp(0, 1)
    return torch.stack([tissue, tissue * ink])


def _nifti(path: Path) -> tuple[Array, Sizes | None, str | None]:
    import nibabel

    image: Any = nibabel.load(path)
    check_ratio(math.prod(image.shape) * image.dataobj.dtype.itemsize, path.stat().st_size)
    affine = np.asarray(image.affine, dtype=float)
    values = np.asarray(image.dataobj)
    values = values[..., 0] if values.ndim == 4 and values.shape[3] == 1 else values
    axes = affine[:3, :3]
    sizes = np.linalg.norm(axes, axis=0)
    has_affine = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    if not has_affine or not np.isfinite(affine).all() or abs(np.linalg.det(axes)) <= 1e-6 * np.prod(sizes):
        return values, None, None  # no affine, or a singular one
    if np.abs(axes / sizes).max(axis=0).min() < 0.9:
        raise ValueError("its affine rotates the axes by over 25°; resample it to the axes of the brain")
    unit = image.header.get_xyzt_units()[0]
    # nibabel names the sides where the axes end, BrainGlobe the sides where they begin.
    ends = "".join(nibabel.orientations.aff2axcodes(affine)).lower()
    own = ends.translate(str.maketrans("rlapsi", "lrpais"))
    return values, _scaled(sizes, unit), own


def _nrrd(path: Path) -> tuple[Array, Sizes | None, str | None]:
    from trainables.slices.volumes.nrrd_file import read_nrrd

    values, header = read_nrrd(path)
    directions = header.get("space directions")
    sizes = np.linalg.norm(directions, axis=1) if directions is not None else header.get("spacings")
    if sizes is None or np.shape(sizes) != (3,) or not np.isfinite(sizes).all() or min(sizes) <= 0:
        return values, None, None
    units = header.get("space units") or header.get("units") or [""]
    return values, _scaled(np.asarray(sizes), str(units[0])), None


def _scaled(sizes: Array, unit: str) -> Sizes:
    """The sizes in µm. Without a unit, sizes below 2 are mm: voxels are larger than 1 µm and below 2 mm."""
    factor = UNITS.get(unit.strip().lower()) or (MM if min(sizes) < 2 else UM)
    first, second, third = (round(float(size) * factor, 4) for size in sizes)  # stored as float32
    return first, second, third


def _tiff(path: Path) -> tuple[Array, Sizes | None, str | None]:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        check_ratio(math.prod(series.shape) * series.dtype.itemsize, path.stat().st_size)
        return series.asarray(), None, None


def _npy(path: Path) -> tuple[Array, Sizes | None, str | None]:
    return np.load(path, mmap_mode="r", allow_pickle=False), None, None


READERS: dict[str, Callable[[Path], tuple[Array, Sizes | None, str | None]]] = {
    ".nii": _nifti,
    ".nii.gz": _nifti,
    ".nrrd": _nrrd,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".npy": _npy,
}
