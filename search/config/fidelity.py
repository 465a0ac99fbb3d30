"""What a rung gives more of: epochs always, and the size of images where the run says so.

With `fidelity=[epochs,image_size]` the last rung trains at the full size and each rung below at 1/sqrt(2) of
the one above it, which halves the pixels. Values are compared within a rung only, so that is fair; whether
low rungs still foretell high ones is what `benchmarks/fidelity.py` checks and each report shows.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

MULTIPLE = 16  # of pixels
SMALLEST = 32


def checked(fidelity: Any, options: Mapping[str, Any]) -> tuple[str, ...]:
    """`fidelity` as the run's configuration has it. Raises ValueError."""
    names = list(fidelity) if isinstance(fidelity, list | tuple) else [fidelity]
    sizes = [name for name in names if name != "epochs"]
    if names[:1] != ["epochs"] or any(type(options.get(name)) is not int for name in sizes):
        able = ", ".join(name for name, value in options.items() if type(value) is int and "size" in name)
        raise ValueError(
            f"fidelity is {names}, but must be [epochs] or [epochs,SIZE] with a size that the data has "
            f"({able or 'this space has none'}) (fidelity=...)"
        )
    return tuple(names)


def stages(
    fidelity: Sequence[str], rungs: Sequence[int], options: Mapping[str, Any]
) -> dict[int, dict[str, int]]:
    """The data's options that differ from rung to rung: {epochs of the rung: {"image_size": pixels}}."""
    last = len(rungs) - 1
    return {
        epochs: {name: smaller(options[name], last - rung) for name in fidelity if name != "epochs"}
        for rung, epochs in enumerate(rungs)
    }


def smaller(size: int, below: int) -> int:
    """`size` as it is `below` rungs under the last: a multiple of 16, not under 32 and not over `size`."""
    if not below:
        return size
    return min(size, max(SMALLEST, round(size / sqrt(2) ** below / MULTIPLE) * MULTIPLE))
