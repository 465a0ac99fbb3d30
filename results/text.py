"""How numbers and times are written for people."""

from typing import Any


def number(value: float) -> str:
    """Four digits are as many as a noisy metric has."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def spell(seconds: float) -> str:
    """A length of time with its unit, for a sentence: `41 s`, `3.2 min`, `1.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def plain(value: Any) -> str:
    """A value of any kind, for people."""
    return number(value) if isinstance(value, float) else str(value)
