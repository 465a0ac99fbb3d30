"""The phantom: a volume drawn like a mouse brain, and random near-coronal sections of it."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.planes.families import Family
from trainables.slices.volumes import anatomy
from trainables.slices.volumes.appearance import one_thread
from trainables.slices.volumes.cutting import Volume, cut_stained
from trainables.slices.volumes.drawing import Slab

SHAPE = (456, 528, 320)  # x, y, z in voxels of 25 µm: the frame of the Allen atlas
VOXEL_UM = 25.0
MIDLINE = SHAPE[0] / 2
TARGET = "ABA_Mouse_CCFv3_2017_25um.cutlas"
STAIN_WEIGHTS = (0.05, 0.3), (0.25, 0.6), (-0.2, 0.3)  # of tissue, cells, fibres: Nissl to myelin stains
# Centres and sizes are near those of DeepSlice's GLTa series. Its angles vary within one brain; here the
# cutting direction varies by 3 degrees as well, as between brains.
CORONAL = Family("coronal", depth=(39, 427), centre=(MIDLINE, 148), width=507, aspect=1.316)
ANGLE = 3.0
DARK = 0.06
SLAB = 6  # planes drawn at a time: few enough for the processor's cache


@functools.cache
@one_thread()
def make_volume() -> Tensor:
    """The phantom: float32 (3, 132, 160, 228) over (y, z, x), voxels of 100 x 50 x 50 µm. Deterministic.

    Channels: tissue (0: background), cells and fibres, all in [0, 1]. Exactly symmetric in x.
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
    """Smooth noise of mean 0 and standard deviation near 1."""
    values = torch.randn(1, 1, *knots, generator=generator)
    return F.interpolate(values, size=shape, mode="trilinear", align_corners=False)[0, 0] * 1.4


@functools.cache
def volume(image_size: int) -> Volume:
    """The phantom for images of `image_size` pixels; coarser for small images: less aliasing, and faster."""
    layers = make_volume()
    if image_size <= 128:
        layers = F.avg_pool3d(layers, (1, 2, 2))
    return Volume(layers, SHAPE, VOXEL_UM, MIDLINE, STAIN_WEIGHTS, CORONAL)


def random_planes(count: int, generator: torch.Generator) -> Tensor:
    """Random near-coronal planes float32 (count, 9); see families.py."""
    return CORONAL.draw(count, ANGLE, generator)


def cut(planes: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Stained sections of the phantom at planes (N, 9), most of them bright: uint8 (N, 1, size, size)."""
    return cut_stained(volume(size), planes, size, DARK, generator)
