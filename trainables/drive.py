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

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from trainables import checkpoint

# Lightning has PyTorch look for GPUs by loading NVML anew each time, which the optimizer does each step.
# That is for processes that fork after looking; these don't.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"

Metrics = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Epoch:
    """What an epoch brought: `metrics[number]` of each lane; `diverged` are the lanes that ended by it."""

    epoch: int  # epochs finished, counted from 1
    seconds: float
    metrics: Metrics
    diverged: frozenset[int] = field(default_factory=frozenset)


class Fit(ABC):
    """Lanes as one thing that Lightning trains: a module alone (train.py), or a pack (lanes.py)."""

    module: L.LightningModule
    data: L.LightningDataModule | None
    mixed_precision: bool
    numbers: tuple[int, ...]  # of the lanes

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


def drive(fit: Fit, objective: str, first: int, last: int, out: Path) -> Iterator[Epoch]:
    """Trains from `first` epochs done to `last`, yields each Epoch, writes checkpoint `out` at the end.

    A lane whose training loss or `objective` is not finite has diverged; when all have, training ends and
    there is no checkpoint. Raises what the module raises, and ValueError if `objective` is not logged.
    """
    reports: queue.Queue[Epoch | BaseException | None] = queue.Queue()
    trainer = make_trainer(fit, last, Reporter(fit, objective, last, out, reports))
    # Training goes on where the rung ended: epoch 4 has the rates and the batches of epoch 4.
    trainer.fit_loop.epoch_progress.current.processed = first  # type: ignore[attr-defined]
    trainer.fit_loop.epoch_progress.current.completed = first

    def train() -> None:
        try:
            trainer.fit(fit.module, datamodule=fit.data)
            reports.put(None)
        except BaseException as error:  # it is raised again in the thread that iterates
            reports.put(error)

    thread = threading.Thread(target=train, name="fit", daemon=True)
    thread.start()
    try:
        while (report := reports.get()) is not None:
            if isinstance(report, BaseException):
                raise report
            yield report
    finally:
        trainer.should_stop = True
        thread.join()


def make_trainer(fit: Fit, last: int, reporter: "Reporter") -> L.Trainer:
    """A Lightning Trainer that trains to epoch `last` and does nothing that was not asked for."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # These speak of loader workers and of logging, which are ours to choose.
    warnings.filterwarnings("ignore", module="lightning.*")
    return L.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if fit.mixed_precision and has_bf16() else "32-true",
        max_epochs=last,
        callbacks=[reporter],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def has_bf16() -> bool:
    """Whether the device multiplies bf16 in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class Reporter(Checkpoint):
    """Puts each Epoch on a queue and writes the checkpoint at the end.

    It is a Checkpoint because Lightning calls those last, when all metrics of the epoch are in.
    """

    def __init__(
        self,
        fit: Fit,
        objective: str,
        last: int,
        out: Path,
        reports: "queue.Queue[Epoch | BaseException | None]",
    ) -> None:
        self.fit_, self.objective, self.last, self.out, self.reports = fit, objective, last, out, reports
        self.began = time.perf_counter()
        self.alive = frozenset(fit.numbers)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.fit_.restore(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.fit_.seed(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        metrics = self.fit_.measured(trainer)
        diverged = frozenset(number for number in metrics if not self.finite(metrics[number]))
        self.alive -= diverged
        self.fit_.drop(diverged)
        done = trainer.current_epoch + 1
        trainer.should_stop = trainer.should_stop or not self.alive
        if done == self.last and self.alive:
            checkpoint.save(self.out, self.fit_.states(trainer))
        now = time.perf_counter()
        self.reports.put(Epoch(done, now - self.began, metrics, diverged))
        self.began = now

    def finite(self, metrics: Mapping[str, float]) -> bool:
        if self.objective not in metrics:
            raise ValueError(
                f"the objective {self.objective!r} was not logged; logged were: "
                f"{', '.join(sorted(metrics))} (objective.metric in the space file)"
            )
        values = [metrics[self.objective], metrics.get("train/loss", 0.0)]
        return bool(torch.isfinite(torch.tensor(values)).all())
