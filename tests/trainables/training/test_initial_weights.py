"""Initial weights are seeded by the trial, where a module makes them in `configure_model` too."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spaces.lane import Lane
from tests.foreign.variety import Base
from trainables.training import checkpoint
from trainables.training.build import make_parts
from trainables.training.fits import make_fits, single_fit
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup

SETUP = Setup(
    f"{__name__}:Lazy",
    "tests.foreign.autoencoder:DigitsDataModule",
    {},
    seed=3,
    epochs=2,
    objective="val_loss",
)
LANES = [Lane(number, {"lr": 0.0}, seed=seed) for number, seed in enumerate((1, 2, 1))]  # nothing is learned


class Lazy(Base):
    """Makes a second layer in `configure_model`."""

    def make(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def configure_model(self):
        if len(self.net) == 2:
            self.net.append(nn.Linear(10, 10))


def weights(file, number):
    state = checkpoint.lane(file, number)
    return {name: tensor for name, tensor in state.items() if name.startswith("model/")}


def trained(kind, folder):
    """The weights of each lane, resumed once."""
    found = {}
    for first in (0, 1):
        out = folder / f"{first}.safetensors"
        lanes = [replace(one, start=str(folder / "0.safetensors") if first else None) for one in LANES]
        if kind == "pack":
            (fit,), note = make_fits(SETUP, lanes, folder)
            assert note is None
            list(run_fit(fit, SETUP.ranking, first, first + 1, out))
            found = {lane.number: weights(out, lane.number) for lane in lanes}
            continue
        for lane in lanes:
            own = folder / str(lane.number)
            own.mkdir(exist_ok=True)
            out = own / f"{first}.safetensors"
            lane = replace(lane, start=str(own / "0.safetensors") if first else None)
            fit = single_fit(SETUP, lane, make_parts(SETUP, lane, folder), folder)
            list(run_fit(fit, SETUP.ranking, first, first + 1, out))
            found[lane.number] = weights(out, lane.number)
    return found


@pytest.mark.parametrize("kind", ["alone", "pack"])
def test_weights_made_in_configure_model_are_those_of_the_trial(kind, tmp_path):
    found = trained(kind, tmp_path)
    for name in found[0]:
        assert torch.equal(found[0][name], found[2][name]), name
        assert not torch.equal(found[0][name], found[1][name]), name
    alone = trained("alone", tmp_path)
    for number, own in found.items():
        assert all(torch.equal(own[name], alone[number][name]) for name in own)
