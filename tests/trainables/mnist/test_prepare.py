"""Sources of images: folders of IDX files, options, scikit-learn's digits, and the download of MNIST."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.mnist.idx_files import make_pair, packed
from trainables.mnist import prepare


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    images, labels = prepare.digits()
    np.testing.assert_array_equal(images, np.round(load_digits().images / 16 * 255))
    np.testing.assert_array_equal(labels, load_digits().target)
    assert prepare.prepare({}) == {"source": "digits", "content": "mnist-2-digits"}


# Folders


def test_a_root_alone_means_idx_and_content_depends_on_the_bytes(tmp_path: Path) -> None:
    root = make_pair(tmp_path / "a")
    prepared = prepare.prepare({"source": "digits", "root": str(root), "seed": 0, "net": "mlp"})
    assert prepared["source"] == "idx"
    assert prepared["root"] == str(root.resolve())
    assert prepare.prepare(prepared) == prepared
    make_pair(root)
    assert prepare.prepare(prepared)["content"] != prepared["content"]


def test_plain_files_take_precedence_over_gzipped_ones(tmp_path: Path) -> None:
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
        ({"net": "rnn"}, "net is 'rnn', but must be one of mlp, cnn, vit"),
        ({"net": "vit", "latent": 32}, "net is 'vit', but must be one of mlp, cnn "),
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


def checksums(folder: Path) -> dict[str, str]:
    return {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in prepare.MD5}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that serves as mirror of the published files, and an empty cache."""
    folder = make_pair(make_pair(tmp_path / "mirror", "train"), "t10k")
    monkeypatch.setattr(prepare, "MIRROR", f"{folder.as_uri()}/")
    monkeypatch.setattr(prepare, "MD5", checksums(folder))
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "cache"))
    return folder


def test_mnist_is_fetched_once(mirror: Path, tmp_path: Path) -> None:
    prepared = prepare.prepare({"source": "mnist"})
    assert Path(prepared["root"]) == tmp_path / "cache" / "mnist"
    assert sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir()) == sorted(prepare.MD5)
    shutil.rmtree(mirror)
    assert prepare.prepare({"source": "mnist"}) == prepared
    assert prepare.prepare(prepared) == prepared


def test_a_failed_download_names_the_files_and_their_folder(mirror: Path, tmp_path: Path) -> None:
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
