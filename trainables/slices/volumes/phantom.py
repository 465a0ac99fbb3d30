"""Sections of a phantom brain: near-coronal planes at random, cut, stained and worn as real sections are."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.planes.families import Family
from trainables.slices.volumes import anatomy
from trainables.slices.volumes.appearance import one_thread
from trainables.slices.volumes.cutting import Volume, photographed
from trainables.slices.volumes.drawing import Slab

SHAPE = (456, 528, 320)  # x, y, z in voxels of 25 µm: the Allen frame, in which planes count
VOXEL_UM = 25.0
MIDLINE = SHAPE[0] / 2
TARGET = "ABA_Mouse_CCFv3_2017_25um.cutlas"
INK = (0.05, 0.3), (0.25, 0.6), (-0.2, 0.3)  # of tissue, cells, fibres: Nissl to myelin stains
# Centres and sizes are near those of the GLTa series of DeepSlice; its angles vary as within one brain, here
# the cut is tilted by 3 degrees both ways as well, as it differs between brains.
CORONAL = Family("coronal", depth=(39, 427), centre=(MIDLINE, 148), width=507, aspect=1.316)
ANGLE = 3.0
DARK = 0.06
SLAB = 6  # planes drawn together: few enough to stay in the processor's cache


@functools.cache
@one_thread()
def make_volume() -> Tensor:
    """The phantom, always the same: float32 (3, 132, 160, 228) over (y, z, x), voxels of 100 x 50 x 50 µm.

    Channels: tissue (0 is background), cells and fibres, all within [0, 1]. Exactly symmetric in x.
    """
    generator = torch.Generator().manual_seed(0)
    y = ((torch.arange(132) + 0.5) * 0.1).view(-1, 1, 1)
    z = ((torch.arange(160) + 0.5) * 0.05).view(1, -1, 1)
    x = ((torch.arange(114) + 0.5) * 0.05).view(1, 1, -1)
    shape = (len(y), z.numel(), x.numel())
    coarse = _noise((14, 14, 10), shape, generator)
    fine = _noise((132, 80, 57), shape, generator)
    texture = 1 + 0.10 * coarse + 0.07 * fine + 0.06 * torch.randn(shape, generator=generator)
    half = torch.empty(3, *shape)
    for start in range(0, len(y), SLAB):
        rows = slice(start, start + SLAB)
        slab = Slab(x, y[rows], z, coarse[rows], fine[rows])
        anatomy.draw(slab)
        half[0, rows] = slab.tissue
        half[1, rows] = slab.tissue * (slab.cells * texture[rows]).clamp(0, 1)
        half[2, rows] = slab.tissue * slab.fibres
    return torch.cat([half.flip(-1), half], dim=-1)


def _noise(knots: tuple[int, ...], shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Smooth noise of mean 0 and deviation near 1."""
    values = torch.randn(1, 1, *knots, generator=generator)
    return F.interpolate(values, size=shape, mode="trilinear", align_corners=False)[0, 0] * 1.4


@functools.cache
def volume(image_size: int) -> Volume:
    """The phantom for images of `image_size` pixels: for few it is coarser, which aliases less and stays in
    the processor's cache."""
    layers = make_volume()
    if image_size <= 128:
        layers = F.avg_pool3d(layers, (1, 2, 2))
    return Volume(layers, SHAPE, VOXEL_UM, MIDLINE, INK, CORONAL)


def random_planes(count: int, generator: torch.Generator) -> Tensor:
    """Near-coronal planes float32 (count, 9); see families.py."""
    return CORONAL.draw(count, ANGLE, generator)


def cut(planes: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Sections of the phantom at planes (N, 9): uint8 (N, 1, size, size), mostly on a bright background."""
    return photographed(volume(size), planes, size, DARK, generator)
