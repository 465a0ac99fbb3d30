"""What a trained model's output is turned into, apart from how the model learned: a learner never predicts.

A space's field `predictor` names a Predictor; `python -m search predict` is what runs it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import lightning as L


class Predictor(ABC):
    """Predicts what lies at a path and writes the results to a folder.

    `members` are one or more trained learners in eval mode: an ensemble. `data` is what they were trained
    on. `options` are the names that `predict` takes, with their defaults.
    """

    options: ClassVar[Mapping[str, Any]] = {}

    members: tuple[Any, ...]  # each predictor knows the class of its learners
    data: Any  # and that of their data

    def __init__(self, members: Sequence[L.LightningModule], data: L.LightningDataModule) -> None:
        assert members, "a predictor has at least one member"
        self.members, self.data = tuple(members), data

    @abstractmethod
    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Predicts all inputs at `source`, writes files into the folder `out`, returns lines to say.

        `options` holds a value for every name in the class's `options`. Raises ValueError with one line
        for a source that can't be used.
        """
