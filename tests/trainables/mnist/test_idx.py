"""IDX files and folders of them: what is read, and what is refused with one line."""

import gzip
import struct
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainables.mnist import idx, prepare

ARRAYS = np.random.default_rng(0)


def packed(array: np.ndarray, kind: int = 0x08) -> bytes:
    """The IDX file of an array of bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


def make_pair(folder: Path, stem: str = "some", count: int = 50, side: int = 6, suffix: str = ".gz") -> Path:
    """Random images and labels 0 to 4 as a pair of IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    images = ARRAYS.integers(0, 256, (count, side, side), dtype=np.uint8)
    labels = (np.arange(count) % 5).astype(np.uint8)
    for kind, array in ("images-idx3", images), ("labels-idx1", labels):
        data = packed(array)
        (folder / f"{stem}-{kind}-ubyte{suffix}").write_bytes(gzip.compress(data) if suffix else data)
    return folder


@pytest.mark.parametrize("shape", [(7,), (4, 3, 5), (2, 1, 3, 2)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = ARRAYS.integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "plain").write_bytes(packed(array))
    (tmp_path / "zipped").write_bytes(gzip.compress(packed(array)))
    for name in "plain", "zipped":
        np.testing.assert_array_equal(idx.read(tmp_path / name), array)


IMAGES = np.zeros((3, 2, 2), np.uint8)


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
        (gzip.compress(packed(IMAGES))[:-9], "can't be unpacked"),
        (gzip.compress(packed(IMAGES))[:12] + b"\xff" * 20, "can't be unpacked"),
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


def test_images_and_labels_must_belong_together(tmp_path: Path) -> None:
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


# Folders


def test_a_root_alone_means_idx_and_content_names_the_bytes(tmp_path: Path) -> None:
    root = make_pair(tmp_path / "a")
    prepared = prepare.prepare({"source": "digits", "root": str(root), "seed": 0, "net": "mlp"})
    assert prepared["source"] == "idx"
    assert prepared["root"] == str(root.resolve())
    assert prepare.prepare(prepared) == prepared
    make_pair(root)
    assert prepare.prepare(prepared)["content"] != prepared["content"]


def test_plain_files_are_taken_before_packed_ones(tmp_path: Path) -> None:
    make_pair(tmp_path, suffix=".gz")
    make_pair(tmp_path, suffix="")
    assert all(path.suffix == "" for path in prepare.files(tmp_path).train)


def drop(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).unlink()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("train-labels-idx1-ubyte.gz"), "no train-labels-idx1-ubyte"),
        (drop("t10k-images-idx3-ubyte.gz"), "no t10k-images-idx3-ubyte"),
        (lambda root: make_pair(root, "more"), "IDX pairs more, t10k, train, but"),
        (lambda root: make_pair(root, "train", count=9), "has 9 images, but must have at least 10"),
        (
            lambda root: (root / "train-labels-idx1-ubyte.gz").write_bytes(packed(np.full(50, 200, "u1"))),
            "labels up to 200, but only 1 different",
        ),
    ],
)
def test_a_bad_folder_is_refused(tmp_path: Path, edit: Callable[[Path], object], message: str) -> None:
    make_pair(tmp_path, "train")
    make_pair(tmp_path, "t10k")
    edit(tmp_path)
    with pytest.raises(ValueError, match=message):
        prepare.prepare({"source": "digits", "root": str(tmp_path)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "minst"}, "nearest is mnist"),
        ({"source": "idx"}, "set data.root=FOLDER"),
        ({"root": "/no/such"}, "data.root=/no/such is not a folder"),
        ({"net": "rnn"}, "net is 'rnn', but must be one of mlp, cnn"),
        ({"latent": 0}, "latent is 0, but must be"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare.prepare(options)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"IDX pairs \(none\)"):
        prepare.prepare({"root": str(tmp_path)})


# The published files


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror on this machine, of files made here, and an empty cache."""
    folder = make_pair(make_pair(tmp_path / "mirror", "train"), "t10k")
    monkeypatch.setattr(prepare, "MIRROR", f"{folder.as_uri()}/")
    monkeypatch.setattr(prepare, "MD5", {name: prepare._md5(folder / name) for name in prepare.MD5})
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "cache"))
    return folder


def test_mnist_is_fetched_once(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare.prepare({"source": "mnist"})
    assert Path(prepared["root"]) == tmp_path / "cache" / "mnist"
    assert sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir()) == sorted(prepare.MD5)
    monkeypatch.setattr(urllib.request, "urlopen", None)
    assert prepare.prepare({"source": "mnist"}) == prepared
    assert prepare.prepare(prepared) == prepared


def test_offline_says_what_to_put_where(mirror: Path, tmp_path: Path) -> None:
    (mirror / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz can't be fetched") as caught:
        prepare.prepare({"source": "mnist"})
    assert f"put {', '.join(prepare.MD5)} into {tmp_path / 'cache' / 'mnist'}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_checksum_is_refused(mirror: Path, tmp_path: Path) -> None:
    prepare.prepare({"source": "mnist"})
    make_pair(tmp_path / "cache" / "mnist", "train")
    with pytest.raises(ValueError, match="has another checksum than the published file"):
        prepare.prepare({"source": "mnist"})
    make_pair(mirror, "train")
    (tmp_path / "cache" / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ValueError, match="was fetched with another checksum"):
        prepare.prepare({"source": "mnist"})
    assert not [path for path in (tmp_path / "cache" / "mnist").iterdir() if path.name.startswith(".")]
