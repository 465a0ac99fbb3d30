"""A small vision transformer (Dosovitskiy et al., ICLR 2021): patches of an image as a sequence."""

import math
from typing import final

import torch
from torch import Tensor, nn

from trainables.attention import Block

WIDTH = 64  # numbers per patch, and of the output
HEADS = 4
DEPTH = 2
PATCHES = 7  # along the longer side of an image, at most
# Of the initial positions. With the usual 0.02 a few hundred steps hardly learn where a patch is: 48 % of the
# digits in place of 88 % after 9 epochs.
POSITION_SCALE = 0.3


@final
class VisionTransformer(nn.Module):
    """Maps images (B, C, H, W) to the mean of their patches, (B, WIDTH).

    A patch has 2 x 2 pixels in images of 8 x 8, and 4 x 4 in images of 28 x 28. `shape` is (C, H, W).
    Raises ValueError for a `dropout` outside [0, 1).
    """

    def __init__(self, shape: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        channels, height, width = shape
        size = math.ceil(max(height, width) / PATCHES)
        rows, columns = math.ceil(height / size), math.ceil(width / size)
        self.patches = nn.Sequential(
            nn.ZeroPad2d((0, columns * size - width, 0, rows * size - height)),
            nn.Conv2d(channels, WIDTH, size, stride=size),
            nn.Flatten(2),
        )
        self.positions = nn.Parameter(POSITION_SCALE * torch.randn(rows * columns, WIDTH))
        self.blocks = nn.Sequential(
            *(Block(WIDTH, HEADS, dropout) for _ in range(DEPTH)), nn.LayerNorm(WIDTH)
        )

    def forward(self, images: Tensor) -> Tensor:
        sequence = self.patches(images).transpose(1, 2) + self.positions
        return self.blocks(sequence).mean(1)
