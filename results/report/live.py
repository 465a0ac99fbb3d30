"""What the live report says of a search beside the report itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final


@final
@dataclass(frozen=True)
class Live:
    """The state of a search when its live report was made."""

    version: str  # another one once the files of the run have changed
    running: bool
    planned: int | None  # trials; None without a limit
    training: Sequence[int]  # trials in running jobs
    changed: float  # the time of the last change, in seconds since 1970
    optuna: str  # the address of optuna-dashboard; empty without it

    @property
    def changed_at(self) -> str:
        """The time of the last change on the clock of this machine."""
        return f"{datetime.fromtimestamp(self.changed):%Y-%m-%d %H:%M:%S}"
