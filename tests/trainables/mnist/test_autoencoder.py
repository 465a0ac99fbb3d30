"""The autoencoder: its losses and metrics, and the errors for bad parameters."""

import pytest
import torch

from tests.trainables.mnist.learners import digits_batch, make
from trainables.mnist.autoencoder import Autoencoder


def test_other_losses_and_an_empty_latent_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one of mse, l1, linf"):
        make(Autoencoder, loss="cross_entropy")
    with pytest.raises(ValueError, match="latent is 0"):
        make(Autoencoder, latent=0)


@pytest.mark.parametrize("loss", ["mse", "l1", "linf"])
def test_rmse_is_the_same_for_every_loss(loss: str) -> None:
    images, labels = digits_batch()
    torch.manual_seed(0)
    learner = make(Autoencoder, loss=loss)
    output = learner(images)
    assert output.shape == images.shape
    assert 0 <= output.min() <= output.max() <= 1
    expected = ((output - images) ** 2).mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(learner.metrics((images, labels))["rmse"], expected)
    assert learner.losses((images, labels)).shape == labels.shape
    torch.testing.assert_close(learner.losses((images, labels)), learner.losses((images, labels.flip(0))))
