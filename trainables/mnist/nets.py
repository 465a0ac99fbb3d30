"""The networks of the MNIST spaces, all of ordinary modules.

`net` says what looks at the image: dense layers alone (`mlp`), or two convolutions before them (`cnn`).
The dense layers are the same in both, and it is their widths that are searched.
"""

import re

from torch import nn

Shape = tuple[int, int, int]  # channels, height, width of an image
CHANNELS = (16, 32)  # of the two convolutions
NORMS = ("batch", "layer", "none")


def parse_widths(text: str) -> list[int]:
    """[128, 64] from "128-64". Raises ValueError."""
    if not re.fullmatch(r"[1-9]\d*(-[1-9]\d*)*", str(text)):
        raise ValueError(f"widths is {text!r}, but must be widths joined by '-', like 128-64 (param.widths=...)")
    return [int(width) for width in str(text).split("-")]


def normed(layer: nn.Linear | nn.Conv2d, norm: str) -> list[nn.Module]:
    """A layer, its norm and a ReLU. Raises ValueError for a norm that is not one of NORMS."""
    dense = isinstance(layer, nn.Linear)
    width = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    if norm == "none":
        return [layer, nn.ReLU()]
    if norm == "batch":
        return [layer, nn.BatchNorm1d(width) if dense else nn.BatchNorm2d(width), nn.ReLU()]
    if norm == "layer":  # one group of all channels is the layer norm of an image
        return [layer, nn.LayerNorm(width) if dense else nn.GroupNorm(1, width), nn.ReLU()]
    raise ValueError(f"norm is {norm!r}, but must be one of {', '.join(NORMS)} (param.norm=...)")


def mlp(features: int, widths: list[int], out: int, norm: str, dropout: float) -> nn.Sequential:
    """Dense layers: (B, features) -> (B, out), with dropout after each but the last."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}, but must be in [0, 1) (param.dropout=...)")
    layers: list[nn.Module] = []
    for width in widths:
        layers += [*normed(nn.Linear(features, width), norm), nn.Dropout(dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, out))


def encoder(net: str, shape: Shape, widths: list[int], out: int, norm: str, dropout: float) -> nn.Sequential:
    """From images (B, *shape) to (B, out). Raises ValueError for images too small for `cnn`."""
    channels, height, width = shape
    if net == "mlp":
        return nn.Sequential(nn.Flatten(), mlp(channels * height * width, widths, out, norm, dropout))
    if min(height, width) < 4:
        raise ValueError(f"the images are {height} x {width}, but net=cnn needs 4 x 4 or more (net=mlp)")
    first, second = CHANNELS
    return nn.Sequential(
        *normed(nn.Conv2d(channels, first, 3, padding=1), norm),
        nn.MaxPool2d(2),
        *normed(nn.Conv2d(first, second, 3, padding=1), norm),
        nn.MaxPool2d(2),
        nn.Flatten(),
        mlp(second * (height // 4) * (width // 4), widths, out, norm, dropout),
    )


def decoder(net: str, latent: int, widths: list[int], shape: Shape, norm: str, dropout: float) -> nn.Sequential:
    """From latents (B, latent) to images (B, *shape): the encoder's layers the other way round."""
    channels, height, width = shape
    if net == "mlp":
        dense = mlp(latent, widths[::-1], channels * height * width, norm, dropout)
        return nn.Sequential(dense, nn.Unflatten(1, shape))
    first, second = CHANNELS
    small = (second, height // 4, width // 4)
    return nn.Sequential(
        mlp(latent, widths[::-1], second * (height // 4) * (width // 4), norm, dropout),
        nn.ReLU(),
        nn.Unflatten(1, small),
        nn.Upsample((height // 2, width // 2)),
        *normed(nn.Conv2d(second, first, 3, padding=1), norm),
        nn.Upsample((height, width)),
        nn.Conv2d(first, channels, 3, padding=1),
    )
