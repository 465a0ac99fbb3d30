"""Tries a configuration out before a long search: one step of training, one of validation, and back."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trainables.learner import Learner
from trainables.training.fit import drive
from trainables.training.pack import Pack
from trainables.training.single import SingleFit
from trainables.training.train import Lane, Setup, build

ONE_STEP = {"limit_train_batches": 1, "limit_val_batches": 1}


@dataclass(frozen=True)
class Tried:
    """What came of a configuration: the objective, or why there is none."""

    value: float | None = None
    finite: bool = True
    error: str | None = None
    shapes: str | None = None  # what PyTorch said of an output and a target that do not fit
    memory: int = 0  # bytes of the accelerator at the most


def try_out(setup: Setup, lane: Lane, folder: Path, out: Path | None = None) -> Tried:
    """Trains the lane for a step, validates for a step, and writes checkpoint `out`, if any.

    The module's own callbacks may write in `folder`.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            (epoch,) = drive(one_step(setup, lane, folder), setup.objective, 0, 1, out)
        except Exception as error:  # whatever a user's module raises is a finding
            return Tried(error=f"{type(error).__name__}: {' '.join(str(error).split())}")
    said = [" ".join(str(warning.message).split()) for warning in caught]
    return Tried(
        value=epoch.metrics[lane.number][setup.objective],
        finite=not epoch.diverged,
        shapes=next((text for text in said if "target size" in text), None),
        memory=torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
    )


def resume(setup: Setup, lane: Lane, start: Path) -> str | None:
    """Goes on from a checkpoint for a step; what went wrong, None if nothing did."""
    try:
        fit = one_step(setup, replace(lane, start=str(start)), start.parent)
        list(drive(fit, setup.objective, 1, 2, None))
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return None


def one_step(setup: Setup, lane: Lane, folder: Path) -> SingleFit:
    """The lane as Lightning trains any module, an epoch of one batch."""
    module, data = build(setup, lane)
    epochs = max(2, setup.epochs)
    fit = SingleFit(
        lane.number,
        module,
        data,
        start=lane.start,
        epochs=epochs,
        batch_seed=setup.seed,
        files=folder,
        arguments=setup.trainer,
    )
    fit.settings = {**fit.settings, **ONE_STEP}
    if isinstance(module, Learner):
        fit.mixed_precision = module.mixed_precision
        module.batch_norm_samples = min(1, module.batch_norm_samples)  # type: ignore[misc]  # one batch tells as much here
    return fit


def why_not_packed(setup: Setup, lane: Lane) -> str | None:
    """Why the lanes of a job can't be trained as one batched model; None if they can."""
    lanes = {number: build(setup, replace(lane, number=number, seed=number)) for number in (0, 1)}
    module, data = lanes[0]
    if not isinstance(module, Learner):
        return f"{type(module).__name__} is no Learner; the trials of a job are trained one after the other"
    pack = Pack({number: (module, data) for number, (module, data) in lanes.items()})  # type: ignore[misc]
    pack.configure_optimizers()
    try:
        pack.groups[0].gradients_together(next(iter(data.train_dataloader())))
    except (RuntimeError, NotImplementedError) as error:
        return " ".join(str(error).split())[:200]
    return None
