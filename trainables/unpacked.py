"""Bounds for packed files: a few megabytes may stand for more than the memory of the machine."""

SMALL = 2**28  # bytes that any file may unpack to
MAX_RATIO = 100  # of larger ones; images and volumes of tissue are packed 2 to 20 times


def check_ratio(promised: int, packed: int) -> None:
    """Raises ValueError if a file of `packed` bytes promises, in its header, more than it should hold."""
    if promised > max(SMALL, MAX_RATIO * packed):
        raise ValueError(
            f"its {packed:,} bytes promise to unpack to {promised:,}, over {MAX_RATIO} times as many; "
            "if that is right, unpack it"
        )
