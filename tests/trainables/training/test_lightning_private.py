"""Lightning's private interfaces still do what trainables/training/lightning_private.py needs of them."""

import inspect

import lightning as L
import pytest
import torch
from lightning.pytorch.cli import LightningCLI

from tests.tiny import TinyData, TinyNet
from trainables.training import lightning_private
from trainables.training.trainer import make_trainer


def changed(interface: str) -> str:
    return (
        f"Lightning {L.__version__} changed {interface}; adapt trainables/training/lightning_private.py, "
        f"which was checked against {lightning_private.CHECKED_VERSION}"
    )


class Hooks(L.Callback):
    """Calls `at_start` in each epoch and records the numbers of the epochs."""

    def __init__(self, at_start=lambda trainer: None):
        self.at_start, self.epochs = at_start, []

    def on_train_epoch_start(self, trainer, pl_module):
        self.epochs.append(trainer.current_epoch)
        self.at_start(trainer)


def fit(callback, data=None, epochs_done=0):
    trainer = make_trainer(False, max_epochs=3, callbacks=[callback], enable_checkpointing=False)
    if epochs_done:
        lightning_private.set_epochs_done(trainer, epochs_done)
    trainer.fit(TinyNet(lr=0.1), datamodule=data or TinyData())
    return trainer


def test_training_begins_at_the_epoch_that_is_set():
    callback = Hooks()
    try:
        trainer = fit(callback, epochs_done=1)
    except AttributeError as error:
        pytest.fail(f"{changed('fit_loop.epoch_progress.current')}: {error}")
    assert callback.epochs == [1, 2], changed("fit_loop.epoch_progress.current")
    assert trainer.current_epoch == 3, changed("fit_loop.epoch_progress.current")


@pytest.mark.parametrize("restart", [True, False])
def test_a_loader_can_be_restarted_after_its_generator_is_seeded(restart):
    """Without the restart the order of the first epoch is drawn before the seed is set."""

    class Shuffled(TinyData):
        def train_dataloader(self):
            return torch.utils.data.DataLoader(self.points, batch_size=64, shuffle=True)

    class Order(TinyNet):
        def on_train_batch_start(self, batch, batch_idx):
            orders.append(batch[0][:, 0])

    def seed(trainer):
        torch.manual_seed(0)
        if restart and trainer.current_epoch == 0:
            lightning_private.restart_training_batches(trainer)

    orders = []
    trainer = make_trainer(False, max_epochs=2, callbacks=[Hooks(seed)], enable_checkpointing=False)
    try:
        trainer.fit(Order(lr=0.1), datamodule=Shuffled())
    except (AttributeError, TypeError) as error:
        pytest.fail(f"{changed('fit_loop._data_fetcher')}: {error}")
    assert torch.equal(orders[0], orders[1]) is restart, changed("when the first pass over a loader starts")


def test_a_checkpoint_holds_what_resuming_needs():
    trainer = fit(Hooks())
    try:
        checkpoint = lightning_private.checkpoint_dict(trainer)
    except (AttributeError, TypeError) as error:
        pytest.fail(f"{changed('_checkpoint_connector.dump_checkpoint')}: {error}")
    needed = {"epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks"}
    assert needed <= checkpoint.keys(), changed("the keys of a checkpoint")
    assert checkpoint["epoch"] == 3, changed("the epoch in a checkpoint")
    assert all(torch.equal(checkpoint["state_dict"][name], p) for name, p in trainer.model.named_parameters())


def test_the_command_line_reads_arguments_from_checkpoints_in_one_place():
    method = getattr(LightningCLI, "_parse_ckpt_path", None)
    assert method is not None, changed("LightningCLI._parse_ckpt_path")
    assert list(inspect.signature(method).parameters) == ["self"], changed("LightningCLI._parse_ckpt_path")
    assert "self._parse_ckpt_path()" in inspect.getsource(LightningCLI.__init__), changed(
        "where LightningCLI reads the arguments in a checkpoint"
    )


def test_pytorch_still_has_its_probes_of_the_cpu():
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        assert isinstance(getattr(torch.cpu, name)(), bool), f"torch.cpu.{name} changed: see precision.py"


def test_each_step_of_an_optimizer_is_counted():
    trainer, steps = fit(Hooks()), []
    optimizer = torch.optim.SGD(trainer.lightning_module.parameters(), 0.1)
    wrapped = lightning_private.lightning_optimizers([optimizer], trainer.strategy, lambda: steps.append(1))
    wrapped[0].step()
    assert steps == [1], changed("LightningOptimizer._on_after_step")
    assert wrapped[0].optimizer is optimizer, changed("LightningOptimizer")
