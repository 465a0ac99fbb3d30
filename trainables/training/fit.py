"""Lightning drives: it trains in a thread of its own and what each epoch brought is iterated over.

Lightning calls back once an epoch where the engines want to iterate; the thread turns one into the other.
"""

import logging
import os
import queue
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

from trainables.training import checkpoint

# Lightning has PyTorch look for GPUs by loading NVML anew each time, which the optimizer does each step.
# That is for processes that fork after looking; these don't.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"

Metrics = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Epoch:
    """What an epoch brought: `metrics[number]` of each lane; `diverged` are the lanes that ended by it.

    `best[number]` is each lane's best epoch so far, where that is what is kept; `note` says why lanes of
    one job were not trained side by side.
    """

    epoch: int  # epochs finished, counted from 1
    seconds: float
    metrics: Metrics
    diverged: frozenset[int] = field(default_factory=frozenset)
    best: Mapping[int, int] = field(default_factory=dict)
    note: str | None = None


class Fit(ABC):
    """Lanes as one thing that Lightning trains: a module alone (solo.py), or a pack (lanes.py)."""

    module: L.LightningModule
    data: L.LightningDataModule | None
    mixed_precision: bool
    numbers: tuple[int, ...]  # of the lanes
    settings: Mapping[str, Any] = MappingProxyType({})  # of the Trainer, beside those that all have
    start: str | None = None  # the checkpoint that Lightning itself restores
    ended: Metrics | None = None  # the last metrics, if a module has ended its training before the rung

    @abstractmethod
    def restore(self, trainer: L.Trainer) -> None:
        """Puts each lane where its checkpoint left it; all is built and on its device."""

    @abstractmethod
    def seed(self, epoch: int) -> None:
        """Seeds what training draws in an epoch (dropout), so that a pause changes nothing."""

    @abstractmethod
    def measured(self, trainer: L.Trainer) -> Metrics:
        """The metrics of each lane for the epoch that has just ended."""

    @abstractmethod
    def drop(self, numbers: frozenset[int]) -> None:
        """These lanes have diverged: they train no more."""

    @abstractmethod
    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        """What each lane that is left needs to go on from here."""


def drive(
    fit: Fit, objective: str, first: int, last: int, out: Path | None, best: str | None = None
) -> Iterator[Epoch]:
    """Trains from `first` epochs done to `last`, yields each Epoch, writes checkpoint `out`, if one is named.

    With `best` (min or max) the checkpoint holds each lane's weights of its best epoch.
    Where a module ends its own training (early stopping), its last metrics stand for the rest.
    A lane whose training loss or `objective` is not finite has diverged; when all have, training ends and
    there is no checkpoint. Raises what the module raises, and ValueError if `objective` is not logged.
    """
    done, kept = first, {}  # type: int, Mapping[int, int]
    if fit.ended is None:
        for epoch in trained(fit, objective, first, last, out, best):
            done, kept = epoch.epoch, epoch.best
            yield epoch
    elif fit.start and out:
        checkpoint.save(out, {number: checkpoint.lane(Path(fit.start), number) for number in fit.numbers})
    if fit.ended is not None:
        for number in range(done, last):
            yield Epoch(number + 1, 0.0, fit.ended, best=kept)


def trained(
    fit: Fit, objective: str, first: int, last: int, out: Path | None, best: str | None
) -> Iterator[Epoch]:
    """The epochs that are trained; see `drive`."""
    reports: queue.Queue[Epoch | BaseException | None] = queue.Queue()
    reporter = EpochReporter(fit, objective, last, reports, best)
    keeper = Keeper(fit, reporter, out)
    settings = {"max_epochs": last, **fit.settings, "callbacks": [keeper, reporter]}
    trainer = make_trainer(fit.mixed_precision, **settings)
    # Training goes on where the rung ended: epoch 4 has the rates and the batches of epoch 4.
    trainer.fit_loop.epoch_progress.current.processed = first  # type: ignore[attr-defined]
    trainer.fit_loop.epoch_progress.current.completed = first

    def train() -> None:
        # AdamW's moments of inputs that are seldom on decay to numbers that processors are slow with.
        torch.set_flush_denormal(True)
        try:
            trainer.fit(fit.module, datamodule=fit.data, ckpt_path=fit.start)
            reports.put(None)
        except BaseException as error:  # it is raised again in the thread that iterates
            reports.put(error)

    thread = threading.Thread(target=train, name="fit", daemon=True)
    thread.start()
    at_the_rung: list[Epoch] = []
    try:
        while (report := reports.get()) is not None:
            if isinstance(report, BaseException):
                raise report
            if report.epoch < last:
                yield report
            else:
                at_the_rung = [report]  # told when the checkpoint is there
        yield from at_the_rung
    finally:
        keeper.wanted = False
        trainer.should_stop = True
        thread.join()


