"""Volumes from files: the same brain in all formats and axes, and refused files."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import torch

from trainables.slices.planes.families import FAMILIES, family_of, fit_family
from trainables.slices.volumes import files
from trainables.slices.volumes.cutting import cut
from trainables.training.batches import seeded

SIZES = (100.0, 200.0, 100.0)  # of voxels along x, y, z in µm
AFFINE = np.diag([0.1, 0.2, 0.1, 1])


def brain(lopsided: bool = True) -> Any:
    """Grey values over x, y, z: an ellipsoid on black, brighter to the front and, if lopsided, the right."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, count) for count in (40, 30, 24)), indexing="ij")
    inside = (x / 0.7) ** 2 + (y / 0.8) ** 2 + (z / 0.6) ** 2 < 1
    return (inside * (120 + 60 * y + (50 * x if lopsided else 0) + 20 * z)).astype(np.uint8)


def save(folder: Path, name: str, values: Any) -> Path:
    path = folder / name
    writers: dict[str, Callable[[], object]] = {
        ".nii.gz": lambda: nibabel.save(nibabel.Nifti1Image(values, AFFINE), path),
        ".nrrd": lambda: nrrd.write(str(path), values, {"space directions": np.diag([0.1, 0.2, 0.1])}),
        ".tif": lambda: tifffile.imwrite(path, values),
        ".npy": lambda: np.save(path, values),
    }
    writers[next(ending for ending in writers if name.endswith(ending))]()
    return path


def test_all_formats_and_axes_give_the_same_cuts(tmp_path: Path) -> None:
    upright = brain()
    read = [files.read(save(tmp_path, "brain.nii.gz", upright), 64)]
    read.append(files.read(save(tmp_path, "brain.nrrd", upright), 64, orientation="lpi"))
    for name in ("brain.npy", "brain.tif"):
        turned = np.flip(upright).transpose(1, 2, 0)  # from the front, from above, from the right
        path = save(tmp_path, name, turned)
        read.append(files.read(path, 64, orientation="asr", voxel_um=[200, 100, 100]))
    assert {(volume.shape, volume.voxel_um) for volume in read} == {((40.0, 60.0, 24.0), 100.0)}
    planes = read[0].family.draw(4, 5.0, seeded(0))
    expected = cut(read[0], planes, 64)
    assert expected.std() > 0.05
    for volume in read[1:]:
        torch.testing.assert_close(cut(volume, planes, 64), expected, atol=1e-5, rtol=0)


def test_axes_point_to_the_right_the_front_and_up() -> None:
    made = files.from_array("it", brain(), "lpi", SIZES, 256)
    stain = made.tensor[1]  # over y, z, x; brighter to the right and the front, dark outside
    front, back = stain[20:].sum(), stain[:10].sum()
    right, left = stain[..., 20:].sum(), stain[..., :20].sum()
    assert front > 1.2 * back
    assert right > 1.1 * left
    assert made.midline is None


def test_only_a_symmetric_brain_has_a_midline() -> None:
    assert files.from_array("it", brain(lopsided=False), "lpi", SIZES, 64).midline == 20.0


def test_the_volume_is_coarser_for_small_images() -> None:
    coarse, fine = (files.from_array("it", brain(), "lpi", SIZES, size) for size in (32, 256))
    assert coarse.shape == fine.shape
    assert coarse.tensor.numel() < fine.tensor.numel() / 1.9


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_cuts_the_tissue(name: str) -> None:
    made = files.from_array("it", brain(lopsided=False), "lpi", SIZES, 64, family=name)
    planes = made.family.draw(50, 4.0, seeded(1))
    assert family_of(planes) == name
    shown = (cut(made, planes, 32) < 0.9).float().mean(dim=(1, 2, 3))
    assert shown.min() > 0.02
    assert shown.mean() > 0.15
    if name == "sagittal":  # only one half, the other looks the same
        assert (planes[:, 0] + planes[:, 3] / 2 + planes[:, 6] / 2).max() < made.midline + 5  # type: ignore[operator]


