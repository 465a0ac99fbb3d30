"""Sources of images and labels, and the checks before a run begins. Imports NumPy, not PyTorch."""

import difflib
import hashlib
import importlib.util
import os
import re
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trainables.mnist import idx
from trainables.mnist.idx import Array

SOURCES = ("digits", "mnist", "idx")
NETS = ("mlp", "cnn", "vit")
DECODED = ("mlp", "cnn")  # those with a decoder
FORMAT = "mnist-2"  # increment when the same files would give other images or splits
MIN_IMAGES = 10  # for a validation and a test split of one image each
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
NAME = re.compile(r"(?P<stem>.+)-(?P<kind>images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")


class Pair(NamedTuple):
    """An IDX file of images and the IDX file of their labels."""

    images: Path
    labels: Path


class Files(NamedTuple):
    """The pairs in a folder. Without `test`, `train` is split in three."""

    train: Pair
    test: Pair | None


def prepare(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks data options (see ImageData), settings and files before a run begins; fetches MNIST if needed.

    Returns `source`, its absolute `root` if it has files, and `content`, a string that changes when the
    images or their splits do. Test files (t10k) are not opened.

    Raises ValueError as `check_options`, `fetch`, `files` and `load` do.
    """
    check_options(options)
    source, root = resolve_source(options.get("source", "digits"), options.get("root"))
    if root is None:
        return {"source": source, "content": f"{FORMAT}-{source}"}
    if source == "mnist":
        fetch(root)
    load(source, root)
    return {"source": source, "root": str(root), "content": _content(files(root))}


def check_options(options: Mapping[str, Any]) -> None:
    """Checks options and settings without opening files.

    Raises ValueError for an unknown `source` or `net`, for a `net` without a decoder beside a `latent`, for
    `source="idx"` without a `root`, and for a `latent` that is not an integer >= 1.
    """
    source, net, latent = options.get("source", "digits"), options.get("net", "mlp"), options.get("latent", 1)
    if source not in SOURCES:
        close = difflib.get_close_matches(str(source), SOURCES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"data is {source!r}, but must be one of {', '.join(SOURCES)}; the nearest is {close} (data=...)"
        )
    if source == "idx" and not options.get("root"):
        raise ValueError("data=idx needs a folder of IDX files; set data.root=FOLDER")
    nets = DECODED if "latent" in options else NETS
    if net not in nets:
        raise ValueError(f"net is {net!r}, but must be one of {', '.join(nets)} (net=...)")
    if isinstance(latent, bool) or not isinstance(latent, int) or latent < 1:
        raise ValueError(f"latent is {latent!r}, but must be an integer >= 1 (latent=...)")


def resolve_source(source: str, root: str | None) -> tuple[str, Path | None]:
    """The source, `idx` for a `root` alone, and its absolute folder; None for a source without files."""
    if root:
        return "idx" if source == "digits" else source, Path(root).expanduser().resolve()
    if source == "mnist":
        cache = Path(os.environ.get("LADDER_CACHE") or "~/.cache/ladder")
        return source, cache.expanduser().resolve() / "mnist"
    return source, None


def fetch(folder: Path) -> None:
    """Downloads the published files that are missing in `folder`, and checks those of training that exist.

    Existing test files are not opened: a damaged one fails when the test split is read.

    Raises ValueError if a download fails or a checksum differs from the published one.
    """
    for name, md5 in MD5.items():
        path, temporary = folder / name, folder / f".{name}.{uuid.uuid4().hex}"
        missing = not path.exists()
        try:
            if missing:
                folder.mkdir(parents=True, exist_ok=True)
                with urllib.request.urlopen(MIRROR + name, timeout=30) as response:
                    temporary.write_bytes(response.read())
            if (missing or name.startswith("train")) and _md5(temporary if missing else path) != md5:
                raise ValueError(
                    f"{path} {'was fetched with' if missing else 'has'} another checksum than the published "
                    f"file ({md5}); {'try again' if missing else 'delete it, and it is fetched again'}"
                )
            if missing:
                temporary.replace(path)
        except OSError as error:
            raise ValueError(
                f"{name} can't be fetched from {MIRROR} ({error}); put {', '.join(MD5)} into {folder}, "
                "or set data.root=FOLDER to the folder that holds them"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


def files(root: Path) -> Files:
    """The pairs of IDX files in a folder: `train` and `t10k` as published, or one pair of any name.

    Raises ValueError if `root` is not a folder, half of a pair is missing, or there are other pairs.
    """
    if not root.is_dir():
        raise ValueError(f"data.root={root} is not a folder; set data.root=FOLDER to your IDX files")
    paths: dict[str, dict[str, Path]] = {}  # by stem, then images or labels
    for path in sorted(root.iterdir(), reverse=True):  # so that x replaces x.gz
        if match := NAME.fullmatch(path.name):
            paths.setdefault(match["stem"], {})[match["kind"][:6]] = path
    for stem, kinds in paths.items():
        for kind, number in ("images", 3), ("labels", 1):
            if kind not in kinds:
                raise ValueError(f"{root} has no {stem}-{kind}-idx{number}-ubyte[.gz]; put it there")
    pairs = {stem: Pair(**kinds) for stem, kinds in paths.items()}
    if set(pairs) == {"train", "t10k"}:
        return Files(pairs["train"], pairs["t10k"])
    if len(pairs) == 1:
        return Files(next(iter(pairs.values())), None)
    raise ValueError(
        f"data.root={root} has the IDX pairs {', '.join(sorted(pairs)) or '(none)'}, but must have train and "
        "t10k, or only one pair: NAME-images-idx3-ubyte[.gz] and NAME-labels-idx1-ubyte[.gz]"
    )


def load(source: str, root: Path | None) -> tuple[Array, Array]:
    """All images (N, H, W) and labels (N,) except those of test files, as unsigned bytes.

    Raises ValueError as `files` and `idx.read_pair` do, for fewer than MIN_IMAGES images, and for a label
    above the number of classes.
    """
    if root is None:
        return digits()
    train = files(root).train
    images, labels = idx.read_pair(*train)
    if len(images) < MIN_IMAGES:
        raise ValueError(f"{train.images} has {len(images)} images, but must have at least {MIN_IMAGES}")
    classes = np.unique(labels)
    if classes[-1] > len(classes):
        raise ValueError(
            f"{train.labels} has labels up to {classes[-1]}, but only {len(classes)} different ones; "
            "labels must count from 0 without gaps"
        )
    return images, labels


def load_test(root: Path) -> tuple[Array, Array]:
    """Images (N, H, W) and labels (N,) of the test files in a folder with two pairs, as unsigned bytes.

    Raises ValueError as `files` and `idx.read_pair` do, and if the test files are gone.
    """
    test = files(root).test
    if test is None:
        raise ValueError(f"{root} has no t10k files any more; put them back")
    return idx.read_pair(*test)


def digits() -> tuple[Array, Array]:
    """The 1,797 handwritten digits of scikit-learn: images (N, 8, 8) and labels (N,), as unsigned bytes.

    Raises ValueError if scikit-learn is not installed.
    """
    # `sklearn.datasets.load_digits` reads the same file, but its import takes two seconds in each process.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("data=digits needs scikit-learn; install it, or set data.root=FOLDER")
    table = np.loadtxt(
        Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz", delimiter=","
    )
    images = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    return images, table[:, -1].astype(np.uint8)


def _content(pairs: Files) -> str:
    """Hash of the training files, and of the names and sizes of the test files, which are not opened."""
    digest = hashlib.sha256(FORMAT.encode())
    for path in pairs.train:
        digest.update(path.read_bytes())
    for path in pairs.test or ():
        digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()[:32]


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
