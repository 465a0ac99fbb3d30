"""Reading IDX files: the arrays, and the errors for damaged files and unequal pairs."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.mnist.idx_files import RNG, packed, write_idx
from trainables.mnist import idx

IMAGES = np.zeros((3, 2, 2), np.uint8)


@pytest.mark.parametrize("shape", [(7,), (4, 3, 5), (2, 1, 3, 2)])
def test_reads_plain_and_gzipped_files(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    for name in "plain", "zipped.gz":
        np.testing.assert_array_equal(idx.read(write_idx(tmp_path / name, array)), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no magic number"),
        (b"\0\0\x08", "no magic number"),
        (b"P5 2 2 255 abcd", "begins with 0x50352032"),
        (packed(IMAGES, kind=0x07), "no magic number"),
        (packed(IMAGES, kind=0x0D), "values of type float, but must hold unsigned bytes"),
        (packed(IMAGES)[:9], "its header alone has 16"),
        (packed(IMAGES)[:-1], "truncated: 11 values, but its dimensions 3 x 2 x 2 need 12"),
        (packed(IMAGES) + b"\0", "too long: 13 values"),
        (packed(IMAGES)[:4] + b"\xff" * 12 + b"\0" * 12, "truncated: 12 values"),
        (packed(IMAGES[:0]), "none may be 0"),
        (gzip.compress(packed(IMAGES), mtime=0)[:-9], "can't be unpacked"),
        (gzip.compress(packed(IMAGES), mtime=0)[:25] + b"\xff" * 20, "can't be unpacked"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad-idx"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        idx.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing can't be read"):
        idx.read(tmp_path / "nothing")


def test_an_unequal_pair_is_refused(tmp_path: Path) -> None:
    images, labels, cube = tmp_path / "images", tmp_path / "labels", tmp_path / "cube"
    images.write_bytes(packed(IMAGES))
    labels.write_bytes(packed(np.zeros(4, np.uint8)))
    cube.write_bytes(packed(IMAGES[None]))
    with pytest.raises(ValueError, match="has 3 images, but labels has 4 labels"):
        idx.read_pair(images, labels)
    with pytest.raises(ValueError, match="swap the two files"):
        idx.read_pair(labels, images)
    with pytest.raises(ValueError, match="cube has dimensions 1 x 3 x 2 x 2, but images must have 3"):
        idx.read_pair(cube, labels)
    with pytest.raises(ValueError, match="images has dimensions 3 x 2 x 2, but labels must have 1"):
        idx.read_pair(images, images)
