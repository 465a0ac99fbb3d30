"""Tests of both the classifier and the autoencoder: training, the values of their spaces, and vmap."""

import copy
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from spaces import read as spaces
from spaces.lane import Lane
from spaces.params import Choice
from tests.trainables.mnist.learners import digits_batch, make
from trainables import import_path
from trainables.learner import Learner
from trainables.losses import REGRESSION_LOSSES
from trainables.mnist.autoencoder import Autoencoder
from trainables.mnist.classifier import CLASS_LOSSES, Classifier
from trainables.mnist.data import MnistData
from trainables.mnist.nets import NORMS
from trainables.training.setup import Setup
from trainables.training.train import train

torch.set_num_threads(1)
TRAINABLES = {
    "mnist_classifier": ("trainables.mnist.classifier:Classifier", "val/accuracy"),
    "mnist_autoencoder": ("trainables.mnist.autoencoder:Autoencoder", "val/rmse"),
}


def test_predict_step_returns_the_output() -> None:
    images, labels = digits_batch()
    for kind in Classifier, Autoencoder:
        learner = make(kind).eval()
        assert torch.equal(learner.predict_step((images, labels), 0), learner(images))


@pytest.mark.parametrize(
    ("net", "kind", "loss"),
    [
        *itertools.product(("mlp", "cnn"), (Classifier,), CLASS_LOSSES),
        *itertools.product(("mlp", "cnn"), (Autoencoder,), REGRESSION_LOSSES),
        ("vit", Classifier, "cross_entropy"),
    ],
)
def test_the_loss_falls(net: str, kind: type[Learner], loss: str) -> None:
    torch.manual_seed(0)
    learner = make(kind, loss=loss, net=net, widths="64", norm="batch", lr=1e-2)
    optimizer, batch, values = learner.configure_optimizers(), digits_batch(64), []
    for _ in range(25):
        value = learner.losses(batch).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert all(map(math.isfinite, values))
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("name", TRAINABLES)
@pytest.mark.parametrize("net", ["mlp", "cnn"])
def test_three_epochs_of_digits_beat_the_baseline(name: str, net: str, tmp_path: Path) -> None:
    trainable, objective = TRAINABLES[name]
    setup = Setup(trainable, "trainables.mnist.data:MnistData", {"net": net}, 0, 3, objective)
    params = {"lr": 5e-3, "widths": "64", "norm": "batch", "batch_size": 64}
    epochs = list(train(setup, [Lane(0, params, 0)], 0, 3, str(tmp_path / "last.safetensors")))
    metrics = [epoch.metrics[0] for epoch in epochs]
    assert metrics[-1]["train/loss"] < metrics[0]["train/loss"]
    if objective == "val/accuracy":
        assert metrics[-1]["val/accuracy"] > 0.9 > 0.2 > epochs[-1].facts["baseline"]
    else:
        assert metrics[-1]["val/rmse"] < 0.8 * epochs[-1].facts["baseline"]


@pytest.mark.parametrize("name", TRAINABLES)
def test_learners_accept_every_value_of_their_space(name: str) -> None:
    space = spaces.read(name)
    module, objective = TRAINABLES[name]
    assert (space.trainable, space.objective.metric) == (module, objective)
    kind = import_path.load(space.trainable)
    known = import_path.argument_names(kind) | import_path.argument_names(MnistData)
    assert {*space.params, *space.settings, *space.options} <= known
    for key, param in space.params.items():
        for value in param.options if isinstance(param, Choice) else (param.low, param.high):
            make(kind, **{key: value})


@pytest.mark.parametrize(
    ("kind", "net", "norm"),
    [
        *itertools.product((Classifier, Autoencoder), ("mlp", "cnn"), NORMS),
        (Classifier, "vit", "none"),  # with a layer norm of its own
    ],
)
@pytest.mark.filterwarnings("error:There is a performance drop")  # a loop over the lanes in place of a batch
def test_vmap_over_learners_gives_the_gradients_of_each(kind: type[Learner], net: str, norm: str) -> None:
    batch, lanes = digits_batch(), []
    for seed in range(3):
        torch.manual_seed(seed)
        lanes.append(make(kind, net=net, norm=norm, label_smoothing=0.1 * seed))
    params, buffers = stack_module_state(lanes)  # type: ignore[arg-type]
    base = Mean(copy.deepcopy(lanes[0]))

    def value(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        state = {f"learner.{name}": tensor for name, tensor in (params | buffers).items()}
        return functional_call(base, state, (batch,))

    grads, values = vmap(grad_and_value(value))(params, buffers)
    for lane, learner in enumerate(lanes):
        alone = learner.losses(batch).mean()
        alone.backward()
        torch.testing.assert_close(values[lane], alone, rtol=1e-5, atol=1e-6)
        for name, parameter in learner.named_parameters():
            torch.testing.assert_close(grads[name][lane], parameter.grad, rtol=1e-4, atol=1e-6)
        for name, buffer in learner.named_buffers():  # includes the running statistics of batch norm
            torch.testing.assert_close(buffers[name][lane], buffer, rtol=1e-4, atol=1e-6)


class Mean(torch.nn.Module):
    """A module whose forward is the mean loss of a batch."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return self.learner.losses(batch).mean()
