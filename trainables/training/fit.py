"""Fit: the lanes of a job, or a part of them, as one training by Lightning."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import lightning as L

from trainables.training import checkpoint

Metrics = Mapping[int, Mapping[str, float]]  # of each lane, by trial number


class Fit(ABC):
    """The module and the data of one `Trainer.fit`, and the access to its lanes.

    `SingleFit` (single.py) is one LightningModule of any author, `PackFit` (pack.py) a pack of learners.
    """

    module: L.LightningModule
    data: L.LightningDataModule | None
    mixed_precision: bool
    numbers: tuple[int, ...]  # trial numbers of the lanes
    trainer_options: Mapping[str, Any] = MappingProxyType({})  # of the Trainer, besides make_trainer's
    callbacks: Sequence[L.Callback] = ()  # that observe the training
    start: str | None = None  # checkpoint that Lightning itself restores
    writes: bool = True  # the checkpoint; False in all of several processes but one
    final_metrics: Metrics | None = None  # of a module that ended its training before the rung

    @contextmanager
    def restored_file(self, trainer: L.Trainer) -> Iterator[str | None]:
        """The file that Lightning itself restores in the block; None if it restores nothing."""
        yield self.start

    @abstractmethod
    def seed(self, epoch: int) -> None:
        """Seeds the random numbers of an epoch (dropout), counted from 0, so that a pause changes nothing."""

    @abstractmethod
    def epoch_metrics(self, trainer: L.Trainer) -> Metrics:
        """The metrics of each lane in the epoch that has just ended."""

    @abstractmethod
    def measured(self, trainer: L.Trainer) -> Metrics:
        """The measured metrics of each lane (measure.py). Called once, when the first epoch has ended.

        Raises ValueError for a metric that can't be measured.
        """

    @abstractmethod
    def drop(self, diverged: frozenset[int], metrics: Metrics) -> bool:
        """Stops training the lanes that have diverged or, with these metrics, ended their own training.

        Called at the end of an epoch. Returns whether a lane still trains.
        """

    @abstractmethod
    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        """The state of each lane that still trains, as a later job needs it to continue.

        Of several processes all must call it, and only the one that `writes` gets states.
        """
