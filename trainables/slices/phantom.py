"""Sections of a phantom brain: near-coronal planes at random, cut, stained and worn as real sections are."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices import anatomy
from trainables.slices.cutting import Volume, sample
from trainables.slices.drawing import Slab
from trainables.slices.families import Family

SHAPE = (456, 528, 320)  # x, y, z in voxels of 25 µm: the Allen frame, in which planes count
VOXEL_UM = 25.0
MIDLINE = SHAPE[0] / 2
TARGET = "ABA_Mouse_CCFv3_2017_25um.cutlas"
INK = (0.05, 0.3), (0.25, 0.6), (-0.2, 0.3)  # of tissue, cells, fibres: Nissl to myelin stains
# Centres and sizes are near those of the GLTa series of DeepSlice; its angles vary as within one brain, here
# the cut is tilted by 3 degrees both ways as well, as it differs between brains.
CORONAL = Family("coronal", depth=(39, 427), centre=(MIDLINE, 148), width=507, aspect=1.316)
ANGLE = 3.0
SLAB = 6  # planes drawn together, and
CHUNK = 64  # sections cut together: few enough to stay in the processor's cache


@contextmanager
def _one_thread() -> Iterator[None]:
    """For many short steps: to share each among threads gains little, and where cores are busy loses much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@functools.cache
@_one_thread()
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


@_one_thread()
def cut(planes: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Sections of the phantom at planes (N, 9): uint8 (N, 1, size, size), mostly on a bright background."""
    chunks = [_developed(sample(volume(size), chunk, size), generator) for chunk in planes.split(CHUNK)]
    return torch.cat(chunks)[:, None]


def _developed(layers: Tensor, generator: torch.Generator) -> Tensor:
    """Stain, tears, blur, noise and gain: layers (3, N, S, S) -> uint8 (N, S, S)."""
    _, count, size, _ = layers.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    # A stain is a mixture: cells dark and fibres bright as in Nissl's, fibres dark as in a myelin stain.
    tissue, cells, fibres = layers
    ink = uniform(0.05, 0.3) * tissue
    ink.addcmul_(uniform(0.25, 0.6), cells).addcmul_(uniform(-0.2, 0.3), fibres)
    ink *= _tears(count, size, generator)
    blurred = F.avg_pool2d(ink, 3, stride=1, padding=1, count_include_pad=False)
    ink.lerp_(blurred, uniform(0, 0.9))
    ink.addcmul_(uniform(0.005, 0.03), torch.randn(ink.shape, generator=generator))
    background, gain = uniform(0.9, 1.02), uniform(0.8, 1.2)
    dark = uniform(0, 1) < 0.06  # a few sections glow on black
    background, gain = torch.where(dark, 1 - background, background), torch.where(dark, -gain, gain)
    image = torch.addcmul(255 * background + 0.5, ink, -255 * gain)
    return image.clamp_(0, 255).to(torch.uint8)


def _tears(count: int, size: int, generator: torch.Generator) -> Tensor:
    """What is left of the tissue, (N, S, S): half of the sections have a tear, a thin wavy line."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    ramp = torch.linspace(0, 1, size)
    x, y = ramp - uniform(0.2, 0.8), ramp[:, None] - uniform(0.2, 0.8)
    angle = uniform(0, 2 * torch.pi)
    along, beside = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    beside.addcmul_(uniform(0, 0.02), torch.sin(uniform(15, 40) * along))
    width = along.mul_(6).clamp_(0, 1).mul_(uniform(-0.015, 0.015))  # it widens from its tip on
    return beside.abs_().sub_(width).mul_(size).add_(1).clamp_(0, 1)
