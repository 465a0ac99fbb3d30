"""Fidelity of each rung: epochs and, optionally, image size.

With `fidelity=[epochs,image_size]` the last rung trains at the full size, and each rung below it at 1/sqrt(2)
of the size of the next, which halves the pixels. The search compares values within a rung only.
Whether values of low rungs predict those of high rungs is shown in each report and measured by
`benchmarks/fidelity.py`.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

MULTIPLE = 16  # pixels
SMALLEST = 32  # pixels


def parse_fidelity(fidelity: Any, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The key `fidelity` as a tuple: "epochs", then the options of the data that are sizes.

    Raises ValueError if "epochs" is not first, or another name is not an integer option of the data.
    """
    names = list(fidelity) if isinstance(fidelity, list | tuple) else [fidelity]
    sizes = [name for name in names if name != "epochs"]
    if names[:1] != ["epochs"] or any(type(options.get(name)) is not int for name in sizes):
        known = ", ".join(name for name, value in options.items() if type(value) is int and "size" in name)
        raise ValueError(
            f"fidelity is {names}, but must be [epochs] or [epochs,SIZE] with a size that the data has "
            f"({known or 'this space has none'}) (fidelity=...)"
        )
    return tuple(names)


def rung_options(
    fidelity: Sequence[str], rungs: Sequence[int], options: Mapping[str, Any]
) -> tuple[dict[str, int], ...]:
    """The options of the data that differ between rungs, one dict for each of the `rungs`.

    For two rungs of the fidelity [epochs, image_size] and images of 48 pixels: {"image_size": 32} and
    {"image_size": 48}. For the fidelity [epochs] all dicts are empty.
    """
    sizes = [name for name in fidelity if name != "epochs"]
    return tuple(
        {name: smaller(options[name], below) for name in sizes} for below in reversed(range(len(rungs)))
    )


def smaller(size: int, below: int) -> int:
    """`size` in pixels, reduced for the rung `below` rungs under the last one.

    Reduced sizes are multiples of 16, at least 32 and at most `size`.
    """
    if not below:
        return size
    return min(size, max(SMALLEST, round(size / sqrt(2) ** below / MULTIPLE) * MULTIPLE))
