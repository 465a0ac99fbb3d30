"""The time after which a job without a further epoch hangs."""

from spaces.lane import Report

FACTOR = 10  # times the slowest epoch so far
MIN_SECONDS = 600.0


class Deadline:
    """`seconds` is the user's limit; None: ten times the slowest epoch so far, ten minutes at least."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.slowest: float | None = None

    def epoch(self, report: Report) -> None:
        """An epoch is done."""
        self.slowest = max(self.slowest or 0.0, report.seconds)

    def limit(self) -> float | None:
        """Seconds that a job may take to its next epoch; None before the first epoch of all."""
        if self.seconds is not None or self.slowest is None:
            return self.seconds
        return max(MIN_SECONDS, FACTOR * self.slowest)
