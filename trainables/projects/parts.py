"""Parts: the objects that a project's configuration describes."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning as L


@dataclass(frozen=True)
class Parts:
    """A module, its data (None: the module has loaders of its own), and arguments of the Trainer."""

    module: L.LightningModule
    data: L.LightningDataModule | None
    trainer: Mapping[str, Any] = field(default_factory=dict)
    data_key: Hashable | None = None  # equal for lanes that get the same data; None: no other lane gets it


@dataclass(frozen=True)
class Seeds:
    """Seeds for the random generators: `module` before the module is made, `data` before its data is."""

    module: int
    data: int
