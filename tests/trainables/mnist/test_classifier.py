"""The classifier: its losses and metrics, and the errors for bad parameters."""

from typing import Any

import pytest
import torch

from tests.trainables.mnist.learners import digits_batch, make
from trainables.mnist.classifier import CLASS_LOSSES, Classifier


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


@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_each_loss_matches_its_formula(loss: str) -> None:
    images, labels = digits_batch()
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
