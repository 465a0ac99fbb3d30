"""score(...): the objective on the test split, which nothing else reads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L

from spaces.lane import Lane
from spaces.metrics import MEASURED
from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.build import build
from trainables.training.dry_run import one_step
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup
from trainables.training.trainer import make_trainer

NO_TEST = (None, L.LightningDataModule.test_dataloader, L.LightningModule.test_dataloader)
TRAINER_OPTIONS = ("precision", "inference_mode")  # of setup.trainer; the others concern training only


def score(setup: Setup, lanes: list[Lane], path: str) -> dict[int, float]:
    """The objective on the test split for each lane with its weights in checkpoint `path`.

    Validation runs on the test split, so the metric is the same for any module. A measured metric
    depends on neither the split nor the weights; it is measured again, in one step. Raises
    ValueError if no objective is logged, if it can't be measured, or if the checkpoint does not contain a
    lane.
    """
    if setup.objective in MEASURED:
        return {lane.number: measured_objective(setup, lane, Path(path).parent) for lane in lanes}
    scores = {}
    for lane in lanes:
        module, data = build(setup, lane)
        module.load_state_dict(checkpoint.weights(Path(path), lane.number))
        # In a thread: in the main thread Lightning ends the process on Ctrl-C.
        with ThreadPoolExecutor(1) as thread:
            scores[lane.number] = thread.submit(validate, module, with_test_split(data), setup).result()
    return scores


def measured_objective(setup: Setup, lane: Lane, files: Path) -> float:
    """The objective, a measured metric, of a lane with new weights."""
    objective = setup.objective
    fit = one_step(replace(setup, further_metrics=()), replace(lane, start=None), files)
    (report,) = run_fit(fit, (objective,), 0, 1, None)
    return report.metrics[lane.number][objective]


def with_test_split(data: L.LightningDataModule) -> L.LightningDataModule:
    """Replaces the validation split of the data by its test split, in place."""
    setup = data.setup
    data.val_dataloader = data.test_dataloader  # type: ignore[method-assign]
    data.setup = lambda stage=None: setup("test")  # type: ignore[method-assign,misc]
    return data


def has_test(source: Any) -> bool:
    """Whether a class of data, or of a module with its own loaders, has a test split.

    A function that makes them is taken to make one that has.
    """
    return not isinstance(source, type) or getattr(source, "test_dataloader", None) not in NO_TEST


def validate(module: L.LightningModule, data: L.LightningDataModule, setup: Setup) -> float:
    """The objective on the validation split. Raises ValueError if the module does not log it."""
    objective = setup.objective
    options = {name: setup.trainer[name] for name in TRAINER_OPTIONS if name in setup.trainer}
    mixed = setup.mixed_precision and isinstance(module, Learner) and module.mixed_precision
    trainer = make_trainer(mixed, **options)
    trainer.validate(module, datamodule=data, verbose=False)
    if objective not in trainer.callback_metrics:
        raise ValueError(
            f"validation of the test split logged no {objective!r} (objective in the space file)"
        )
    return float(trainer.callback_metrics[objective])
