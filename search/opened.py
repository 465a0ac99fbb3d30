"""SearchRun: a run as a Python program sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    import lightning as L
    import pyarrow as pa

    from results.stats import Confirmation
    from results.store import Run


@final
@dataclass(frozen=True)
class Best:
    """The trial to use: the confirmed winner, else the best trial of the search."""

    trial: int | None  # None: the default configuration, which was no trial
    params: Mapping[str, Any]
    value: float | None  # the objective in the search
    epochs: int | None


@final
@dataclass(frozen=True)
class SearchRun:
    """A run and its folder. What it says is read from the folder each time, so it may still be running."""

    folder: Path

    @property
    def tables(self) -> "Run":
        """All tables of the run. Raises ValueError if a file of it is damaged."""
        from search.runs.find import open_whole

        return open_whole(self.folder)

    @property
    def status(self) -> str:
        """`running`, `finished`, `interrupted` or `failed` (no trial has a value)."""
        return self.tables.status

    @property
    def mistake(self) -> str | None:
        """The mistake in the space for which no trial could have a value; None if there is none."""
        from spaces.lane import is_space_error

        if self.status != "failed":
            return None
        errors = [error for error in self.trials["error"].to_pylist() if is_space_error(error)]
        return errors[0].partition(": ")[2] if errors else None

    @property
    def trials(self) -> "pa.Table":
        """One row per trial; `run.trials.to_pandas()`."""
        return self.tables.trials

    @property
    def epochs(self) -> "pa.Table":
        """One row per trial and epoch, with all metrics."""
        return self.tables.epochs

    @property
    def best(self) -> Best:
        """The trial to use. Raises ValueError if no trial has a value."""
        run = self.tables
        row = run.winner()
        if row is None:
            raise ValueError(f"no trial of {self.folder} has a value; see run.trials['error']")
        return Best(row["trial"], run.params(row), row["objective"], row["epochs"])

    @property
    def confirmation(self) -> "Confirmation | None":
        """The statistics of the confirmation; None before there is one."""
        return self.tables.confirmation

    def load(self) -> "L.LightningModule":
        """The best model with its weights, in eval mode, on the CPU.

        Raises ValueError if the run keeps no model, or its class is not there or has changed.
        """
        from search.after.models import best_model, load

        return load(best_model(self.tables))[0]

    def export(self, *, onnx: bool = False) -> Path:
        """Writes the best model to the folder `best/` of the run, and returns that. Raises as `load` does."""
        from search.after.export import export

        return export(self.tables, onnx=onnx)

    def report(self) -> Path:
        """Writes the report, one HTML file, and returns its path."""
        from search.after.report import make

        return make(self.tables)

    def __str__(self) -> str:
        return f"{self.folder.name}: {self.status}, {self.trials.num_rows} trials"
