"""A trial on two devices, here two processes on a CPU that talk by gloo."""

from dataclasses import replace

import pytest
import torch

from spaces.lane import Lane, SpaceError
from tests.tiny import TinyNet
from tests.trainables.training.measured import ALL
from tests.trainables.training.measured import Line as Learned
from trainables.training import checkpoint, devices
from trainables.training.dry_run import dry_run
from trainables.training.processes import end_idle
from trainables.training.setup import Setup
from trainables.training.train import train

SEVERAL = "tests.trainables.training.several"
FSDP = {"strategy": {"class_path": f"{SEVERAL}.FsdpOnCpu", "init_args": {}}}
RATE = {"lr": 0.1}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _ended():
    yield
    end_idle()


def make_setup(module, **fields):
    """Of a module here, on two devices."""
    values = {"options": {}, "seed": 1, "epochs": 3, "objective": "val_loss", "devices": 2} | fields
    return Setup(f"{SEVERAL}:{module}", f"{SEVERAL}:Line", **values)


def reports(setup, first, last, out, start=None, keep_best=False):
    """Reports of trial 5."""
    lane = Lane(5, RATE, seed=3, start=start and str(start))
    return list(train(setup, [lane], first, last, str(out), keep_best=keep_best))


def curve(setup, folder):
    """Metrics of each epoch, and the epochs of the best weights until then."""
    epochs = reports(setup, 0, 3, folder / "c.safetensors", keep_best=True)
    return [report.metrics[5] for report in epochs], [report.best[5] for report in epochs]


@pytest.mark.parametrize("trainer", [{}, FSDP], ids=["ddp", "fsdp"])
def test_two_processes_have_the_losses_of_one_with_twice_the_batch(trainer, tmp_path):
    two, best = curve(make_setup("Momentum", options={"ordered": True}, trainer=trainer), tmp_path)
    one, best_of_one = curve(make_setup("Momentum", options={"batch_size": 16}, devices=1), tmp_path)
    assert [pytest.approx(of_epoch, rel=1e-5) for of_epoch in one] == two
    assert len({of_epoch["train/loss"] for of_epoch in one}) == 3
    assert best == best_of_one


@pytest.mark.parametrize(("module", "trainer"), [("Dropping", {}), ("Momentum", FSDP)], ids=["ddp", "fsdp"])
def test_a_pause_changes_nothing(module, trainer, tmp_path):
    setup = make_setup(module, trainer=trainer)
    files = [tmp_path / f"{name}.safetensors" for name in ("uninterrupted", "a", "b")]
    uninterrupted = reports(setup, 0, 3, files[0])
    paused = reports(setup, 0, 1, files[1]) + reports(setup, 1, 3, files[2], files[1])
    assert [report.metrics for report in paused] == [report.metrics for report in uninterrupted]
    ends = [checkpoint.weights(files[number], 5) for number in (0, 2)]
    assert ends[0].keys() == TinyNet(0.1).state_dict().keys() or module == "Dropping"
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_metrics_are_those_of_all_processes(tmp_path):
    setup = make_setup("Dropping", further_metrics=ALL)
    (report,) = reports(setup, 0, 1, tmp_path / "c.safetensors", keep_best=True)
    logged = report.metrics[5]
    assert (logged["rank"], logged["sum"], report.best) == (0.5, 1.0, {5: 1})
    assert logged["model/params"] == 8 + 8 + 8 + 1
    assert logged["model/latency_ms"] > 0
    other_order = replace(setup, batch_seed=7, further_metrics=())
    (other,) = reports(other_order, 0, 1, tmp_path / "c.safetensors")
    assert other.metrics[5]["val_loss"] != logged["val_loss"]


def test_a_module_may_end_its_own_training(tmp_path):
    stopping = {"class_path": "lightning.pytorch.callbacks.EarlyStopping"}
    stopping["init_args"] = {"monitor": "val_loss", "min_delta": 1.0, "patience": 1}
    setup, files = make_setup("Momentum", epochs=4, trainer={"callbacks": [stopping]}), []
    for first, last in ((0, 3), (3, 4)):
        files.append(tmp_path / f"{last}.safetensors")
        epochs = reports(setup, first, last, files[-1], files[-2] if first else None)
    assert [(report.epoch, report.seconds) for report in epochs] == [(4, 0.0)]
    assert [checkpoint.lanes(file) for file in files] == [{5}, {5}]


def test_a_check_finds_a_parameter_that_has_no_gradient(tmp_path):
    """DDP raises at the second step only."""
    tried = dry_run(make_setup("Unused"), Lane(0, RATE, seed=0), tmp_path)
    assert "parameters that were not used in producing the loss" in tried.error


def test_what_needs_one_device_is_refused():
    net = f"{SEVERAL}:Momentum"
    devices.check(TinyNet, net, "ddp_find_unused_parameters_true")
    with pytest.raises(SpaceError, match="is a Learner, which trains on one device"):
        devices.check(Learned, "measured:Line", None)
    with pytest.raises(
        SpaceError, match="strategy is ddp_spawn, but a trial on several devices can have auto"
    ):
        devices.check(TinyNet, net, "ddp_spawn")
    with pytest.raises(SpaceError, match="state_dict_type: full"):
        devices.chosen(devices.FSDPStrategy(state_dict_type="sharded"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="is for machines without a GPU")
def test_fsdp_needs_gpus():
    with pytest.raises(SpaceError, match="strategy is fsdp, which needs GPUs"):
        devices.rank_options(2, "fsdp", 0)
