"""Predictor: applies trained learners to new inputs. A space names it; `python -m search predict` runs it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import lightning as L


class Predictor(ABC):
    """Predicts for the inputs at a path and writes the results to a folder.

    `members` are one or more trained learners in eval mode: an ensemble. `data` is the data that they were
    trained on. `options` are the options of `predict` with their defaults.
    """

    options: ClassVar[Mapping[str, Any]] = {}

    members: tuple[Any, ...]  # a predictor requires learners of its own class
    data: Any  # and data of its own class

    def __init__(self, members: Sequence[L.LightningModule], data: L.LightningDataModule) -> None:
        assert members, "a predictor has at least one member"
        self.members, self.data = tuple(members), data

    @abstractmethod
    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Predicts for all inputs at `source`, writes files to the folder `out`, returns a summary in lines.

        `options` has a value for every name in the class's `options`. Raises ValueError for a source that
        can't be read or an option that is out of range.
        """
