"""The classifier and the autoencoder: shapes, losses, what they learn, and that they are functional."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from spaces import read as spaces
from spaces.params import Choice
from trainables import import_path
from trainables.learner import Learner
from trainables.losses import LOSSES
from trainables.mnist.autoencoder import Autoencoder
from trainables.mnist.classifier import Classifier
from trainables.mnist.data import MnistData
from trainables.mnist.nets import NORMS, decoder, encoder, parse_widths
from trainables.training.train import Lane, Setup, train

torch.set_num_threads(1)
TRAINABLES = {
    "mnist_classifier": ("trainables.mnist.classifier:Classifier", "val/accuracy"),
    "mnist_autoencoder": ("trainables.mnist.autoencoder:Autoencoder", "val/rmse"),
}


def make(kind: type[Learner], shape: tuple[int, int, int] = (1, 8, 8), **params: Any) -> Learner:
    return import_path.build(kind, {"n_classes": 10, "image_shape": shape, "widths": "16-8"} | params)


def a_batch(count: int = 32) -> tuple[Tensor, Tensor]:
    return MnistData().split("train").__getitems__(range(count))


# Nets


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("net", ["mlp", "cnn"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 14), (1, 1, 1)])
def test_nets_have_the_shapes_of_their_images(shape: tuple[int, int, int], net: str, norm: str) -> None:
    latents = encoder(net, shape, [12, 6], 4, norm, 0.1)(torch.rand(5, *shape))
    assert latents.shape == (5, 4)
    assert decoder(net, 4, [12, 6], shape, norm, 0.1)(latents).shape == (5, *shape)


def test_widths_are_numbers_joined_by_hyphens() -> None:
    assert parse_widths("128-64") == [128, 64]
    assert parse_widths("32") == [32]
    for bad in "", "128-", "0", "12x", "-3", "64,32":
        with pytest.raises(ValueError, match="joined by -"):
            parse_widths(bad)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"net": "rnn"}, "net is 'rnn'"),
        ({"norm": "group"}, "norm is 'group'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"lr": -1.0}, "lr is -1.0"),
    ],
)
def test_bad_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(Classifier, **params)


def test_the_autoencoder_takes_only_its_losses() -> None:
    with pytest.raises(ValueError, match="must be one of mse, l1, linf"):
        make(Autoencoder, loss="cross_entropy")
    with pytest.raises(ValueError, match="latent is 0"):
        make(Autoencoder, latent=0)


# Losses and metrics


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_of_the_classifier_is_its_formula(loss: str) -> None:
    images, labels = a_batch()
    learner = make(Classifier, loss=loss, label_smoothing=0.2)
    logits = learner(images)
    target = torch.nn.functional.one_hot(labels, 10) * 0.8 + 0.02
    error = (logits.softmax(1) - target).abs()
    entropy = torch.nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=0.2)
    expected = {
        "mse": (error**2).mean(1),
        "l1": error.mean(1),
        "linf": error.amax(1),
        "cross_entropy": entropy,
    }[loss]
    torch.testing.assert_close(learner.losses((images, labels)), expected)
    metrics = learner.metrics((images, labels))
    torch.testing.assert_close(metrics["loss"], expected)
    assert metrics["accuracy"].mean() == (logits.argmax(1) == labels).float().mean()


@pytest.mark.parametrize("loss", ["mse", "l1", "linf"])
def test_rmse_is_the_same_for_every_loss(loss: str) -> None:
    images, labels = a_batch()
    torch.manual_seed(0)
    learner = make(Autoencoder, loss=loss)
    output = learner(images)
    assert output.shape == images.shape
    assert 0 <= output.min() <= output.max() <= 1
    expected = ((output - images) ** 2).mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(learner.metrics((images, labels))["rmse"], expected)
    assert learner.losses((images, labels)).shape == labels.shape
    torch.testing.assert_close(learner.losses((images, labels)), learner.losses((images, labels.flip(0))))


def test_what_lightning_predicts_is_the_output() -> None:
    images, labels = a_batch()
    for kind in Classifier, Autoencoder:
        learner = make(kind).eval()
        assert torch.equal(learner.predict_step((images, labels), 0), learner(images))


# Training


@pytest.mark.parametrize("net", ["mlp", "cnn"])
@pytest.mark.parametrize(
    ("kind", "loss"),
    [*((Classifier, loss) for loss in LOSSES), *((Autoencoder, loss) for loss in ("mse", "l1", "linf"))],
)
def test_the_loss_falls(kind: type[Learner], loss: str, net: str) -> None:
    torch.manual_seed(0)
    learner = make(kind, loss=loss, net=net, widths="64", norm="batch", lr=1e-2)
    optimizer, batch, values = learner.configure_optimizers(), a_batch(64), []
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
        assert metrics[-1]["val/accuracy"] > 0.9 > 0.2 > metrics[-1]["val/baseline"]
    else:
        assert metrics[-1]["val/rmse"] < 0.8 * metrics[-1]["val/baseline"]


@pytest.mark.parametrize("name", TRAINABLES)
def test_every_value_of_the_space_is_taken(name: str) -> None:
    space = spaces.read(name)
    module, objective = TRAINABLES[name]
    assert (space.trainable, space.objective.metric) == (module, objective)
    kind = import_path.load(space.trainable)
    known = import_path.argument_names(kind) | import_path.argument_names(MnistData)
    assert {*space.params, *space.settings, *space.options} <= known
    for key, param in space.params.items():
        for value in param.options if isinstance(param, Choice) else (param.low, param.high):
            make(kind, **{key: value})


# Packs


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("net", ["mlp", "cnn"])
@pytest.mark.parametrize("kind", [Classifier, Autoencoder])
def test_stacked_learners_have_the_gradients_of_each(kind: type[Learner], net: str, norm: str) -> None:
    batch, lanes = a_batch(), []
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
        for name, buffer in learner.named_buffers():  # the running means of batch norm went along
            torch.testing.assert_close(buffers[name][lane], buffer, rtol=1e-4, atol=1e-6)


class Mean(torch.nn.Module):
    """The mean loss of a batch as a module's forward."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return self.learner.losses(batch).mean()
