"""Tries a configuration before a long search: one training step, one validation step, save and resume."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from spaces.lane import Lane, Report
from spaces.messages import describe, one_line
from trainables.learner import Learner
from trainables.training.build import make_parts
from trainables.training.fits import alone_reason, pack_fit, verified_parts
from trainables.training.packs.lane_callbacks import left_out_note
from trainables.training.packs.lane_modules import replace_dropout
from trainables.training.packs.verify import BATCHES
from trainables.training.processes import in_processes
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup
from trainables.training.single import SingleFit

ONE_STEP = {"limit_val_batches": 1}


@dataclass(frozen=True)
class DryRun:
    """Result of one step: the objective, or the error."""

    value: float | None = None
    finite: bool = True
    error: str | None = None
    shapes: str | None = None  # PyTorch's warning that the shapes of output and target differ
    memory: int = 0  # peak memory of the accelerator in bytes


def dry_run(setup: Setup, lane: Lane, folder: Path, out: Path | None = None) -> DryRun:
    """Trains and validates the lane for one step each, and writes checkpoint `out` unless None.

    Callbacks of the module may write to `folder`. Exceptions become the `error` of the result.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            (report,) = in_processes(setup.devices, fit_step, setup, lane, folder, 0, out)
        except Exception as error:  # any error of a user's module is a finding
            return DryRun(error=describe(error))
    messages = [one_line(warning.message) for warning in caught]
    return DryRun(
        value=report.metrics[lane.number][setup.objective],
        finite=not report.diverged,
        shapes=next((text for text in messages if "target size" in text), None),
        memory=torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
    )


def resume(setup: Setup, lane: Lane, start: Path) -> str | None:
    """Continues from a checkpoint for one step. Returns the error, or None."""
    try:
        lane = replace(lane, start=str(start))
        list(in_processes(setup.devices, fit_step, setup, lane, start.parent, 1, None))
    except Exception as error:  # any error of a user's module is a finding
        return describe(error)
    return None


def fit_step(setup: Setup, lane: Lane, folder: Path, first: int, out: Path | None) -> Iterator[Report]:
    """The report of the epoch of `one_step` that follows `first` epochs; writes `out` unless None."""
    yield from run_fit(one_step(setup, lane, folder), setup.ranking, first, first + 1, out)


def one_step(setup: Setup, lane: Lane, folder: Path) -> SingleFit:
    """The lane in Lightning's own loop, with epochs of one batch; on several devices of two.

    DDP finds a parameter that the loss does not depend on at the second step.
    """
    parts = make_parts(setup, lane, folder)
    module, data = parts.module, parts.data
    assert data is not None
    fit = SingleFit(
        lane.number,
        module,
        data,
        start=lane.start,
        epochs=max(2, setup.epochs),
        batch_seed=setup.seed,
        files=folder,
        options={**parts.trainer, **ONE_STEP, "limit_train_batches": min(2, setup.devices)},
        measure=setup.measure,
        trusts=setup.trusts,
        devices=setup.devices,
    )
    if isinstance(module, Learner):
        replace_dropout(module)  # as in a pack
        fit.mixed_precision = setup.mixed_precision and module.mixed_precision
        module.batch_norm_samples = min(1, module.batch_norm_samples)  # type: ignore[misc]  # one batch suffices
    return fit


def pack_findings(setup: Setup, lane: Lane) -> tuple[bool, str]:
    """Whether packs train the module, and a line on how; tried on the first batches of two lanes.

    Raises any exception of the module.
    """
    lanes = [replace(lane, number=number, seed=number) for number in (0, 1)]
    made = verified_parts(setup, lanes, Path())
    if reason := alone_reason(setup, made[0]):
        return False, reason
    fit = pack_fit(replace(setup, batched=True), lanes, made, BATCHES)
    list(run_fit(fit, setup.ranking, 0, 1, None))
    obstacle = next((group.obstacle for group in fit.pack.groups if group.obstacle), None)
    how = "lanes train as one batched model where that is faster"
    if obstacle:
        how = f"lanes share batches and take their steps one by one: {obstacle}"[:280]
    note = left_out_note(made[0].trainer)
    return True, f"yes, verified; {how}" + (f"; {note}" if note else "")