def test_a_family_is_fitted_to_its_planes() -> None:
    made = files.from_array("it", brain(), "lpi", SIZES, 64).family
    fitted = fit_family(made.draw(2000, 3.0, seeded(2)))
    assert fitted.name == made.name
    assert fitted.depth == pytest.approx(made.depth, abs=0.5)
    assert fitted.width == pytest.approx(made.width, rel=0.01)
    assert fitted.aspect == pytest.approx(made.aspect, rel=0.01)
    assert fitted.rotation == pytest.approx((0, 0, 0), abs=0.5)


def bad_affine(change: Callable[[Any], Any]) -> Callable[[Path], dict[str, Any]]:
    def write(path: Path) -> dict[str, Any]:
        header = nibabel.Nifti1Header()
        header.set_data_dtype(np.uint8)
        header.set_sform(change(AFFINE.copy()), code=1)
        nibabel.save(nibabel.Nifti1Image(brain(), None, header), path / "it.nii.gz")
        return {"path": path / "it.nii.gz"}

    return write


def slanted(affine: Any) -> Any:
    turn = np.deg2rad(40)
    affine[:2, :2] = affine[:2, :2] @ [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return affine


def array(values: Any, **options: Any) -> Callable[[Path], dict[str, Any]]:
    def write(path: Path) -> dict[str, Any]:
        np.save(path / "it.npy", values)
        return {"path": path / "it.npy", "orientation": "lpi", "voxel_um": 100, **options}

    return write


def raw(name: str, content: bytes) -> Callable[[Path], dict[str, Any]]:
    def write(path: Path) -> dict[str, Any]:
        (path / name).write_bytes(content)
        return {"path": path / name, "orientation": "lpi", "voxel_um": 100}

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (bad_affine(lambda affine: affine * 0), "data.orientation="),
        (bad_affine(lambda affine: affine * np.nan), "data.orientation="),
        (bad_affine(slanted), "rotates the axes"),
        (bad_affine(lambda affine: affine * 1e-6), "data.voxel_um="),
        (array(brain(), orientation=None), "data.orientation="),
        (array(brain(), orientation="aap"), "data.orientation=aap"),
        (array(brain(), orientation="xyz"), "data.orientation=xyz"),
        (array(brain(), orientation="as"), "data.orientation=as"),
        (array(brain(), voxel_um=None), "data.voxel_um="),
        (array(brain(), voxel_um=[1, 2]), "data.voxel_um="),
        (array(brain(), voxel_um=float("nan")), "data.voxel_um="),
        (array(brain()[0]), "three axes"),
        (array(brain() * 0), "the same everywhere"),
        (array(np.where(brain() > 0, np.nan, 1.0)), "NaN or infinite"),
        (array(brain().astype(complex)), "complex128"),
        (array(np.array([{}], dtype=object)), "can't be read"),
        (raw("it.nii.gz", b"no volume"), "can't be read"),
        (raw("it.nrrd", b""), "can't be read"),
        (raw("it.tif", b"II*\x00"), "can't be read"),
        (raw("it.mha", b""), "known are .nii"),
        (lambda path: {"path": path / "none.npy"}, "is not a file"),
    ],
)
def test_bad_volumes_are_refused_in_one_line(
    tmp_path: Path, write: Callable[[Path], dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        files.read(image_size=32, **write(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_atlases_come_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("brainglobe_atlasapi")

    class Atlas:
        resolution, orientation = (200.0, 100.0, 100.0), "asr"

        def __init__(self, name: str, check_latest: bool) -> None:
            if name != "mouse":
                raise ConnectionError("no\nroute")
            self.reference = np.flip(brain()).transpose(1, 2, 0)

    module.BrainGlobeAtlas = Atlas  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "brainglobe_atlasapi", module)
    assert files.atlas("mouse", 32).shape == (40.0, 60.0, 24.0)
    with pytest.raises(ValueError, match=r"data.name=other can't be loaded \(no route\)"):
        files.atlas("other", 32)
    monkeypatch.setitem(sys.modules, "brainglobe_atlasapi", None)
    with pytest.raises(ValueError, match=r"ladder-search\[atlases\]"):
        files.atlas("mouse", 32)
