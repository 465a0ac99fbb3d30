"""Volumes, and cutting sections from them at planes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.planes import geometry
from trainables.slices.planes.families import Family
from trainables.slices.volumes.appearance import one_thread, render

CHUNK = 64  # sections cut at a time: few enough for the processor's cache
BACKGROUND = 0.96  # grey of a clean cut's background: bright, as under a microscope


@dataclass(frozen=True, eq=False)
class Volume:
    """A brain from which sections are cut.

    `tensor`: float32 (C, Y, Z, X) in [0, 1]; layer 0 is tissue (0: background), the others take up stain. It
    fills a frame of `shape` (x, y, z) voxels of `voxel_um`, the unit of planes; its own grid may be coarser.
    `stain_weights`: the range of each layer's weight in a section's stain. `midline`: the x of the plane of
    symmetry, None without one. `family`: the distribution of the planes at which it is cut.
    """

    tensor: Tensor
    shape: tuple[float, float, float]
    voxel_um: float
    midline: float | None
    stain_weights: tuple[tuple[float, float], ...]
    family: Family


def sample(volume: Volume, planes: Tensor, size: int) -> Tensor:
    """The layers at the pixels of planes (N, 9): float32 (C, N, size, size), 0 outside the volume."""
    # grid_sample's coordinates run from -1 to 1, in the order x, z, y: convert planes instead of positions.
    scale = 2 / torch.tensor(volume.shape, device=planes.device)
    start = torch.tensor([[1.0], [0.0], [0.0]], device=planes.device)
    scaled = planes.unflatten(-1, (3, 3)) * scale - start
    grid = geometry.positions(scaled[..., [0, 2, 1]].flatten(-2), size, size)
    return F.grid_sample(volume.tensor[None], grid[None], align_corners=False)[0]


def cut(volume: Volume, planes: Tensor, size: int) -> Tensor:
    """Clean sections at planes (N, 9), with the mean stain: float32 (N, 1, size, size) in [0, 1]."""
    weights = torch.tensor(volume.stain_weights, device=planes.device).mean(dim=1)
    ink = torch.tensordot(weights, sample(volume, planes, size), dims=1)
    return (BACKGROUND - ink).clamp(0, 1)[:, None]


@one_thread()
def cut_stained(volume: Volume, planes: Tensor, size: int, dark: float, generator: torch.Generator) -> Tensor:
    """Sections at planes (N, 9), each with a random stain, tear, blur and noise: uint8 (N, 1, size, size).

    A share of `dark` is bright on a black background, as in fluorescence; the others are dark on bright.
    """
    chunks = [
        render(sample(volume, chunk, size), volume.stain_weights, dark, generator)
        for chunk in planes.split(CHUNK)
    ]
    return torch.cat(chunks)[:, None]
