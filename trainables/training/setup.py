"""Settings of all trials of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spaces.metrics import measured_names
from spaces.project import Project


@dataclass(frozen=True)
class Setup:
    """Settings of all trials of a run. Raises ValueError for an unknown measured metric."""

    trainable: str  # package.module:Class of the LightningModule, or of a function that makes it
    data: str | None  # likewise of the LightningDataModule; None: the module has loaders of its own
    options: Mapping[str, Any]  # arguments of module and data that no trial varies: source, image_size ...
    seed: int  # of the run: splits, and batches without a batch_seed
    epochs: int  # at the last rung; schedules span them
    objective: str  # metric whose best value confirmed trials keep their weights for
    mode: str = "min"  # or max: whether lower or higher objectives are better
    trainer: Mapping[str, Any] = field(default_factory=dict)  # arguments of the Trainer: trainer_options.py
    batch_seed: int | None = None  # of the order of batches and of augmentation
    mixed_precision: bool = True  # False: float32 even for learners that train in mixed precision
    batched: bool | None = None  # whether lanes of equal shapes train as one model; None: if that is faster
    pack_memory: int | None = None  # bytes for a pack; None: half of the free memory
    deterministic: bool = False  # True: equal jobs give equal results, whatever else the machine does
    pictures: str | None = None  # folder for what modules log as pictures; None: nothing of it is kept
    trusts: bool = False  # whether checkpoints may hold pickled objects
    project: Project | None = None  # whose configuration makes module and data
    devices: int = 1  # of a trial; more than one: a process each, for modules that are no Learner
    further_metrics: tuple[str, ...] = ()  # that rank trials too; those of spaces/metrics.py are measured
    # By parameter: the values that its labels stand for in `Lane.params`.
    option_values: Mapping[str, Mapping[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        measured_names(self.ranking)

    @property
    def ranking(self) -> tuple[str, ...]:
        """The metrics that rank trials, the objective first."""
        return (self.objective, *self.further_metrics)

    @property
    def measure(self) -> tuple[str, ...]:
        """The metrics that are measured."""
        return measured_names(self.ranking)
