"""Training a trial's configuration again, outside any search, with the trial's curve."""

import lightning as L
import torch

from trainables.learner import Learner
from trainables.training.batches import seeded
from trainables.training.lane_modules import with_lane_dropout
from trainables.training.single import seed_all


class ReproduceTrial(L.Callback):
    """Has any Lightning Trainer draw what a search draws: what is random in an epoch depends on `epoch_seed`
    and the epoch alone. A Learner gets a lane's dropout and the layout of its images in memory as well.

    `data_seed` is what the data is built with; `trainables/__main__.py` sees to that.
    """

    def __init__(self, epoch_seed: int, data_seed: int) -> None:
        self.epoch_seed, self.data_seed = epoch_seed, data_seed
        self.begun = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if isinstance(pl_module, Learner):
            with_lane_dropout(pl_module)
            if pl_module.channels_last:
                pl_module.to(memory_format=torch.channels_last)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        seed_all(seeded(self.epoch_seed, trainer.current_epoch).initial_seed())
        if not self.begun:
            iter(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]  # see trainables/training/single.py
        self.begun = True
