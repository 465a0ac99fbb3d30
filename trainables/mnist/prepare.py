"""Where images and labels come from, and what is checked before a run begins. NumPy only."""

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
NETS = ("mlp", "cnn")
FORMAT = "mnist-1"  # count up when the same files would become other images or splits
FEWEST = 10  # images of a pair that is split 80/10/10
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
NAME = re.compile(r"(?P<stem>.+)-(?P<kind>images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")


class Pair(NamedTuple):
    """Two IDX files that belong together."""

    images: Path
    labels: Path


class Files(NamedTuple):
    """What a folder holds. Without `test`, the one pair is split in three."""

    train: Pair
    test: Pair | None


def prepare(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks data options (MnistData's arguments), settings and the data behind them, before a run begins.

    Returns `source`, its absolute `root` if it has files, and `content`, which changes when the images
    do. The test files of a folder with four are not opened. Raises ValueError with one line for the user.
    """
    check(options)
    source, root = place(options.get("source", "digits"), options.get("root"))
    if root is None:
        return {"source": source, "content": f"{FORMAT}-{source}"}
    if source == "mnist":
        fetch(root)
    load(source, root)
    return {"source": source, "root": str(root), "content": _content(files(root))}


def check(options: Mapping[str, Any]) -> None:
    """Checks options and settings alone: no file is opened. Raises ValueError."""
    source, net, latent = options.get("source", "digits"), options.get("net", "mlp"), options.get("latent", 1)
    if source not in SOURCES:
        near = difflib.get_close_matches(str(source), SOURCES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"data={source}: no such data, the nearest is {near}; known are {', '.join(SOURCES)}"
        )
    if source == "idx" and not options.get("root"):
        raise ValueError("data=idx needs a folder of IDX files; set data.root=FOLDER")
    if net not in NETS:
        raise ValueError(f"net is {net!r}, but must be one of {', '.join(NETS)} (net=...)")
    if isinstance(latent, bool) or not isinstance(latent, int) or latent < 1:
        raise ValueError(f"latent is {latent!r}, but must be a whole number from 1 up (latent=...)")


def place(source: str, root: str | None) -> tuple[str, Path | None]:
    """The source that is meant and its absolute folder, if it has one: `root` alone means `idx`."""
    if root:
        return "idx" if source == "digits" else source, Path(root).expanduser().resolve()
    if source == "mnist":
        cache = Path(os.environ.get("LADDER_CACHE") or "~/.cache/ladder")
        return source, cache.expanduser().resolve() / "mnist"
    return source, None


def fetch(folder: Path) -> None:
    """Puts the published files that are missing into `folder`. Raises ValueError if they can't be had.

    Training files that are there are checked as well; damage to a test file shows when it is unpacked.
    """
    for name, md5 in MD5.items():
        path, temporary = folder / name, folder / f".{name}.{uuid.uuid4().hex}"
        fresh = not path.exists()
        try:
            if fresh:
                folder.mkdir(parents=True, exist_ok=True)
                with urllib.request.urlopen(MIRROR + name, timeout=30) as answer:
                    temporary.write_bytes(answer.read())
            found = temporary if fresh else path
            if (fresh or name.startswith("train")) and _md5(found) != md5:
                raise ValueError(
                    f"{path} {'was fetched with' if fresh else 'has'} another checksum than the published "
                    f"file ({md5}); {'try again' if fresh else 'delete it, and it is fetched anew'}"
                )
            if fresh:
                temporary.replace(path)
        except OSError as error:
            raise ValueError(
                f"{name} can't be fetched from {MIRROR} ({error}); put {', '.join(MD5)} into {folder}, "
                "or set data.root=FOLDER to where they are"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


def files(root: Path) -> Files:
    """The pairs in a folder: `train` and `t10k`, as published, or one of any name. Raises ValueError."""
    if not root.is_dir():
        raise ValueError(f"data.root={root} is not a folder; set data.root=FOLDER to your IDX files")
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(root.iterdir(), reverse=True):  # so that x replaces x.gz
        if match := NAME.fullmatch(path.name):
            found.setdefault(match["stem"], {})[match["kind"][:6]] = path
    for stem, kinds in found.items():
        for kind, number in ("images", 3), ("labels", 1):
            if kind not in kinds:
                raise ValueError(f"{root} has no {stem}-{kind}-idx{number}-ubyte[.gz]; put it there")
    pairs = {stem: Pair(**kinds) for stem, kinds in found.items()}
    if set(pairs) == {"train", "t10k"}:
        return Files(pairs["train"], pairs["t10k"])
    if len(pairs) == 1:
        return Files(next(iter(pairs.values())), None)
    raise ValueError(
        f"data.root={root} has the IDX pairs {', '.join(sorted(pairs)) or '(none)'}, but must have train and "
        "t10k, or only one pair: NAME-images-idx3-ubyte[.gz] and NAME-labels-idx1-ubyte[.gz]"
    )


def load(source: str, root: Path | None) -> tuple[Array, Array]:
    """Images (N, H, W) and labels (N,), unsigned bytes: all that there are, but for test files.

    Raises ValueError with one line that names the file.
    """
    if root is None:
        return digits()
    train = files(root).train
    images, labels = idx.read_pair(*train)
    if len(images) < FEWEST:
        raise ValueError(f"{train.images} has {len(images)} images, but must have at least {FEWEST}")
    kinds = np.unique(labels)
    if kinds[-1] > len(kinds):
        raise ValueError(
            f"{train.labels} has labels up to {kinds[-1]}, but only {len(kinds)} different ones; "
            "labels must count from 0 without gaps"
        )
    return images, labels


def load_test(root: Path) -> tuple[Array, Array]:
    """Images and labels, as `load` gives them, of the test files of a folder with two pairs.

    Raises ValueError.
    """
    test = files(root).test
    if test is None:
        raise ValueError(f"{root} has no t10k files any more; put them back")
    return idx.read_pair(*test)


def digits() -> tuple[Array, Array]:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn, as `load` gives them."""
    # Its `load_digits` reads this file too, but to import it takes two seconds in each process.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("data=digits needs scikit-learn; install it, or set data.root=FOLDER")
    table = np.loadtxt(
        Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz", delimiter=","
    )
    images = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    return images, table[:, -1].astype(np.uint8)


def _content(found: Files) -> str:
    """A name for the images: equal for equal training files and, unopened, test files of equal size."""
    digest = hashlib.sha256(FORMAT.encode())
    for path in found.train:
        digest.update(path.read_bytes())
    for path in found.test or ():
        digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()[:32]


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
