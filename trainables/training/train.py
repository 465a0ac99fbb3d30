"""train(...): trains the lanes of one job and yields a Report of each epoch.

All arguments are plain values, so a job can be sent to any process on any machine.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path

import psutil
import torch

from spaces.lane import Lane, Report, SpaceError
from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.build import baselines, make_parts
from trainables.training.device_memory import device_memory
from trainables.training.devices import learner_on_several
from trainables.training.fits import alone_reason, folder_of, make_fits, single_fit, verified_parts
from trainables.training.kept_data import release
from trainables.training.memory import free_memory, keep_memory, memory_errors
from trainables.training.processes import in_processes
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup

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
    release()
    free_memory()
    facts = baselines(setup, lanes[0])
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    if setup.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    with memory_errors():
        for report in train_parts(setup, lanes, first, last, Path(out), setup.mode if keep_best else None):
            memory = device_memory()
            yield replace(report, facts=facts, device=device, node=socket.gethostname(), memory=memory)


def train_parts(
    setup: Setup, lanes: list[Lane], first: int, last: int, out: Path, best: str | None
) -> Iterator[Report]:
    """Trains the lanes at once if possible, else part by part; `best` as in `run_fit`."""
    size, note = part_size(setup, lanes, out.parent)
    parts = [lanes[start : start + size] for start in range(0, len(lanes), size)]
    files: list[Path] = []
    reports: list[list[Report]] = []
    for part in parts:
        trainings, reason = trainings_of(setup, part, first, last, out.parent, best)
        note = note or reason
        if len(parts) == len(trainings) == 1:
            for report in trainings[0](out):
                yield replace(report, note=note)
            return
        for training in trainings:
            files.append(Path(f"{out}.part{len(files)}"))
            reports.append(list(training(files[-1])))
    checkpoint.merge([file for file in files if file.exists()], out)
    for of_epoch in zip_longest(*reports):
        yield replace(merged([report for report in of_epoch if report is not None]), note=note)


def trainings_of(
    setup: Setup, lanes: list[Lane], first: int, last: int, folder: Path, best: str | None
) -> tuple[list[Callable[[Path], Iterator[Report]]], str | None]:
    """Trainings that together train all lanes, each a function of its checkpoint; and a note, as `make_fits`.

    A trial on several devices trains in processes of its own.
    """
    if setup.devices > 1:
        on_devices = partial(in_processes, setup.devices, fit_on_devices, setup)
        return [partial(on_devices, lane, first, last, best) for lane in lanes], None
    fits, note = make_fits(setup, lanes, folder)
    return [partial(run_fit, fit, setup.ranking, first, last, best=best) for fit in fits], note


def fit_on_devices(
    setup: Setup, lane: Lane, first: int, last: int, best: str | None, out: Path
) -> Iterator[Report]:
    """Trains the lane, with other processes that do the same. Raises SpaceError for a Learner."""
    folder = folder_of(lane, out.parent)
    parts = make_parts(setup, lane, folder)
    if isinstance(parts.module, Learner):
        raise SpaceError(learner_on_several(setup.trainable))
    yield from run_fit(single_fit(setup, lane, parts, folder), setup.ranking, first, last, out, best)


def merged(parts: list[Report]) -> Report:
    """One report of the same epoch of several parts of a job."""
    return Report(
        epoch=parts[0].epoch,
        seconds=sum(part.seconds for part in parts),
        metrics={number: metrics for part in parts for number, metrics in part.metrics.items()},
        diverged=frozenset().union(*(part.diverged for part in parts)),
        best={number: epoch for part in parts for number, epoch in part.best.items()},
    )


def part_size(setup: Setup, lanes: list[Lane], files: Path) -> tuple[int, str | None]:
    """How many lanes train at once, and a note of the reason if not all.

    As many as fit in memory; one if no pack can train the module.
    """
    if len(lanes) == 1 or setup.devices > 1:
        return 1, None
    parts = verified_parts(setup, lanes[:1], files)[lanes[0].number]
    if reason := alone_reason(setup, parts):
        return 1, reason
    state = sum(tensor.nbytes for tensor in parts.module.state_dict().values())
    known = DETERMINISTIC_MEMORY if setup.deterministic else setup.pack_memory
    memory = free_for_packs() if known is None else known
    # Parameters, gradients and two moments, and as much again for activations and the checkpoint.
    size = max(1, memory // (8 * max(1, state)))
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
