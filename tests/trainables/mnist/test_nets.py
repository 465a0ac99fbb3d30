"""Networks of the MNIST spaces: shapes, and the notation of widths."""

import pytest
import torch

from trainables.mnist.nets import NORMS, decoder, encoder, parse_widths
from trainables.mnist.prepare import DECODED, NETS
from trainables.mnist.vit import VisionTransformer


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 14), (1, 1, 1)])
def test_encoder_and_decoder_shapes(shape: tuple[int, int, int], net: str, norm: str) -> None:
    latents = encoder(net, shape, [12, 6], 4, norm, 0.1)(torch.rand(5, *shape))
    assert latents.shape == (5, 4)
    if net in DECODED:
        assert decoder(net, 4, [12, 6], shape, norm, 0.1)(latents).shape == (5, *shape)


def test_patches_are_two_pixels_of_digits_and_four_of_mnist() -> None:
    for side, patches in (8, 16), (28, 49):
        assert len(VisionTransformer((1, side, side), 0.0).positions) == patches


def test_a_vision_transformer_sees_every_pixel_and_where_it_is() -> None:
    torch.manual_seed(0)
    net = VisionTransformer((1, 9, 14), 0.0).eval()
    images = torch.rand(1, 1, 9, 14, requires_grad=True)
    net(images).sum().backward()
    assert images.grad is not None and bool((images.grad != 0).all())
    assert not torch.allclose(net(images), net(images.roll(4, 3)), atol=1e-4)


def test_widths_are_numbers_joined_by_hyphens() -> None:
    assert parse_widths("128-64") == [128, 64]
    assert parse_widths("32") == [32]
    for bad in "", "128-", "0", "12x", "-3", "64,32":
        with pytest.raises(ValueError, match="joined by -"):
            parse_widths(bad)
