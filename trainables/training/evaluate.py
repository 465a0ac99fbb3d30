"""score(...): the objective on the test split, which nothing else reads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightning as L

from trainables.learner import Learner
from trainables.training import checkpoint
from trainables.training.fit import make_trainer
from trainables.training.train import Lane, Setup, build

MATTER = ("precision", "inference_mode")  # of the Trainer's arguments, to a validation of the test split


def score(setup: Setup, lanes: list[Lane], path: str) -> dict[int, float]:
    """The objective on the test split of each of the lanes with its weights in checkpoint `path`.

    Validation is run over the test split, so the metric is the same, whoever wrote the module. Raises
    ValueError if that logs no objective.
    """
    found = {}
    for lane in lanes:
        module, data = build(setup, lane)
        module.load_state_dict(checkpoint.weights(Path(path), lane.number))
        # In a thread of its own, for Lightning answers a Ctrl-C in the main thread by ending the process.
        with ThreadPoolExecutor(1) as thread:
            found[lane.number] = thread.submit(validate, module, testing(data), setup).result()
    return found


def testing(data: L.LightningDataModule) -> L.LightningDataModule:
    """The data with its test split in place of the validation split."""
    setup = data.setup
    data.val_dataloader = data.test_dataloader  # type: ignore[method-assign]
    data.setup = lambda stage=None: setup("test")  # type: ignore[method-assign,misc]
    return data


def has_test(data: type[L.LightningDataModule]) -> bool:
    """Whether the data has a test split."""
    return data.test_dataloader is not L.LightningDataModule.test_dataloader


def validate(module: L.LightningModule, data: L.LightningDataModule, setup: Setup) -> float:
    objective = setup.objective
    as_trained = {name: setup.trainer[name] for name in MATTER if name in setup.trainer}
    trainer = make_trainer(isinstance(module, Learner) and module.mixed_precision, **as_trained)
    trainer.validate(module, datamodule=data, verbose=False)
    if objective not in trainer.callback_metrics:
        raise ValueError(
            f"validation of the test split logged no {objective!r} (objective in the space file)"
        )
    return float(trainer.callback_metrics[objective])
