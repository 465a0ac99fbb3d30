"""The user's anchored sections: a folder of images and an anchoring file, checked and decoded once.

The decoded images are one memory map of grey bytes (sections, size, size) in a cache folder, shared by all
processes. Its name is a digest of its sources, so no later epoch, trial or run reads an image file.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.slices.planes import quicknii
from trainables.slices.sections.images import read_image

FORMAT = "sections-2"  # increase the number when the same files would decode to other bytes
MIN_SECTIONS = 3  # one each for training, validation and test


class Sections(NamedTuple):
    """Sections in the order of their files; `series` is the number of each section's brain."""

    images: np.ndarray[Any, Any]  # uint8 (N, S, S), a memory map: 0 black, 255 white
    planes: np.ndarray[Any, Any]  # float64 (N, 9), in voxels
    names: tuple[str, ...]  # the image files, relative to the root
    series: np.ndarray[Any, Any]  # int64 (N,)
    voxel_um: float
    midline: float | None  # see quicknii.Atlas
    target: str  # the atlas, as the anchorings name it


class _Folder(NamedTuple):
    """The folder of one brain, and its anchorings."""

    path: Path
    series: quicknii.Series


def load(root: str | os.PathLike[str], image_size: int, voxel_um: float | None = None) -> Sections:
    """The sections in `root`: a folder with an anchoring file beside its images, or a folder of such folders.

    `voxel_um` overrides the voxel size of the atlas; it is needed if the anchorings name no known atlas.
    Raises ValueError with one line that names the file or section if `root` has no anchorings or too few
    sections, if an image is missing or can't be read, if anchoring files contradict each other, if series
    are in different atlases, if the voxel size is unknown, or if the cache can't be written.
    """
    root = Path(root)
    folders = _folders(root)
    sections = [(folder, section) for folder in folders for section in folder.series.sections]
    if len(sections) < MIN_SECTIONS:
        raise ValueError(
            f"{root} has {len(sections)} anchored sections, but training, validation and test need "
            f"{MIN_SECTIONS}; anchor more images"
        )
    files = [folder.path / section.filename for folder, section in sections]
    for file, (folder, section) in zip(files, sections, strict=True):
        if not file.is_file():
            raise ValueError(
                f"section {section.filename} has an anchoring but no image in {folder.path}; "
                "add the image or remove the section from the anchoring file"
            )
    voxel_um, midline = _atlas(folders, voxel_um)
    return Sections(
        images=_images(files, _content(folders, image_size), image_size),
        planes=np.array([section.anchoring for _, section in sections], dtype=np.float64),
        names=tuple(file.relative_to(root).as_posix() for file in files),
        series=np.repeat(np.arange(len(folders)), [len(folder.series.sections) for folder in folders]),
        voxel_um=voxel_um,
        midline=midline,
        target=max(folder.series.target for folder in folders),  # all name the same atlas
    )


def _folders(root: Path) -> list[_Folder]:
    """The brains in `root`."""
    if not root.is_dir():
        raise ValueError(
            f"data.root={root} is not a folder; set data.root=FOLDER to your images and anchorings"
        )
    paths = [root] if _anchoring_files(root) else sorted(path for path in root.iterdir() if path.is_dir())
    folders = [_Folder(path, _series(files)) for path in paths if (files := _anchoring_files(path))]
    if not folders:
        raise ValueError(
            f"data.root={root} has no anchoring file (.json, .xml or .csv), and neither do its subfolders; "
            "save one from QuickNII or DeepSlice beside the images"
        )
    return folders


def _anchoring_files(folder: Path) -> list[Path]:
    """Possible anchoring files, the best first: QuickNII's JSON names the atlas, DeepSlice's files do not."""
    kinds = (".json", ".xml", ".csv")
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in kinds and path.is_file()]
    return sorted(files, key=lambda path: kinds.index(path.suffix.lower()))


def _series(files: list[Path]) -> quicknii.Series:
    """The series of the first file. Raises ValueError if another file has a different anchoring."""
    series = quicknii.read(files[0])
    planes = {section.filename: section.anchoring for section in series.sections}
    for file in files[1:]:
        try:
            others = quicknii.read(file).sections
        except ValueError:
            continue  # not a file of anchorings
        for other in others:
            if not np.allclose(planes.get(other.filename, np.nan), other.anchoring, rtol=0, atol=1e-3):
                raise ValueError(
                    f"section {other.filename} differs in {files[0]} and {file.name}; "
                    "keep only the right anchoring file"
                )
    return series


def _atlas(folders: list[_Folder], voxel_um: float | None) -> tuple[float, float | None]:
    """The voxel size in µm and the midline of the atlas of all series."""
    targets = {folder.series.target for folder in folders}
    atlases = {quicknii.atlas(target) for target in targets}
    if len(atlases) > 1:
        raise ValueError(
            f"the series are in different atlases ({', '.join(sorted(targets))}); use one run for each"
        )
    atlas = atlases.pop()
    if atlas is not None:
        return voxel_um or atlas.voxel_um, atlas.midline
    if voxel_um is None:
        raise ValueError(
            f"the anchorings name {targets.pop() or 'no atlas'}, so the size of a voxel is unknown; "
            f"set data.voxel_um= in µm (known atlases: {', '.join(quicknii.ATLASES)})"
        )
    return voxel_um, None


def content(root: Path, image_size: int) -> str:
    """A digest of the sections in `root`, which changes when they do. Raises ValueError as `load` does."""
    return _content(_folders(root), image_size)


def _content(folders: list[_Folder], image_size: int) -> str:
    """A digest of anchorings, image files and image size."""
    digest = hashlib.sha256(f"{FORMAT} {image_size}".encode())
    for folder in folders:
        digest.update(repr((folder.path.name, folder.series)).encode())
        for section in folder.series.sections:
            # A file's size and time stand for its bytes: reading all images at each start would be slow.
            stat = (folder.path / section.filename).stat()
            digest.update(f" {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _images(files: list[Path], content: str, image_size: int) -> np.ndarray[Any, Any]:
    """The memory map of the decoded files, which is created if it is missing or torn."""
    cache = Path(os.environ.get("LADDER_CACHE") or "~/.cache/ladder").expanduser()
    path = cache / f"{content}.npy"
    shape = (len(files), image_size, image_size)
    cached = _cached(path)
    if cached is None or cached.shape != shape:
        # Concurrent processes each write their own temporary file; all are equal, so any rename may win.
        temporary = cache / f".{content}.{uuid.uuid4().hex}"
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for image in _decoded(files, image_size):
                    file.write(image.tobytes())
            temporary.replace(path)
        except OSError as error:
            raise ValueError(
                f"{cache} can't be written ({error}); set LADDER_CACHE to another folder"
            ) from error
        finally:
            if temporary.exists():
                temporary.unlink()
        cached = np.load(path, mmap_mode="r")
    return cached


def _cached(path: Path) -> np.ndarray[Any, Any] | None:
    """The memory map in a file of the cache; None if it is missing or torn."""
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None


def _decoded(files: list[Path], image_size: int) -> Iterator[np.ndarray[Any, Any]]:
    with ThreadPoolExecutor(max_workers=4) as pool:  # Pillow decodes outside Python's lock
        yield from pool.map(lambda file: read_image(file, image_size), files)
