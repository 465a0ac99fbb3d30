"""Reads and writes a run's tables; starts nothing."""

from results.store import Run, open_run

__all__ = ["Run", "open_run"]
