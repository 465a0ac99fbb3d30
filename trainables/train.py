"""train(...): trains the lanes of one job and yields their metrics once an epoch.

All arguments are plain values, so that any process on any machine can be handed a job.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import psutil
import torch

from trainables import byname, checkpoint
from trainables.batches import seeded
from trainables.drive import Epoch, Fit, Metrics, drive
from trainables.lanes import Pack, PackFit
from trainables.learner import Learner
from trainables.memory import free_memory, keep_memory

logger = logging.getLogger(__name__)


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


def train(setup: Setup, lanes: list[Lane], first: int, last: int, out: str) -> Iterator[Epoch]:
    """Trains `lanes` from `first` epochs done to `last`, yields an Epoch each, and writes checkpoint `out`.

    A lane whose training loss or objective is not finite is reported as diverged and ends; a job whose
    lanes have all diverged ends early and writes no checkpoint. Lanes that can't be trained side by side
    are trained one part after the other, and reported together. Raises what the module raises.
    """
    keep_memory()
    free_memory()
    size = side_by_side(setup, lanes)
    parts = [lanes[start : start + size] for start in range(0, len(lanes), size)]
    if len(parts) == 1:
        yield from drive(make_fit(setup, lanes), setup.objective, first, last, Path(out))
        return
    files = [Path(f"{out}.part{number}") for number in range(len(parts))]
    done = [
        list(drive(make_fit(setup, part), setup.objective, first, last, file))
        for part, file in zip(parts, files, strict=True)
    ]
    checkpoint.merge([file for file in files if file.exists()], Path(out))
    yield from together(done)


def together(parts: list[list[Epoch]]) -> Iterator[Epoch]:
    """The epochs of lanes that were trained one part after the other, as if side by side."""
    for rows in zip(*(pad(part, max(map(len, parts))) for part in parts), strict=True):
        epochs = [row for row in rows if row is not None]
        yield Epoch(
            epoch=epochs[0].epoch,
            seconds=sum(epoch.seconds for epoch in epochs),
            metrics={number: values for epoch in epochs for number, values in epoch.metrics.items()},
            diverged=frozenset().union(*(epoch.diverged for epoch in epochs)),
        )


def pad(part: list[Epoch], length: int) -> list[Epoch | None]:
    return [*part, *[None] * (length - len(part))]


def side_by_side(setup: Setup, lanes: list[Lane]) -> int:
    """How many of the lanes are trained at once: all that fit in memory; one if the module is no Learner."""
    if len(lanes) == 1:
        return 1
    learner, _ = build(setup, lanes[0])
    if not isinstance(learner, Learner):
        logger.info("%s is no Learner, so its lanes are trained one by one", setup.trainable)
        return 1
    state = sum(tensor.nbytes for tensor in learner.state_dict().values())
    # Parameters, gradients and two moments, and as much again for what a step and a checkpoint need.
    fits = max(1, pack_memory() // (8 * state))
    if fits < len(lanes):
        logger.warning("%d lanes do not fit in memory; %d are trained at once", len(lanes), fits)
    return min(fits, len(lanes))


def pack_memory() -> int:
    """Bytes that a pack may take: half of what is free. On a CPU large models gain nothing by a pack."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] // 2
    return min(2**30, psutil.virtual_memory().available // 2)


def make_fit(setup: Setup, lanes: list[Lane]) -> Fit:
    """The lanes as one thing that Lightning trains."""
    built: dict[int, tuple[Learner, L.LightningDataModule]] = {}
    for lane in lanes:
        module, data = build(setup, lane)
        if not isinstance(module, Learner):
            assert len(lanes) == 1, "side_by_side lets only learners into a pack"
            return Solo(lane, module, data)
        built[lane.number] = (module, data)
    return PackFit(Pack(built), {lane.number: lane.start for lane in lanes}, lanes[0].seed)


def build(setup: Setup, lane: Lane) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The lane's module and data: each `__init__` gets, by name, what the trial, the run and the data say."""
    values = {**setup.options, **lane.params, "epochs": setup.epochs}
    data = byname.build(byname.load(setup.data), {**values, "seed": setup.seed})
    facts = data.facts() if hasattr(data, "facts") else {}
    torch.manual_seed(lane.seed)
    module = byname.build(byname.load(setup.trainable), {**values, **facts, "seed": lane.seed})
    if isinstance(module, Learner) and module.channels_last:
        module.to(memory_format=torch.channels_last)
    return module, data


class Solo(Fit):
    """One lane that is no Learner: a LightningModule as its author wrote it."""

    def __init__(self, lane: Lane, module: L.LightningModule, data: L.LightningDataModule) -> None:
        self.lane, self.module, self.data = lane, module, data
        self.mixed_precision = False  # its author did not ask for it
        self.numbers = (lane.number,)

    def restore(self, trainer: L.Trainer) -> None:
        if self.lane.start:
            checkpoint.restore(self.module, trainer.optimizers[0], Path(self.lane.start), self.lane.number)

    def seed(self, epoch: int) -> None:
        torch.manual_seed(seeded(self.lane.seed, epoch).initial_seed())

    def measured(self, trainer: L.Trainer) -> Metrics:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        metrics["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        return {self.lane.number: metrics}

    def drop(self, numbers: frozenset[int]) -> None:
        pass  # with the only lane, training ends

    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        return {self.lane.number: checkpoint.state(self.module, trainer.optimizers[0])}
