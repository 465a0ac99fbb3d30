"""Private interfaces of Lightning that training relies on: used here only.

Checked against Lightning 2.6.6; tests/trainables/training/test_lightning_private.py fails when one changes.
One more can only be overridden in a subclass: `LightningCLI._parse_ckpt_path`, in trainables/__main__.py.
"""

from typing import Any

import lightning as L
from lightning.pytorch.strategies import FSDPStrategy

CHECKED_VERSION = "2.6.6"


def set_epochs_done(trainer: L.Trainer, epochs: int) -> None:
    """Makes `trainer.fit` begin at this epoch, counted from 0, where Lightning restores no checkpoint."""
    progress = trainer.fit_loop.epoch_progress.current
    progress.processed = progress.completed = epochs  # type: ignore[attr-defined]


def restart_training_batches(trainer: L.Trainer) -> None:
    """Begins a new pass over the training data loader; for use in `on_train_epoch_start`.

    Lightning starts the first pass of a `fit` before that hook, and all later ones after it. A loader that
    draws its order from a global generator must start after the hook has seeded that.
    """
    iter(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]


def checkpoint_dict(trainer: L.Trainer) -> dict[str, Any]:
    """The dict that `trainer.save_checkpoint` writes: module, optimizers, schedulers, callbacks, loops."""
    return trainer._checkpoint_connector.dump_checkpoint(weights_only=False)


def gathers_state(strategy: FSDPStrategy) -> bool:
    """Whether rank 0 gets the whole state of module and optimizers, where others get none of it."""
    return strategy._state_dict_type == "full"
