"""train(...): trains the lanes of one job and yields their metrics once an epoch.

All arguments are plain values, so that any process on any machine can be handed a job. Lightning drives;
it runs in a thread of its own, because it calls back once an epoch where the engines want to iterate.
"""

import logging
import queue
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from trainables import byname, checkpoint
from trainables.batches import seeded
from trainables.learner import Learner
from trainables.memory import keep_memory


@dataclass(frozen=True)
class Setup:
    """What is the same for every trial of a run."""

    trainable: str  # package.module:Class of the LightningModule
    data: str  # package.module:Class of the LightningDataModule
    options: Mapping[str, Any]  # the data's options (source, root, image_size ...)
    seed: int  # of the run: splits, batches, augmentation
    epochs: int  # the last rung: what schedules are laid out over
    objective: str  # the metric that must be finite


@dataclass(frozen=True)
class Lane:
    """One trial's part of a job. `start` is the checkpoint to go on from, None to begin."""

    number: int
    params: Mapping[str, Any]
    seed: int
    start: str | None = None


@dataclass(frozen=True)
class Epoch:
    """What an epoch brought: `metrics[number]` of each lane; `diverged` are the lanes that ended by it."""

    epoch: int  # epochs finished, counted from 1
    seconds: float
    metrics: Mapping[int, Mapping[str, float]]
    diverged: frozenset[int] = field(default_factory=frozenset)


def train(setup: Setup, lanes: list[Lane], first: int, last: int, out: str) -> Iterator[Epoch]:
    """Trains `lanes` from `first` epochs done to `last`, yields an Epoch each, and writes checkpoint `out`.

    A lane whose training loss or objective is not finite is reported as diverged and ends; a job whose
    lanes have all diverged ends early and writes no checkpoint. Raises what the module raises.
    """
    (lane,) = lanes
    keep_memory()
    learner, data = build(setup, lane)
    reports: queue.Queue[Epoch | BaseException | None] = queue.Queue()
    reporter = Reporter(setup, lane, last, Path(out), reports)
    trainer = make_trainer(learner, last, reporter)
    # Training goes on where the rung ended: epoch 4 has the rates and the batches of epoch 4.
    trainer.fit_loop.epoch_progress.current.processed = first  # type: ignore[attr-defined]
    trainer.fit_loop.epoch_progress.current.completed = first

    def fit() -> None:
        try:
            trainer.fit(learner, datamodule=data)
            reports.put(None)
        except BaseException as error:  # it is raised again in the thread that iterates
            reports.put(error)

    thread = threading.Thread(target=fit, name="fit", daemon=True)
    thread.start()
    try:
        while (report := reports.get()) is not None:
            if isinstance(report, BaseException):
                raise report
            yield report
    finally:
        trainer.should_stop = True
        thread.join()


def build(setup: Setup, lane: Lane) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The lane's module and data: each `__init__` gets, by name, what the trial, the run and the data say."""
    values = {**setup.options, **lane.params, "epochs": setup.epochs}
    data = byname.build(byname.load(setup.data), {**values, "seed": setup.seed})
    facts = data.facts() if hasattr(data, "facts") else {}
    torch.manual_seed(lane.seed)
    learner = byname.build(byname.load(setup.trainable), {**values, **facts, "seed": lane.seed})
    return learner, data


def make_trainer(learner: L.LightningModule, last: int, reporter: "Reporter") -> L.Trainer:
    """A Lightning Trainer that trains to epoch `last` and does nothing that was not asked for."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # These speak of loader workers and of logging, which are ours to choose.
    warnings.filterwarnings("ignore", module="lightning.pytorch.*")
    mixed = isinstance(learner, Learner) and learner.mixed_precision and has_bf16()
    if isinstance(learner, Learner) and learner.channels_last:
        learner.to(memory_format=torch.channels_last)
    return L.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if mixed else "32-true",
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
    """Puts the metrics of each epoch on a queue and writes the checkpoint at the end.

    It is a Checkpoint because Lightning calls those last, when all metrics of the epoch are in.
    """

    def __init__(self, setup: Setup, lane: Lane, last: int, out: Path, reports: "queue.Queue[Any]") -> None:
        self.setup_, self.lane, self.last, self.out, self.reports = setup, lane, last, out, reports
        self.began = time.perf_counter()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.lane.start:
            checkpoint.restore(
                pl_module, trainer.optimizers[0], checkpoint.load(Path(self.lane.start), self.lane.number)
            )

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Dropout draws from the global generator: the same numbers with and without a pause at a rung.
        torch.manual_seed(seeded(self.lane.seed, trainer.current_epoch).initial_seed())

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        objective = metrics.get(self.setup_.objective)
        if objective is None:
            raise ValueError(
                f"the objective {self.setup_.objective!r} was not logged; "
                f"logged were: {', '.join(sorted(metrics))} (objective.metric in the space file)"
            )
        metrics["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        diverged = not all(
            torch.isfinite(torch.tensor(metrics.get(name, 0.0)))
            for name in ("train/loss", self.setup_.objective)
        )
        trainer.should_stop = trainer.should_stop or diverged
        done = trainer.current_epoch + 1
        if done == self.last and not diverged:
            checkpoint.save(self.out, {self.lane.number: checkpoint.state(pl_module, trainer.optimizers[0])})
        now = time.perf_counter()
        self.reports.put(
            Epoch(
                epoch=done,
                seconds=now - self.began,
                metrics={self.lane.number: metrics},
                diverged=frozenset({self.lane.number} if diverged else ()),
            )
        )
        self.began = now
