"""The history of a search: its trials as samplers, models and policies see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Observation:
    """A trial and its results so far."""

    params: Mapping[str, Any]
    values: tuple[float, ...] = ()  # at each finished rung; lower is better, infinite if it diverged
    vectors: tuple[tuple[float, ...], ...] = ()  # the same for several metrics (ranking.py), else empty
    busy: bool = False  # whether it is being trained
    failed: bool = False  # whether its training raised; it has no further values
    order: tuple[int, ...] = ()  # of each value among all values of the search; empty: of an earlier search

    @property
    def diverged(self) -> bool:
        """Whether its last value is infinite."""
        return bool(self.values) and self.values[-1] == float("inf")
