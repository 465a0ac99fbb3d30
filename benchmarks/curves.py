"""Tasks that are tables of learning curves."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, final

import numpy as np

from benchmarks.tasks import Task
from search.replay.curves import CurveTable
from search.replay.training import Answer
from spaces.space import Space


@final
class TableTask(Task):
    """Configurations of a space with the learning curve of each: the arguments of `CurveTable`.

    A full training takes the mean time of the configurations that do not diverge.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        configurations: Sequence[Mapping[str, Any]],
        curves: np.ndarray,
        seconds: np.ndarray,
    ) -> None:
        self.table = CurveTable(space, configurations, curves, seconds)
        losses = self.table.losses
        finite = np.isfinite(losses)
        super().__init__(
            name,
            space,
            epochs=curves.shape[1],
            trials=len(configurations),
            seconds=float(seconds[finite].sum(axis=1).mean()) if finite.any() else inf,
            best=float(losses.min()),
            median=float(np.sort(losses)[len(losses) // 2]),  # the upper one of two
        )

    def answers(self) -> Answer:
        return self.table.answers()


def load_files(folder: Path, read: Callable[[Path], TableTask]) -> list[TableTask]:
    """The tasks in the Parquet files of `folder`, by name. Raises ValueError if there is no such file."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ValueError(f"{folder} holds no Parquet file, but must hold one per task (KIND=FOLDER)")
    return [read(file) for file in files]
