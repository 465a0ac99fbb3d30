"""score(...): the objective on the test split, which nothing else reads, and on each of its samples."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities.model_helpers import is_overridden

from results.sample_scores import SampleScores
from spaces.lane import Lane
from spaces.messages import describe
from spaces.metrics import MEASURED
from trainables.learner import Learner
from trainables.projects.parts import Parts
from trainables.training import checkpoint
from trainables.training.build import make_parts
from trainables.training.dry_run import one_step
from trainables.training.kept_data import forget
from trainables.training.record_scores import RecordScores
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup
from trainables.training.trainer import make_trainer

NO_TEST = (None, L.LightningDataModule.test_dataloader, L.LightningModule.test_dataloader)
TRAINER_OPTIONS = ("accelerator", "precision", "inference_mode")  # the others concern training only


@dataclass(frozen=True)
class Score:
    """The objective on the test split, and on its parts; None if it is no mean over samples or batches."""

    test: float
    samples: SampleScores | None = None


def score(setup: Setup, lanes: list[Lane], path: str) -> dict[int, Score]:
    """The objective on the test split for each lane with its weights in checkpoint `path`.

    Validation runs on the test split, so the metric is the same for any module. A measured metric
    depends on neither the split nor the weights; it is measured again, in one step. Raises
    ValueError if no objective is logged, if it can't be measured, or if the checkpoint does not contain a
    lane.
    """
    if setup.objective in MEASURED:
        return {lane.number: Score(measured_objective(setup, lane, Path(path).parent)) for lane in lanes}
    scores = {}
    for lane in lanes:
        parts = make_parts(setup, lane)
        parts.module.load_state_dict(checkpoint.weights(Path(path), lane.number))
        scores[lane.number] = validate(parts, setup)
    return scores


def check_score(setup: Setup, lane: Lane) -> None:
    """Tries to score the lane, with new weights, on one batch of the test split.

    Raises ValueError with one line if that is not possible.
    """
    if setup.objective in MEASURED:
        return
    forget()  # in a notebook, an earlier check may have kept data that has changed since
    try:
        parts = make_parts(setup, lane)
        can_score = is_overridden("validation_step", parts.module)
        if can_score:
            validate(parts, setup, limit_val_batches=1)
    except Exception as error:  # any error of a user's module or data is a finding
        raise ValueError(
            f"winners can't be confirmed: scoring one batch of the test split failed with {describe(error)} "
            f"(validation_step of {setup.trainable} on test_dataloader of {setup.data or setup.trainable})"
        ) from error
    if not can_score:
        raise ValueError(
            f"{setup.trainable} has no validation_step, which would score it on the test split, so winners "
            "can't be confirmed with it"
        )


def measured_objective(setup: Setup, lane: Lane, files: Path) -> float:
    """The objective, a measured metric, of a lane with new weights."""
    objective = setup.objective
    fit = one_step(replace(setup, further_metrics=(), devices=1), replace(lane, start=None), files)
    (report,) = run_fit(fit, (objective,), 0, 1, None)
    return report.metrics[lane.number][objective]


@contextmanager
def on_test_split(data: L.LightningDataModule) -> Iterator[None]:
    """Context manager: in the block, the test split of the data stands in for its validation split."""
    names = ("setup", "val_dataloader")
    own = {name: vars(data)[name] for name in names if name in vars(data)}
    setup, validation = data.setup, data.val_dataloader

    def test_dataloader() -> Any:
        data.val_dataloader = validation  # type: ignore[method-assign]  # its test_dataloader may call it
        try:
            return data.test_dataloader()
        finally:
            data.val_dataloader = test_dataloader  # type: ignore[method-assign]

    data.val_dataloader = test_dataloader  # type: ignore[method-assign]
    data.setup = lambda stage=None: setup("test")  # type: ignore[method-assign,misc]
    try:
        yield
    finally:
        for name in names:
            vars(data).pop(name, None)
        vars(data).update(own)


def has_test(source: Any) -> bool:
    """Whether a class of data, or of a module with its own loaders, has a test split.

    A function that makes them is taken to make one that has.
    """
    return not isinstance(source, type) or getattr(source, "test_dataloader", None) not in NO_TEST


def validate(parts: Parts, setup: Setup, **limits: int) -> Score:
    """The objective on the test split; `limits` are arguments of the Trainer.

    Raises ValueError if the module does not log it.
    """
    assert parts.data is not None
    module, data, objective = parts.module, parts.data, setup.objective
    options = {name: parts.trainer[name] for name in TRAINER_OPTIONS if name in parts.trainer}
    options |= {} if isinstance(module, Learner) else {"logger": DummyLogger()}
    mixed = setup.mixed_precision and isinstance(module, Learner) and module.mixed_precision
    recorder = RecordScores(module, objective)
    trainer = make_trainer(mixed, **options, **limits, callbacks=[recorder])
    # In a thread: in the main thread Lightning ends the process on Ctrl-C.
    with on_test_split(data), ThreadPoolExecutor(1) as thread:
        thread.submit(trainer.validate, module, datamodule=data, verbose=False).result()
    if objective not in trainer.callback_metrics:
        raise ValueError(
            f"validation of the test split logged no {objective!r} (objective in the space file)"
        )
    test = float(trainer.callback_metrics[objective])
    return Score(test, recorder.result(test, trainer.val_dataloaders))
