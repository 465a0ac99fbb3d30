"""Groups of lanes for tests, configured, with their batches."""

from types import SimpleNamespace

import torch
from torch import nn

from spaces.lane import Lane
from tests.foreign.autoencoder import DigitsDataModule
from tests.foreign.variety import Base
from trainables.training.build import build
from trainables.training.packs.group import Group
from trainables.training.packs.lane import TrainBatch
from trainables.training.packs.lane_modules import replace_dropout
from trainables.training.packs.lane_trainer import LaneTrainer
from trainables.training.packs.learner_lane import LearnerLane
from trainables.training.packs.module_lane import ModuleLane
from trainables.training.setup import Setup

BATCHES = 6  # of an epoch
DIGITS = {"source": "digits", "net": "mlp"}
SLICES = {"backbone": "resnet10t", "image_size": 32, "train": 32, "val": 16}


def setup(module, data, options):
    return Setup(
        f"trainables.{module}", f"trainables.{data}", options, seed=0, epochs=1, objective="val/loss"
    )


CLASSIFIER = setup("mnist.classifier:Classifier", "mnist.data:MnistData", DIGITS)
AUTOENCODER = setup("mnist.autoencoder:Autoencoder", "mnist.data:MnistData", DIGITS)
SECTIONS = setup("slices.xception:SliceRegressor", "slices.sections.data:SliceData", SLICES)


class Tuned(Base):
    """Two parameter groups, a schedule by step, and the optimizer `kind` with `options`."""

    def __init__(self, lr=1e-2, kind=torch.optim.AdamW, options=None):
        super().__init__(lr)
        self.kind, self.options = kind, options or {}

    def make(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 10))

    def configure_optimizers(self):
        groups = [
            {"params": self.net[1].parameters(), **self.options},
            {"params": self.net[4].parameters()},
        ]
        optimizer = self.kind(groups, lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.hparams.lr, total_steps=100, cycle_momentum="momentum" in self.options
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def learner_group(setup, count, device="cpu", *, params=None, **options):
    """A group of `count` learners that differ in their learning rate."""
    lanes = {}
    for number in range(count):
        own = {"batch_size": 16, "dropout": 0.2, "lr": 1e-3 * (1 + number / count), **(params or {})}
        module, data = build(setup, Lane(number, own, seed=number))
        lane = lanes[number] = LearnerLane(module, data)
        module.to(device)
        # The fused kernels of PyTorch lack the meta device.
        lane.optimizer = torch.optim.AdamW([module.optim.parameter_group(module)])
    return made(lanes, device, options)


def module_group(
    count, device="cpu", *, module=Tuned, kind=None, own=None, trainer=None, start=None, **options
):
    """A group of such modules, which go on from the checkpoint `start`.

    `own` makes options of a lane's optimizer, `trainer` are those of the Trainer.
    """
    lanes = {}
    data = DigitsDataModule()
    data.prepare_data()
    data.setup("fit")
    around = SimpleNamespace(current_epoch=0, training=True, validating=False)
    for number in range(count):
        torch.manual_seed(number)
        one = module(1e-3 * (1 + number / count), kind or torch.optim.AdamW, own and own(number))
        lane = lanes[number] = ModuleLane(one, data, data_key=0, batch_seed=0, options=trainer or {})
        lane.trainer = one.trainer = LaneTrainer(around, one, data, 1, lambda: BATCHES, lane.accumulate)
        replace_dropout(one)
        one.to(device)
        lane.configure(start, number)
    return made(lanes, device, options)


def made(lanes, device, options):
    """The group in its first epoch, and its batches on a device."""
    group = Group(lanes, **{"batched": True, **options})
    group.begin_epoch()
    contents = [
        [tensor.to(device) for tensor in batch]
        for batch, _ in zip(group.first.data.train_dataloader(), range(BATCHES), strict=False)
    ]
    return group, contents


def train(group, contents, first=0):
    """Trains on the batches from number `first` on, as in an epoch of `BATCHES`."""
    batches = [
        TrainBatch(index, index / BATCHES, content, index == BATCHES - 1)
        for index, content in enumerate(contents, first)
    ]
    group.train(batches, 0)


def begin_validation(group, contents):
    """Ends training, and begins the validation of an epoch."""
    for lane in group.lanes.values():
        lane.module.eval()
    group.begin_validation(contents, True)
