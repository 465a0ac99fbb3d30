"""The contract of `train` for the trainable of every space, and units that training consists of."""

import math
import resource
from dataclasses import replace

import lightning as L
import pytest
import torch

from spaces.lane import Lane, OutOfMemory, StorageError
from spaces.read import names
from tests.contracts import TrainableContract
from trainables import import_path
from trainables.losses import REGRESSION_LOSSES, Loss, cross_entropy, l1, linf, mse
from trainables.mnist.classifier import CLASS_LOSSES
from trainables.optim import SCHEDULES, Optim
from trainables.training import checkpoint
from trainables.training.batches import Batches
from trainables.training.build import baselines
from trainables.training.memory import memory_errors
from trainables.training.setup import Setup


class TestTrainables(TrainableContract):
    @pytest.fixture(params=names())
    def name(self, request):
        return request.param


def test_losses_are_their_formulas():
    prediction, target = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    assert mse(prediction, target).tolist() == [2.5, 0]
    assert l1(prediction, target).tolist() == [1.5, 0]
    assert linf(prediction, target).tolist() == [2, 0]
    logits, classes = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    ours = cross_entropy(logits, torch.nn.functional.one_hot(classes, 3).float())
    theirs = torch.nn.functional.cross_entropy(logits, classes, reduction="none")
    assert torch.allclose(ours, theirs)
    with pytest.raises(ValueError, match="loss is 'huber'"):
        Loss("huber", CLASS_LOSSES)
    assert set(REGRESSION_LOSSES) == {"mse", "l1", "linf"}
    assert set(CLASS_LOSSES) == {"mse", "l1", "linf", "cross_entropy"}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_rise_in_the_warm_up_and_stay_in_bounds(schedule):
    optim = Optim(lr=0.1, schedule=schedule, warmup=0.2)
    rates = [optim.rate(i / 100) for i in range(101)]
    assert rates[0] == 0
    assert all(0 <= rate <= 0.1 for rate in rates)
    assert rates[10] == pytest.approx(0.05 if schedule != "one_cycle" else 0.1 / 3)
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates[-1] == pytest.approx({"constant": 0.1, "exponential": 0.001}.get(schedule, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    "wrong", [{"lr": -1.0}, {"beta1": 1.0}, {"warmup": 1.0}, {"schedule": "step"}, {"lr": math.nan}]
)
def test_optim_refuses_values_out_of_range(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))} is .*param\.{next(iter(wrong))}="):
        Optim(**wrong)


def test_batches_depend_on_seed_and_epoch_only():
    def one_pass(seed, epoch, size=4):
        batches = Batches(
            lambda rows, g: (rows.tolist(), torch.rand(1, generator=g).item()),
            10,
            size,
            seed=seed,
            epoch=lambda: epoch,
            shuffle=True,
        )
        assert len(batches) == 3
        return list(batches)

    assert one_pass(1, 0) == one_pass(1, 0)
    assert one_pass(1, 0) != one_pass(1, 1)
    assert one_pass(1, 0) != one_pass(2, 0)
    assert sorted(row for rows, _ in one_pass(1, 0) for row in rows) == list(range(10))


def test_one_small_batch_is_still_a_batch():
    assert len(Batches(lambda rows, g: rows, 3, 8, drop_last=True)) == 1


class DataWithFacts(L.LightningDataModule):
    def facts(self):
        return {"baseline": 1.0, "baseline_error": 2.0, "nearest": 3, "classes": 10}


class CostlyData(L.LightningDataModule):
    def __init__(self):
        raise AssertionError("built without need")


def test_a_baseline_of_the_objective_precedes_the_general_one():
    setup = Setup("tests.tiny:TinyNet", f"{__name__}:DataWithFacts", {}, 0, 1, objective="val/error")
    lane = Lane(0, {}, seed=0)
    assert baselines(setup, lane) == {"baseline": 2.0, "nearest": 3.0}
    assert baselines(replace(setup, objective="val/loss"), lane) == {"baseline": 1.0, "nearest": 3.0}
    assert baselines(replace(setup, data=f"{__name__}:CostlyData"), lane) == {}


class Base:
    def __init__(self, *, a: int = 1, b: int = 2) -> None:
        self.a, self.b = a, b


class Derived(Base):
    def __init__(self, c: int, **rest: int) -> None:
        super().__init__(**rest)
        self.c = c


def test_values_go_by_name_through_keyword_arguments():
    made = import_path.build(Derived, {"a": 5, "c": 6, "unknown": 7})
    assert (made.a, made.b, made.c) == (5, 2, 6)
    with pytest.raises(ValueError, match="no module 'nowhere'"):
        import_path.load("nowhere:Thing")
    with pytest.raises(ValueError, match="has no 'Thing'"):
        import_path.load("tests.formula:Thing")


def test_lanes_of_a_checkpoint_are_restored_separately(tmp_path):
    path = tmp_path / "folder" / "c.safetensors"
    first, second, third = (torch.nn.Linear(2, 3) for _ in range(3))
    optimizers = [torch.optim.AdamW(net.parameters()) for net in (first, second, third)]
    for net, optimizer in zip((first, second), optimizers, strict=False):
        net(torch.randn(4, 2)).sum().backward()
        optimizer.step()
    saved = {1: checkpoint.state(first, optimizers[0]), 11: checkpoint.state(second, optimizers[1])}
    checkpoint.save(path, saved)
    for number, net, optimizer in ((1, first, optimizers[0]), (11, second, optimizers[1])):
        checkpoint.restore(third, optimizers[2], path, number)
        assert torch.equal(third.weight, net.weight)
        for key, moment in optimizer.state[net.weight].items():
            assert torch.equal(optimizers[2].state[third.weight][key], moment)
    with pytest.raises(ValueError, match="holds no trial 2"):
        checkpoint.restore(third, optimizers[2], path, 2)
    assert [file.name for file in path.parent.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize(
    "allocate", [lambda: torch.empty(1 << 60), lambda: bytearray(1 << 60)], ids=["pytorch", "python"]
)
def test_an_allocation_that_fails_is_named(allocate):
    with pytest.raises(OutOfMemory), memory_errors():
        allocate()


def test_other_errors_of_the_runtime_stay_what_they_are():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), memory_errors():
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_full_disk_leaves_no_part_of_a_checkpoint(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as if the disk were full
    try:
        with pytest.raises(StorageError, match=r"lane\.safetensors can't be written"):
            checkpoint.save(tmp_path / "lane.safetensors", {0: {"model/weight": torch.zeros(1000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
