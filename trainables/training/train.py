"""train(...): trains the lanes of one job and yields a Report of each epoch.

All arguments are plain values, so a job can be sent to any process on any machine.
"""

import socket
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import lightning as L
import psutil
import torch

from spaces.lane import Lane, Report, SpaceError
from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.build import baselines, make_parts
from trainables.training.devices import learner_on_several
from trainables.training.fit import Fit
from trainables.training.memory import free_memory, keep_memory, memory_errors
from trainables.training.pack import Pack, PackFit
from trainables.training.processes import in_processes
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup
from trainables.training.single import SingleFit

DETERMINISTIC_MEMORY = 2**30  # bytes for a pack where it may not depend on the free memory


def train(
    setup: Setup, lanes: list[Lane], first: int, last: int, out: str, *, keep_best: bool = False
) -> Iterator[Report]:
    """Trains `lanes` from `first` epochs done to `last`, yields a Report each, and writes checkpoint `out`.

    With `keep_best` the checkpoint holds each lane's weights at its best objective. A lane whose training
    loss or a ranking metric is not finite is reported as diverged and ends; if all lanes of a job diverge,
    the job ends early without a checkpoint. Lanes that can't train together train in parts, one after the
    other, and are reported together.

    Raises ValueError for a parameter that is no argument of module or data, for a ranking metric that is not
    logged or can't be measured, StorageError if the checkpoint can't be written, OutOfMemory if the lanes
    do not fit in memory, and any exception of the module.
    """
    keep_memory()
    free_memory()
    facts = baselines(setup, lanes[0])
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    if setup.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    with memory_errors():
        for report in train_parts(setup, lanes, first, last, Path(out), setup.mode if keep_best else None):
            yield replace(report, facts=facts, device=device, node=socket.gethostname())


def train_parts(
    setup: Setup, lanes: list[Lane], first: int, last: int, out: Path, best: str | None
) -> Iterator[Report]:
    """Trains the lanes at once if possible, else part by part; `best` as in `run_fit`."""
    size, note = part_size(setup, lanes)
    parts = [lanes[start : start + size] for start in range(0, len(lanes), size)]
    if len(parts) == 1:
        yield from in_processes(setup.devices, fit_lanes, setup, lanes, first, last, out, best)
        return
    files = [Path(f"{out}.part{number}") for number in range(len(parts))]
    reports = [
        list(in_processes(setup.devices, fit_lanes, setup, part, first, last, file, best))
        for part, file in zip(parts, files, strict=True)
    ]
    checkpoint.merge([file for file in files if file.exists()], out)
    for of_epoch in zip_longest(*reports):
        yield replace(merged([report for report in of_epoch if report is not None]), note=note)


def fit_lanes(
    setup: Setup, lanes: list[Lane], first: int, last: int, out: Path, best: str | None
) -> Iterator[Report]:
    """Trains the lanes at once, with other processes that do the same if a trial has several devices."""
    yield from run_fit(make_fit(setup, lanes, out.parent), setup.ranking, first, last, out, best)


def merged(parts: list[Report]) -> Report:
    """One report of the same epoch of several parts of a job."""
    return Report(
        epoch=parts[0].epoch,
        seconds=sum(part.seconds for part in parts),
        metrics={number: metrics for part in parts for number, metrics in part.metrics.items()},
        diverged=frozenset().union(*(part.diverged for part in parts)),
        best={number: epoch for part in parts for number, epoch in part.best.items()},
    )


def part_size(setup: Setup, lanes: list[Lane]) -> tuple[int, str | None]:
    """How many lanes train at once, and a note of the reason if not all.

    As many as fit in memory; one if the module is no Learner.
    """
    if len(lanes) == 1:
        return 1, None
    learner = make_parts(setup, lanes[0]).module
    if not isinstance(learner, Learner):
        return 1, f"{setup.trainable} is no Learner, so the trials of a pack are trained one by one"
    state = sum(tensor.nbytes for tensor in learner.state_dict().values())
    known = DETERMINISTIC_MEMORY if setup.deterministic else setup.pack_memory
    memory = free_for_packs() if known is None else known
    # Parameters, gradients and two moments, and as much again for activations and the checkpoint.
    size = max(1, memory // (8 * state))
    if size < len(lanes):
        return size, "not all trials of a pack fit in memory at once, so it is trained in parts (lanes=...)"
    return len(lanes), None


def free_for_packs() -> int:
    """Bytes that a pack may use: half of the free memory, and 1 GiB at most without a GPU.

    Large models gain nothing from a pack on a CPU.
    """
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] // 2
    return min(2**30, psutil.virtual_memory().available // 2)


def make_fit(setup: Setup, lanes: list[Lane], files: Path) -> Fit:
    """A Fit of the lanes; callbacks of a module that is no Learner may write to a folder in `files`."""
    built: dict[int, tuple[Learner, L.LightningDataModule]] = {}
    for lane in lanes:
        folder = files / f"trial-{lane.number:05}"
        parts = make_parts(setup, lane, folder)
        module, data = parts.module, parts.data
        assert data is not None
        if not isinstance(module, Learner):
            assert len(lanes) == 1, "part_size lets only learners into a pack"
            return SingleFit(
                lane.number,
                module,
                data,
                start=lane.start,
                epochs=setup.epochs,
                batch_seed=setup.seed if setup.batch_seed is None else setup.batch_seed,
                files=folder,
                options=parts.trainer,
                measure=setup.measure,
                trusts=setup.trusts,
                pictures=setup.pictures,
                devices=setup.devices,
            )
        if setup.devices > 1:
            raise SpaceError(learner_on_several(setup.trainable))
        built[lane.number] = (module, data)
    # The faster of the two ways differs from measurement to measurement, and their results in the last bits.
    pack = Pack(built, batched=False if setup.deterministic else setup.batched)
    starts = {lane.number: lane.start for lane in lanes}
    return PackFit(
        pack,
        starts,
        dropout_seed=lanes[0].seed,
        mixed_precision=setup.mixed_precision,
        measure=setup.measure,
    )
