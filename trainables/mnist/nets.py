"""Networks of the MNIST spaces, built from PyTorch modules.

`net="mlp"` has dense layers only; `net="cnn"` puts two convolutions of stride 2 before them, `net="vit"` a
vision transformer (vit.py). The spaces search the widths of the dense layers.
"""

import re

from torch import nn

from trainables.mnist import vit

Shape = tuple[int, int, int]  # channels, height, width of an image
CHANNELS = (16, 32)  # output channels of the two convolutions
KERNELS = (5, 3)  # their kernel sizes
NORMS = ("batch", "layer", "none")


def parse_widths(text: str) -> list[int]:
    """[128, 64] from "128-64". Raises ValueError unless these are positive numbers joined by hyphens."""
    if not re.fullmatch(r"[1-9]\d*(-[1-9]\d*)*", str(text)):
        raise ValueError(
            f"widths is {text!r}, but must be numbers joined by -, like 128-64 (param.widths=...)"
        )
    return [int(width) for width in str(text).split("-")]


def dense(features: int, width: int, norm: str) -> list[nn.Module]:
    """A dense layer, its norm and a ReLU."""
    norms = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    layer = nn.Linear(features, width, bias=norm != "batch")  # batch norm cancels a bias
    return [layer, *([norms[norm](width)] if norm in norms else []), nn.ReLU()]


def after_convolution(channels: int, norm: str) -> list[nn.Module]:
    """Norm and ReLU of the output of a convolution."""
    if norm == "batch":
        return [nn.BatchNorm2d(channels), nn.ReLU()]
    # Group norm with one group is layer norm over channels and pixels.
    return [nn.GroupNorm(1, channels), nn.ReLU()] if norm == "layer" else [nn.ReLU()]


def mlp(features: int, widths: list[int], out: int, norm: str, dropout: float) -> nn.Sequential:
    """Dense layers (B, features) -> (B, out), with norm, ReLU and dropout after each but the last.

    Raises ValueError for a norm that is not one of NORMS and for a dropout outside [0, 1).
    """
    if norm not in NORMS:
        raise ValueError(f"norm is {norm!r}, but must be one of {', '.join(NORMS)} (param.norm=...)")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}, but must be in [0, 1) (param.dropout=...)")
    layers: list[nn.Module] = []
    for width in widths:
        layers += [*dense(features, width, norm), nn.Dropout(dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, out))


def halved_sizes(shape: Shape) -> list[tuple[int, int]]:
    """Height and width of the image, and after each convolution: half, rounded up."""
    sizes = [shape[1:]]
    for _ in CHANNELS:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def encoder(net: str, shape: Shape, widths: list[int], out: int, norm: str, dropout: float) -> nn.Sequential:
    """Network from images (B, *shape) to (B, out). Raises ValueError as `mlp` does."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    if net == "cnn":
        for out_channels, kernel in zip(CHANNELS, KERNELS, strict=True):
            layers.append(nn.Conv2d(channels, out_channels, kernel, 2, kernel // 2, bias=norm != "batch"))
            layers += after_convolution(out_channels, norm)
            channels = out_channels
        height, width = halved_sizes(shape)[-1]
    if net == "vit":
        layers.append(vit.VisionTransformer(shape, dropout))
        channels, height, width = vit.WIDTH, 1, 1
    return nn.Sequential(*layers, nn.Flatten(), mlp(channels * height * width, widths, out, norm, dropout))


def decoder(
    net: str, latent: int, widths: list[int], shape: Shape, norm: str, dropout: float
) -> nn.Sequential:
    """Network from latents (B, latent) to (B, *shape), the mirror image of the encoder.

    Raises ValueError as `mlp` does.
    """
    if net == "mlp":
        count = shape[0] * shape[1] * shape[2]
        return nn.Sequential(mlp(latent, widths[::-1], count, norm, dropout), nn.Unflatten(1, shape))
    sizes, channels = halved_sizes(shape), (shape[0], *CHANNELS)
    small = (channels[-1], *sizes[-1])
    layers: list[nn.Module] = [mlp(latent, widths[::-1], small[0] * small[1] * small[2], norm, dropout)]
    layers += [nn.ReLU(), nn.Unflatten(1, small)]
    for step in reversed(range(len(CHANNELS))):
        if step < len(CHANNELS) - 1:
            layers += after_convolution(channels[step + 1], norm)
        kernel, (height, width), (half_height, half_width) = KERNELS[step], sizes[step], sizes[step + 1]
        layers.append(
            nn.ConvTranspose2d(
                channels[step + 1],
                channels[step],
                kernel,
                stride=2,
                padding=kernel // 2,
                # A half may come from an even or an odd size; the padding picks the right one.
                output_padding=(height - 2 * half_height + 1, width - 2 * half_width + 1),
                bias=norm != "batch" or step == 0,
            )
        )
    return nn.Sequential(*layers)
