"""train(...): trains the lanes of one job and yields their metrics once an epoch.

All arguments are plain values, so that any process on any machine can be handed a job.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import psutil
import torch

from trainables import import_path
from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.fit import Epoch, Fit, drive
from trainables.training.memory import free_memory, keep_memory
from trainables.training.pack import Pack, PackFit
from trainables.training.single import SingleFit, seed_all, seeded_setup


@dataclass(frozen=True)
class Setup:
    """What is the same for every trial of a run."""

    trainable: str  # package.module:Class of the LightningModule
    data: str  # package.module:Class of the LightningDataModule
    options: Mapping[str, Any]  # the data's options (source, root, image_size ...)
    seed: int  # of the run: splits, and batches where these have no seed of their own
    epochs: int  # the last rung: what schedules are laid out over
    objective: str  # the metric that must be finite
    mode: str = "min"  # whether less (min) or more (max) of it is better
    trainer: Mapping[str, Any] = field(default_factory=dict)  # see arguments.py
    batch_seed: int | None = None  # of the order of batches and of augmentation


@dataclass(frozen=True)
class Lane:
    """One trial's part of a job. `start` is the checkpoint to go on from, None to begin."""

    number: int
    params: Mapping[str, Any]
    seed: int
    start: str | None = None


def train(
    setup: Setup, lanes: list[Lane], first: int, last: int, out: str, *, keep_best: bool = False
) -> Iterator[Epoch]:
    """Trains `lanes` from `first` epochs done to `last`, yields an Epoch each, and writes checkpoint `out`.

    With `keep_best` the checkpoint holds each lane's weights of the epoch whose objective was best.
    A lane whose training loss or objective is not finite is reported as diverged and ends; a job whose
    lanes have all diverged ends early and writes no checkpoint. Lanes that can't be trained side by side
    are trained one part after the other, and reported together. Raises what the module raises.
    """
    keep_memory()
    free_memory()
    (size, note), best = side_by_side(setup, lanes), setup.mode if keep_best else None
    parts = [lanes[start : start + size] for start in range(0, len(lanes), size)]
    if len(parts) == 1:
        fit = make_fit(setup, lanes, Path(out).parent)
        yield from drive(fit, setup.objective, first, last, Path(out), best)
        return
    files = [Path(f"{out}.part{number}") for number in range(len(parts))]
    done = [
        list(drive(make_fit(setup, part, Path(out).parent), setup.objective, first, last, file, best))
        for part, file in zip(parts, files, strict=True)
    ]
    checkpoint.merge([file for file in files if file.exists()], Path(out))
    yield from together(done, note)


def together(parts: list[list[Epoch]], note: str | None) -> Iterator[Epoch]:
    """The epochs of lanes that were trained one part after the other, with a note of why."""
    for rows in zip(*(pad(part, max(map(len, parts))) for part in parts), strict=True):
        epochs = [row for row in rows if row is not None]
        yield Epoch(
            epoch=epochs[0].epoch,
            seconds=sum(epoch.seconds for epoch in epochs),
            metrics={number: values for epoch in epochs for number, values in epoch.metrics.items()},
            diverged=frozenset().union(*(epoch.diverged for epoch in epochs)),
            best={number: best for epoch in epochs for number, best in epoch.best.items()},
            note=note,
        )


def pad(part: list[Epoch], length: int) -> list[Epoch | None]:
    return [*part, *[None] * (length - len(part))]


def side_by_side(setup: Setup, lanes: list[Lane]) -> tuple[int, str | None]:
    """How many of the lanes are trained at once, and why not all of them.

    It is all that fit in memory, and one if the module is no Learner.
    """
    if len(lanes) == 1:
        return 1, None
    learner, _ = build(setup, lanes[0])
    if not isinstance(learner, Learner):
        return 1, f"{setup.trainable} is no Learner, so the trials of a pack are trained one by one"
    state = sum(tensor.nbytes for tensor in learner.state_dict().values())
    # Parameters, gradients and two moments, and as much again for what a step and a checkpoint need.
    fits = max(1, pack_memory() // (8 * state))
    if fits < len(lanes):
        return fits, "not all trials of a pack fit in memory at once, so it is trained in parts (lanes=...)"
    return len(lanes), None


def pack_memory() -> int:
    """Bytes that a pack may take: half of what is free. On a CPU large models gain nothing by a pack."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] // 2
    return min(2**30, psutil.virtual_memory().available // 2)


def make_fit(setup: Setup, lanes: list[Lane], files: Path) -> Fit:
    """The lanes as one thing that Lightning trains; a module's own callbacks may write below `files`."""
    built: dict[int, tuple[Learner, L.LightningDataModule]] = {}
    for lane in lanes:
        module, data = build(setup, lane)
        if not isinstance(module, Learner):
            assert len(lanes) == 1, "side_by_side lets only learners into a pack"
            return SingleFit(
                lane.number,
                module,
                data,
                start=lane.start,
                epochs=setup.epochs,
                batch_seed=setup.seed if setup.batch_seed is None else setup.batch_seed,
                files=files / f"trial-{lane.number:05}",
                arguments=setup.trainer,
            )
        built[lane.number] = (module, data)
    return PackFit(Pack(built), {lane.number: lane.start for lane in lanes}, lanes[0].seed)


def build(setup: Setup, lane: Lane) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The lane's module and data: each `__init__` gets, by name, what the trial, the run and the data say."""
    check_accepted(setup, lane)
    seed_all(setup.seed)
    data = seeded_setup(import_path.load(setup.data)(**data_arguments(setup, lane)), setup.seed)
    arguments = module_arguments(setup, lane, data)
    seed_all(lane.seed)
    module = import_path.load(setup.trainable)(**arguments)
    if isinstance(module, Learner) and module.channels_last:
        module.to(memory_format=torch.channels_last)
    return module, data


def check_accepted(setup: Setup, lane: Lane) -> None:
    """Raises ValueError for a parameter that neither the module nor its data has an argument for."""
    known = {
        name
        for path in (setup.trainable, setup.data)
        for name in import_path.argument_names(import_path.load(path))
    }
    for name in lane.params:
        if name not in known:
            raise ValueError(
                f"the parameter {name!r} is an argument of neither {setup.trainable} nor {setup.data}, "
                f"which take {', '.join(sorted(known))} (params in the space file)"
            )


def data_arguments(setup: Setup, lane: Lane) -> dict[str, Any]:
    """What the data's `__init__` gets."""
    seeds = {"seed": setup.seed, "batch_seed": setup.batch_seed}
    return import_path.accepted_arguments(import_path.load(setup.data), values(setup, lane) | seeds)


def module_arguments(setup: Setup, lane: Lane, data: L.LightningDataModule) -> dict[str, Any]:
    """What the module's `__init__` gets."""
    facts = data.facts() if hasattr(data, "facts") else {}
    return import_path.accepted_arguments(
        import_path.load(setup.trainable), {**values(setup, lane), **facts, "seed": lane.seed}
    )


def values(setup: Setup, lane: Lane) -> dict[str, Any]:
    """What a run and a trial say; a parameter outweighs an option of its name."""
    return {**setup.options, **lane.params, "epochs": setup.epochs}
