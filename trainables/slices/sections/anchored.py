"""The user's sections: a folder of images and an anchoring file, checked, decoded once and kept.

Whatever the images are, they become one memory map of grey bytes (sections, size, size) in a cache folder,
named by what it was made from and shared by all processes. No later epoch, trial or run reads an image.
"""

import hashlib
import os
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.slices.planes import quicknii
from trainables.slices.sections.images import read_image

FORMAT = "sections-2"  # count up when the same files would decode to other bytes
FEWEST = 3  # one section each for training, validation and test


class Sections(NamedTuple):
    """Sections in the order of their files; `series` numbers the brain that each is from."""

    images: np.ndarray[Any, Any]  # uint8 (N, S, S), a memory map: 0 black, 255 white
    planes: np.ndarray[Any, Any]  # float64 (N, 9), in voxels
    names: tuple[str, ...]  # the image files, relative to the root
    series: np.ndarray[Any, Any]  # int64 (N,)
    voxel_um: float
    midline: float | None  # see quicknii.Atlas
    target: str  # the atlas, as the anchorings name it


class _Folder(NamedTuple):
    """One brain."""

    path: Path
    series: quicknii.Series


def warn_of_few_series(series: np.ndarray[Any, Any]) -> bool:
    """Whether there are too few brains, (N,) numbers of them, to give each split its own; warns if so."""
    if len(np.unique(series)) >= 3:
        return False
    warnings.warn(
        "fewer than three series: neighbouring sections of one brain are in training and validation, "
        "so new brains will score worse than this validation says",
        stacklevel=3,
    )
    return True


def load(root: str | os.PathLike[str], image_size: int, voxel_um: float | None = None) -> Sections:
    """The sections under `root`: a folder with an anchoring file beside its images, or a folder of such.

    `voxel_um` is needed where the anchorings name no atlas that we know, and is believed where given.
    Raises ValueError with one line that names the file or section.
    """
    root = Path(root)
    folders = _folders(root)
    sections = [(folder, section) for folder in folders for section in folder.series.sections]
    if len(sections) < FEWEST:
        raise ValueError(
            f"{root} has {len(sections)} anchored sections, but training, validation and test need {FEWEST}; "
            "anchor more images"
        )
    files = [folder.path / section.filename for folder, section in sections]
    for file, (folder, section) in zip(files, sections, strict=True):
        if not file.is_file():
            raise ValueError(
                f"section {section.filename} has an anchoring but no image in {folder.path}; "
                "add the image or take the section out of the anchoring file"
            )
    voxel_um, midline = _atlas(folders, voxel_um)
    return Sections(
        images=_images(files, _content(folders, image_size), image_size),
        planes=np.array([section.anchoring for _, section in sections], dtype=np.float64),
        names=tuple(file.relative_to(root).as_posix() for file in files),
        series=np.repeat(np.arange(len(folders)), [len(folder.series.sections) for folder in folders]),
        voxel_um=voxel_um,
        midline=midline,
        target=max(folder.series.target for folder in folders),  # all are names of one atlas
    )


def _folders(root: Path) -> list[_Folder]:
    """The brains under `root`."""
    if not root.is_dir():
        raise ValueError(
            f"data.root={root} is not a folder; set data.root=FOLDER to your images and anchorings"
        )
    paths = [root] if _anchoring_files(root) else sorted(path for path in root.iterdir() if path.is_dir())
    folders = [_Folder(path, _series(files)) for path in paths if (files := _anchoring_files(path))]
    if not folders:
        raise ValueError(
            f"data.root={root} has no anchoring file (.json, .xml or .csv), nor have its subfolders; "
            "save one from QuickNII or DeepSlice beside the images"
        )
    return folders


def _anchoring_files(folder: Path) -> list[Path]:
    """Best first: QuickNII's JSON names the atlas, DeepSlice's XML and CSV do not."""
    kinds = (".json", ".xml", ".csv")
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in kinds and path.is_file()]
    return sorted(files, key=lambda path: kinds.index(path.suffix.lower()))


def _series(files: list[Path]) -> quicknii.Series:
    """What the first file says, if the others that are anchorings too do not contradict it."""
    series = quicknii.read(files[0])
    planes = {section.filename: section.anchoring for section in series.sections}
    for file in files[1:]:
        try:
            others = quicknii.read(file).sections
        except ValueError:
            continue  # some other table
        for other in others:
            if not np.allclose(planes.get(other.filename, np.nan), other.anchoring, rtol=0, atol=1e-3):
                raise ValueError(
                    f"section {other.filename} differs in {files[0]} and {file.name}; "
                    "keep only the anchoring file that you mean"
                )
    return series


def _atlas(folders: list[_Folder], voxel_um: float | None) -> tuple[float, float | None]:
    """The voxel's size and the midline of the atlas that all series share."""
    targets = {folder.series.target for folder in folders}
    atlases = {quicknii.atlas(target) for target in targets}
    if len(atlases) > 1:
        raise ValueError(
            f"the series are in different atlases ({', '.join(sorted(targets))}); search them apart"
        )
    atlas = atlases.pop()
    if atlas is not None:
        return voxel_um or atlas.voxel_um, atlas.midline
    if voxel_um is None:
        raise ValueError(
            f"the anchorings name {targets.pop() or 'no atlas'}, so the size of a voxel is not known; "
            f"set data.voxel_um= in µm (known atlases: {', '.join(quicknii.ATLASES)})"
        )
    return voxel_um, None


def content(root: Path, image_size: int) -> str:
    """A name for the sections under `root`, which changes when they do."""
    return _content(_folders(root), image_size)


def _content(folders: list[_Folder], image_size: int) -> str:
    """A name for the decoded sections: equal for equal anchorings, image files and size."""
    digest = hashlib.sha256(f"{FORMAT} {image_size}".encode())
    for folder in folders:
        digest.update(repr((folder.path.name, folder.series)).encode())
        for section in folder.series.sections:
            # A file's size and time stand for its bytes: reading all images at each start would take long.
            stat = (folder.path / section.filename).stat()
            digest.update(f" {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def _images(files: list[Path], content: str, image_size: int) -> np.ndarray[Any, Any]:
    """The memory map of the decoded files; made if it is not there."""
    cache = Path(os.environ.get("LADDER_CACHE") or "~/.cache/ladder").expanduser()
    path = cache / f"{content}.npy"
    if not path.exists():
        # Processes that come here together each write a file of their own; the renames then agree.
        temporary = cache / f".{content}.{uuid.uuid4().hex}"
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                shape = (len(files), image_size, image_size)
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
    return np.load(path, mmap_mode="r")


def _decoded(files: list[Path], image_size: int) -> Iterator[np.ndarray[Any, Any]]:
    with ThreadPoolExecutor(max_workers=4) as pool:  # Pillow decodes outside Python's lock
        yield from pool.map(lambda file: read_image(file, image_size), files)
