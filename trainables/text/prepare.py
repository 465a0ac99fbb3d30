"""The text of a search, and its checks before a run begins. Imports NumPy, not PyTorch."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np

from spaces.validation import PositiveInt, check_value

CONTEXT = 64  # characters of a window, by default
FORMAT = "text-1"  # increment when the same text would give other splits
SPLITS = {"train": 40, "val": 5, "test": 5}  # pieces of the text
LICENCE = "PSF License Version 2 (the Python language reference)"


def prepare(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the data options and the text before a run begins.

    Returns the absolute `root` if there is one, and `content`, a string that changes with the text. Raises
    ValueError as `read` and `check_options` do, and for a text with fewer characters than the context needs.
    """
    check_options(options)
    root = options.get("root")
    text, path = read(root), Path(root).expanduser().resolve() if root else None
    need = sum(SPLITS.values()) * (options.get("context", CONTEXT) + 1)  # a window in each piece
    if len(text) < need:
        raise ValueError(f"the text has {len(text)} characters, but must have {need} (data.root=, context=)")
    digest = hashlib.sha256(f"{FORMAT}{text}".encode()).hexdigest()
    return {"content": digest[:32]} | ({"root": str(path)} if path else {})


def check_options(options: Mapping[str, Any]) -> None:
    """Raises ValueError for a number of windows or a `context` that is no integer above 0."""
    for name in SPLITS:
        check_value(PositiveInt, f"data.{name}", options.get(name, 1))
    check_value(PositiveInt, "context", options.get("context", 1))


def read(root: str | None) -> str:
    """The text in a file, or Python's language reference. Raises ValueError as `read_file`."""
    return language_reference() if root is None else read_file(Path(root).expanduser())


def read_file(path: Path) -> str:
    """The text in a file. Raises ValueError if it is missing, can't be read, or is no text in UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path} can't be read: {reason}; give a file of text in UTF-8") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8: {error.reason} at byte {error.start}; convert it, or give another"
        ) from error


def language_reference() -> str:
    """Python's language reference as `help()` shows it, without repeated paragraphs.

    Many topics contain paragraphs of others. A paragraph that is in two splits would be learned by heart.
    """
    paragraphs = "\n\n".join(topics[name] for name in sorted(topics)).split("\n\n")
    return "\n\n".join(dict.fromkeys(paragraphs))


def split(text: str, seed: int) -> dict[str, str]:
    """The text in pieces of equal length, each at random in one split: 80 % train, 10 % val, 10 % test."""
    count = sum(SPLITS.values())
    bounds = np.linspace(0, len(text), count + 1).astype(int)
    order = np.random.default_rng(seed).permutation(count)
    parts = np.split(order, np.cumsum(list(SPLITS.values()))[:-1])
    return {
        name: "".join(text[bounds[piece] : bounds[piece + 1]] for piece in sorted(part))
        for name, part in zip(SPLITS, parts, strict=True)
    }
