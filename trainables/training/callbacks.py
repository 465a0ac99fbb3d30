"""Callbacks between Lightning and a Fit: seed and save lanes, report epochs, keep the best weights."""

import math
import queue
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import lightning as L
from lightning.pytorch.callbacks import Callback, Checkpoint

from spaces.lane import Report, SpaceError
from trainables.training import checkpoint
from trainables.training.fit import Fit, Metrics

Reports = queue.Queue[Report | BaseException | None]  # None: training has ended


@final
class LaneCheckpointing(Callback):
    """Seeds the lanes of a Fit, and writes its checkpoint `out` when training ends.

    It must be the first callback: others may draw random numbers.
    """

    def __init__(self, fit: Fit, reporter: "EpochReporter", out: Path | None) -> None:
        self.fit, self.reporter, self.out = fit, reporter, out
        self.enabled = True  # False: training was abandoned, so nothing is written

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.fit.seed(trainer.current_epoch)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Not in on_train_epoch_end: schedulers that monitor a metric step after it.
        reporter = self.reporter
        if not (self.enabled and reporter.alive):
            return
        if reporter.ended or trainer.current_epoch < reporter.last:
            self.fit.final_metrics = reporter.metrics
        if self.out is None:
            return
        states = reporter.best.states if reporter.best else self.fit.states(trainer)
        if self.fit.writes:
            checkpoint.save(self.out, states)


@final
class EpochReporter(Checkpoint):
    """Puts a Report of each epoch on a queue, and ends training after epoch `last`.

    It is a Checkpoint because Lightning calls those last, when all metrics of the epoch are logged.
    """

    def __init__(
        self, fit: Fit, ranking: Sequence[str], last: int, reports: Reports, best: str | None
    ) -> None:
        self.fit, self.ranking, self.last, self.reports = fit, ranking, last, reports
        self.metrics: Metrics = {}  # of the last epoch
        self.measured: Metrics = {}  # of every epoch
        self.ended = False  # whether the training has ended itself, before epoch `last` or with it
        self.began = time.perf_counter()
        self.alive = frozenset(fit.numbers)  # lanes that have not diverged
        self.best = BestWeights(ranking[0], best) if best else None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self.measured:
            began = time.perf_counter()
            self.measured = self.fit.measured(trainer)
            self.began += time.perf_counter() - began  # measuring is no training time
        metrics = {
            number: {**logged, **self.measured[number]}
            for number, logged in self.fit.epoch_metrics(trainer).items()
        }
        diverged = frozenset(number for number in metrics if not self.finite(metrics[number]))
        self.alive -= diverged
        self.metrics = {number: of_lane for number, of_lane in metrics.items() if number in self.alive}
        trains = self.fit.drop(diverged, metrics)
        epoch = trainer.current_epoch + 1
        self.ended = bool(self.alive) and (trainer.should_stop or not trains)
        trainer.should_stop = self.ended or epoch == self.last or not self.alive
        if self.best and self.alive:
            self.best.update(epoch, metrics, self.fit.states(trainer))
        best = {n: epoch for n, epoch in self.best.epochs.items() if n in self.alive} if self.best else {}
        now = time.perf_counter()
        self.reports.put(Report(epoch, now - self.began, metrics, diverged, best))
        self.began = now

    def finite(self, metrics: Mapping[str, float]) -> bool:
        """Whether the ranking metrics and the training loss are finite.

        Raises SpaceError for a ranking metric that was not logged.
        """
        for name in self.ranking:
            if name not in metrics:
                raise SpaceError(
                    f"the metric {name!r}, which ranks trials, was not logged; logged were: "
                    f"{', '.join(sorted(metrics))} (objective and constraint in the space file)"
                )
        values = [*(metrics[name] for name in self.ranking), metrics.get("train/loss", 0.0)]
        return all(map(math.isfinite, values))


@final
class BestWeights:
    """Weights of each lane at its best objective; the first of equal ones. `mode` is min or max."""

    def __init__(self, objective: str, mode: str) -> None:
        self.objective, self.sign = objective, 1 if mode == "min" else -1
        self.values: dict[int, float] = {}  # objective times sign: lower is better
        self.epochs: dict[int, int] = {}
        self.states: dict[int, checkpoint.State] = {}

    def update(self, epoch: int, metrics: Metrics, states: Mapping[int, checkpoint.State]) -> None:
        """Compares an epoch, given the metrics and the state of each lane that still trains."""
        for number in self.states.keys() - states.keys():
            del self.states[number], self.epochs[number]  # it has diverged
        for number, state in states.items():
            value = self.sign * metrics[number][self.objective]
            if number not in self.epochs or value < self.values[number]:
                self.values[number], self.epochs[number] = value, epoch
                self.states[number] = {
                    name: tensor.detach().to("cpu", copy=True)
                    for name, tensor in state.items()
                    if name.startswith("model/")
                }
