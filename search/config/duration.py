"""Durations as people write them: a number of seconds, or hours, minutes and seconds with their units."""

import re
from typing import Any

SECONDS = {"h": 3600, "m": 60, "s": 1}
NUMBER = r"(\d+(?:\.\d+)?)"
PATTERN = re.compile("".join(f"(?:{NUMBER}{unit})?" for unit in SECONDS))


def seconds(value: Any) -> float:
    """`value` in seconds: 90, or text such as `90s`, `30m`, `2h`, `1h30m` or `1.5h`.

    Raises ValueError for anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = PATTERN.fullmatch(value) if isinstance(value, str) else None
    if not value or match is None:
        raise ValueError(f"{value!r} is no duration")
    return sum(float(part or 0) * size for part, size in zip(match.groups(), SECONDS.values(), strict=True))