def make_trainer(mixed_precision: bool, **settings: Any) -> L.Trainer:
    """A Lightning Trainer on this device that does nothing that was not asked for."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # These speak of loader workers and of logging, which are ours to choose.
    warnings.filterwarnings("ignore", module="lightning.*")
    return L.Trainer(
        accelerator="auto",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **{"precision": precision(mixed_precision), **settings},
    )


def precision(mixed: bool) -> Any:
    """Lightning's word for the precision to train in, where mixed precision pays (`mixed`) or does not."""
    return "bf16-mixed" if mixed and has_bf16() else "32-true"


def has_bf16() -> bool:
    """Whether the device multiplies bf16 in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class Keeper(Callback):
    """Restores and seeds before all other callbacks begin, and writes the checkpoint before they end."""

    def __init__(self, fit: Fit, reporter: "EpochReporter", out: Path | None) -> None:
        self.fit_, self.reporter, self.out, self.wanted = fit, reporter, out, True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.fit_.restore(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.fit_.seed(trainer.current_epoch)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Not at the end of the epoch, for schedulers that watch a metric step after that.
        reporter = self.reporter
        if self.out is None or not (self.wanted and reporter.alive):
            return
        if trainer.current_epoch < reporter.last:
            self.fit_.ended = reporter.metrics
        checkpoint.save(self.out, reporter.best.states if reporter.best else self.fit_.states(trainer))


class EpochReporter(Checkpoint):
    """Puts each Epoch on a queue, and ends training at the rung.

    It is a Checkpoint because Lightning calls those last, when all metrics of the epoch are in.
    """

    def __init__(
        self,
        fit: Fit,
        objective: str,
        last: int,
        reports: "queue.Queue[Epoch | BaseException | None]",
        best: str | None,
    ) -> None:
        self.fit_, self.objective, self.last, self.reports = fit, objective, last, reports
        self.metrics: Metrics = {}  # of the last epoch
        self.began = time.perf_counter()
        self.alive = frozenset(fit.numbers)
        self.best = Best(objective, best) if best else None

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.metrics = metrics = self.fit_.measured(trainer)
        diverged = frozenset(number for number in metrics if not self.finite(metrics[number]))
        self.alive -= diverged
        self.fit_.drop(diverged)
        done = trainer.current_epoch + 1
        trainer.should_stop = trainer.should_stop or done == self.last or not self.alive
        if self.best and self.alive:
            self.best.see(done, metrics, self.fit_.states(trainer))
        best = {n: epoch for n, epoch in self.best.epochs.items() if n in self.alive} if self.best else {}
        now = time.perf_counter()
        self.reports.put(Epoch(done, now - self.began, metrics, diverged, best))
        self.began = now

    def finite(self, metrics: Mapping[str, float]) -> bool:
        if self.objective not in metrics:
            raise ValueError(
                f"the objective {self.objective!r} was not logged; logged were: "
                f"{', '.join(sorted(metrics))} (objective.metric in the space file)"
            )
        values = [metrics[self.objective], metrics.get("train/loss", 0.0)]
        return bool(torch.isfinite(torch.tensor(values)).all())


class Best:
    """Each lane's weights of the epoch whose objective was best, the first of equal ones."""

    def __init__(self, objective: str, mode: str) -> None:
        self.objective, self.sign = objective, 1 if mode == "min" else -1
        self.values: dict[int, float] = {}  # less is better
        self.epochs: dict[int, int] = {}
        self.states: dict[int, checkpoint.State] = {}

    def see(self, epoch: int, metrics: Metrics, states: Mapping[int, checkpoint.State]) -> None:
        """Takes in an epoch: the metrics and the state of each lane that is left."""
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
