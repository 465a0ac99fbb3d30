"""Networks of the MNIST spaces: shapes, and the notation of widths."""

import pytest
import torch

from trainables.mnist.nets import NORMS, decoder, encoder, parse_widths


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("net", ["mlp", "cnn"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 14), (1, 1, 1)])
def test_encoder_and_decoder_shapes(shape: tuple[int, int, int], net: str, norm: str) -> None:
    latents = encoder(net, shape, [12, 6], 4, norm, 0.1)(torch.rand(5, *shape))
    assert latents.shape == (5, 4)
    assert decoder(net, 4, [12, 6], shape, norm, 0.1)(latents).shape == (5, *shape)


def test_widths_are_numbers_joined_by_hyphens() -> None:
    assert parse_widths("128-64") == [128, 64]
    assert parse_widths("32") == [32]
    for bad in "", "128-", "0", "12x", "-3", "64,32":
        with pytest.raises(ValueError, match="joined by -"):
            parse_widths(bad)
