"""A watched trainer is one for all who use it, and notes what they ask."""

import lightning as L

from trainables.training.trainer import make_trainer
from trainables.training.watched_trainer import WatchedTrainer


def test_only_what_differs_between_trials_is_noted():
    trainer = make_trainer(False, max_epochs=3)
    watched = WatchedTrainer(trainer)
    assert isinstance(watched, L.Trainer)
    assert (watched.world_size, watched.training, watched.is_global_zero) == (1, False, True)
    assert not watched.asked
    assert watched.max_epochs == 3
    assert watched.asked
