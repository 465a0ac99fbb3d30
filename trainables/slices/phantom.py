"""Sections of a phantom brain: near-coronal planes at random, cut, stained and worn as real sections are."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices import anatomy, geometry
from trainables.slices.drawing import Slab

SHAPE = (456, 528, 320)  # x, y, z in voxels of 25 µm: the Allen frame, in which planes count
VOXEL_UM = 25.0
MIDLINE = SHAPE[0] / 2
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


def random_planes(count: int, generator: torch.Generator) -> Tensor:
    """Planes float32 (count, 9), U at right angles to V, spread as in real series of coronal sections.

    Centres and sizes are near those of the GLTa series of DeepSlice; its angles vary as within one brain,
    here the cut is tilted by 3 degrees both ways as well, as it differs between brains.
    """

    def normal(mean: float, deviation: float) -> Tensor:
        return mean + deviation * torch.randn(count, generator=generator)

    depth = 39 + (427 - 39) * torch.rand(count, generator=generator)
    centre = torch.stack([normal(MIDLINE, 7), depth, normal(148, 6)], dim=-1)
    width = 507 * normal(0, 0.025).exp()
    height = width / 1.316 * normal(0, 0.02).exp()
    roll, yaw, pitch = (normal(0, degrees).deg2rad() for degrees in (1.5, 3, 3))
    # An upright section looks along -x and -z. It is turned in its plane, then about z, then about x.
    turns = _rotation(0, 2, roll), _rotation(0, 1, yaw), _rotation(1, 2, pitch)
    across, down = (turns[2] @ turns[1] @ turns[0])[..., [0, 2]].neg().unbind(dim=-1)
    across, down = across * width[:, None], down * height[:, None]
    return torch.cat([centre - across / 2 - down / 2, across, down], dim=-1)


def _rotation(first: int, second: int, angle: Tensor) -> Tensor:
    """Rotations (N, 3, 3) that turn one axis towards another."""
    matrix = torch.eye(3).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first], matrix[:, first, second] = angle.sin(), -angle.sin()
    return matrix


@_one_thread()
def cut(planes: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Sections of the phantom at planes (N, 9): uint8 (N, 1, size, size), mostly on a bright background."""
    chunks = [_developed(sample(chunk, size), generator) for chunk in planes.split(CHUNK)]
    return torch.cat(chunks)[:, None]


def sample(planes: Tensor, size: int) -> Tensor:
    """Tissue, cells and fibres at the pixels of planes (N, 9): float32 (3, N, size, size)."""
    volume = _volumes()[1 if size <= 128 else 0]
    # grid_sample counts from -1 to 1, and x, z, y as the volume lies: change the planes, not all positions.
    scaled = planes.unflatten(-1, (3, 3)) * (2 / torch.tensor(SHAPE)) - torch.tensor([[1.0], [0.0], [0.0]])
    grid = geometry.positions(scaled[..., [0, 2, 1]].flatten(-2), size, size)
    return F.grid_sample(volume, grid[None], align_corners=False)[0]


@functools.cache
def _volumes() -> tuple[Tensor, Tensor]:
    """The volume, and a coarser one for images of few pixels: less aliasing, and it stays in the cache."""
    volume = make_volume()[None]
    return volume, F.avg_pool3d(volume, (1, 2, 2))


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
