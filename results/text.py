"""How numbers and times are written for people."""

import math
from typing import Any

from results.stats import Estimate


def number(value: float) -> str:
    """Four digits are as many as a noisy metric has."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def rounded(value: float, give: float | None) -> str:
    """A value that may as well be `give` more or less: with the first two digits of that, and no more."""
    if not give or not math.isfinite(give):
        return number(value)
    return f"{value:,.{max(0, 1 - math.floor(math.log10(give)))}f}"


def half(of: Estimate) -> float | None:
    """Half the interval, which is symmetric; None where there is none."""
    return None if of.high is None else of.high - of.mean


def mean(of: Estimate) -> str:
    """The mean of an estimate, with the digits that its interval leaves it."""
    return rounded(of.mean, half(of))


def interval(of: Estimate) -> str:
    """`0.9594 to 0.9650`; nothing where there is none."""
    if of.low is None or of.high is None:
        return ""
    return f"{rounded(of.low, half(of))} to {rounded(of.high, half(of))}"


def score(of: Estimate) -> str:
    """`0.962 (0.959 to 0.965)`; the mean alone where there is no interval."""
    return mean(of) + (f" ({interval(of)})" if of.low is not None else "")


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
