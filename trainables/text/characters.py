"""Characters as numbers."""

from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.int64]]
UNKNOWN = "\ufffd"  # stands for each character that the training windows do not have; its number is 0


def vocabulary(text: str) -> str:
    """UNKNOWN, and the characters of the text in order; the number of a character is its place."""
    return UNKNOWN + "".join(sorted(set(text) - {UNKNOWN}))


def encode(text: str, vocabulary: str) -> Numbers:
    """The numbers of the characters of a text, (len(text),)."""
    known, values = code_points(vocabulary[1:]), code_points(text)
    places = np.searchsorted(known, values).clip(max=len(known) - 1)
    return np.where(known[places] == values, places + 1, 0)


def code_points(text: str) -> Numbers:
    """The Unicode code points of a text, (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
