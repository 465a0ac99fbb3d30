"""The user's anchored sections: the cache of decoded images, and refused folders."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.slices.phantom_series import edit_anchorings, random_series
from trainables.slices.sections import anchored
from trainables.slices.sections.prepare import prepare


def test_images_are_decoded_once(tmp_path: Path, cache: Path) -> None:
    root = random_series(tmp_path / "brain")
    first = anchored.load(root, 32)
    image = root / "s004.png"
    times = image.stat().st_atime_ns, image.stat().st_mtime_ns
    image.write_bytes(bytes(image.stat().st_size))
    os.utime(image, ns=times)
    again = anchored.load(root, 32)  # would fail to decode s004.png
    assert isinstance(again.images, np.memmap)
    assert not again.images.flags.writeable
    assert np.array_equal(first.images, again.images)
    assert len(list(cache.iterdir())) == 1
    assert again.voxel_um == 25.0
    assert again.names[3] == "s003.png"


def test_a_failed_decode_leaves_nothing_in_the_cache(tmp_path: Path, cache: Path) -> None:
    root = random_series(tmp_path / "brain")
    (root / "s004.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(ValueError, match=r"section s004\.png can't be read"):
        anchored.load(root, 32)
    assert list(cache.iterdir()) == []


def contradict(root: Path) -> None:
    shutil.copy(root / "brain.json", root / "newer.json")
    edit_anchorings(root, lambda content: content["slices"][2]["anchoring"].__setitem__(1, 99.0))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "brain.json").unlink(), "has no anchoring file"),
        (lambda root: (root / "s002.png").unlink(), "section s002.png has an anchoring but no image"),
        (
            lambda root: edit_anchorings(root, lambda c: c["slices"].__delitem__(slice(2, None))),
            "has 2 anchored sections",
        ),
        (lambda root: edit_anchorings(root, lambda c: c.update(target="mine")), "data.voxel_um="),
        (contradict, "section s002.png differs"),
    ],
)
def test_bad_folders_are_refused(
    tmp_path: Path, spoil: Callable[[Path], object], message: str, cache: Path
) -> None:
    root = random_series(tmp_path / "brain")
    spoil(root)
    with pytest.raises(ValueError) as caught:
        prepare({"source": "quicknii", "root": str(root)})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_an_unwritable_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = random_series(tmp_path / "brain")
    (tmp_path / "file").touch()
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="set LADDER_CACHE"):
        anchored.load(root, 32)


def test_the_option_overrides_the_voxel_size(tmp_path: Path) -> None:
    root = random_series(tmp_path / "brain", target="mine")
    loaded = anchored.load(root, 32, voxel_um=10)
    assert (loaded.voxel_um, loaded.midline) == (10, None)


def test_series_in_different_atlases_are_refused(tmp_path: Path) -> None:
    random_series(tmp_path / "mouse")
    random_series(tmp_path / "rat", target="WHS_SD_Rat_v4_39um.cutlas")
    with pytest.raises(ValueError, match="different atlases"):
        anchored.load(tmp_path, 32, voxel_um=None)
