"""ReproduceTrial: a callback that trains a trial's configuration again with the trial's learning curve."""

from typing import final

import lightning as L
import torch

from spaces.seeds import derive_seed
from trainables.learner import Learner
from trainables.seeding import seed_all
from trainables.training.devices import seed_sampler
from trainables.training.lightning_private import restart_training_batches
from trainables.training.packs.lane_modules import replace_dropout


@final
class ReproduceTrial(L.Callback):
    """Makes any Lightning Trainer draw the random numbers of a search: `epoch_seed` and the epoch seed them.

    A Learner also gets the dropout of a pack and its memory layout of images. `data_seed` seeds the data;
    `trainables/__main__.py` reads it.
    """

    def __init__(self, epoch_seed: int, data_seed: int) -> None:
        self.epoch_seed, self.data_seed = epoch_seed, data_seed
        self.started = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.world_size > 1:
            seed_sampler(self.epoch_seed)
        if isinstance(pl_module, Learner):
            replace_dropout(pl_module)
            if pl_module.channels_last:
                pl_module.to(memory_format=torch.channels_last)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        seed_all(derive_seed(self.epoch_seed, trainer.current_epoch))
        if not self.started:
            restart_training_batches(trainer)
        self.started = True
