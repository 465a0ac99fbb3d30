"""train(...): trains the lanes of one job and yields a Report of each epoch.

All arguments are plain values, so a job can be sent to any process on any machine.
"""

import socket
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import lightning as L
import psutil
import torch

from spaces.lane import Lane, Report
from spaces.metrics import measured_names
from trainables import import_path
from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.fit import Fit
from trainables.training.memory import free_memory, keep_memory, memory_errors
from trainables.training.pack import Pack, PackFit
from trainables.training.run_fit import run_fit
from trainables.training.seeding import seed_all, seeded_setup
from trainables.training.single import SingleFit

DETERMINISTIC_MEMORY = 2**30  # bytes for a pack where it may not depend on the free memory


@dataclass(frozen=True)
class Setup:
    """Settings of all trials of a run. Raises ValueError for an unknown measured metric."""

    trainable: str  # package.module:Class of the LightningModule
    data: str  # package.module:Class of the LightningDataModule
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
        yield from run_fit(make_fit(setup, lanes, out.parent), setup.ranking, first, last, out, best)
        return
    files = [Path(f"{out}.part{number}") for number in range(len(parts))]
    reports = [
        list(run_fit(make_fit(setup, part, out.parent), setup.ranking, first, last, file, best))
        for part, file in zip(parts, files, strict=True)
    ]
    checkpoint.merge([file for file in files if file.exists()], out)
    for of_epoch in zip_longest(*reports):
        yield replace(merged([report for report in of_epoch if report is not None]), note=note)


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
    learner, _ = build(setup, lanes[0])
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
        module, data = build(setup, lane)
        if not isinstance(module, Learner):
            assert len(lanes) == 1, "part_size lets only learners into a pack"
            return SingleFit(
                lane.number,
                module,
                data,
                start=lane.start,
                epochs=setup.epochs,
                batch_seed=setup.seed if setup.batch_seed is None else setup.batch_seed,
                files=files / f"trial-{lane.number:05}",
                options=setup.trainer,
                measure=setup.measure,
            )
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


def build(setup: Setup, lane: Lane) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The module and the data of a lane.

    Each `__init__` gets its arguments by name from the trial's parameters, the run and the data's `facts()`.
    Raises ValueError for a parameter that is no argument of either, and any exception of the two.
    """
    check_parameters(setup, lane)
    data = make_data(setup, lane)
    arguments = module_arguments(setup, lane, data)
    seed_all(lane.seed)
    module = import_path.load(setup.trainable)(**arguments)
    if isinstance(module, Learner) and module.channels_last:
        module.to(memory_format=torch.channels_last)
    return module, data


def make_data(setup: Setup, lane: Lane) -> L.LightningDataModule:
    """The data of a lane, its splits seeded by the run."""
    seed_all(setup.seed)
    return seeded_setup(import_path.load(setup.data)(**data_arguments(setup, lane)), setup.seed)


def check_parameters(setup: Setup, lane: Lane) -> None:
    """Raises ValueError for a parameter that is an argument of neither the module nor its data."""
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
    """Arguments of the data's `__init__`."""
    seeds = {"seed": setup.seed, "batch_seed": setup.batch_seed}
    return import_path.accepted_arguments(import_path.load(setup.data), values(setup, lane) | seeds)


def module_arguments(setup: Setup, lane: Lane, data: L.LightningDataModule) -> dict[str, Any]:
    """Arguments of the module's `__init__`."""
    return import_path.accepted_arguments(
        import_path.load(setup.trainable), {**values(setup, lane), **facts(data), "seed": lane.seed}
    )


def values(setup: Setup, lane: Lane) -> dict[str, Any]:
    """Options of the run and parameters of the trial, by name; a parameter overrides an option.

    A label of an option is replaced by a copy of its value, which the module may change.
    """
    params = dict(lane.params)
    for name, of_label in setup.option_values.items():
        if name in params:
            params[name] = deepcopy(of_label.get(params[name], params[name]))
    return {**setup.options, **params, "epochs": setup.epochs}


def facts(data: L.LightningDataModule) -> dict[str, Any]:
    """The data's `facts()`, by name; none if it has no such method."""
    return data.facts() if hasattr(data, "facts") else {}


def baselines(setup: Setup, lane: Lane) -> dict[str, float]:
    """Objectives that a model has to beat, where the data's `facts()` has them.

    `baseline`: of the best constant prediction. `nearest`: of predicting the target of the most similar
    training sample. For the objective `val/<metric>` the fact `baseline_<metric>` precedes `baseline`, and
    `nearest_<metric>` precedes `nearest`.
    """
    if not hasattr(import_path.load(setup.data), "facts"):
        return {}  # without building the data, which may take long
    known, metric = facts(make_data(setup, lane)), setup.objective.rpartition("/")[2]
    scores = {name: known.get(f"{name}_{metric}", known.get(name)) for name in ("baseline", "nearest")}
    return {name: float(score) for name, score in scores.items() if isinstance(score, int | float)}
