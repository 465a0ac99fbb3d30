"""Volumes, and sections cut from them at planes: the one place where this is done."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.planes import geometry
from trainables.slices.planes.families import Family
from trainables.slices.volumes.appearance import developed, one_thread

CHUNK = 64  # sections cut together: few enough to stay in the processor's cache
BACKGROUND = 0.96  # of a clean cut: bright, as under a microscope


@dataclass(frozen=True, eq=False)
class Volume:
    """A brain to cut.

    `tensor`: float32 (C, Y, Z, X) within [0, 1]; layer 0 is tissue (0 is background), the others say what
    takes up stain. It fills a frame of `shape` (x, y, z) voxels of `voxel_um`, in which planes count; its own
    grid may be coarser. `ink` has for each layer the range of its share in a section's stain. `midline`: the
    x about which the halves mirror, if known. `family`: the planes at which it is cut.
    """

    tensor: Tensor
    shape: tuple[float, float, float]
    voxel_um: float
    midline: float | None
    ink: tuple[tuple[float, float], ...]
    family: Family


def sample(volume: Volume, planes: Tensor, size: int) -> Tensor:
    """The layers at the pixels of planes (N, 9): float32 (C, N, size, size), 0 outside of the volume."""
    # grid_sample counts from -1 to 1, and x, z, y as the volume lies: change the planes, not all positions.
    scale = 2 / torch.tensor(volume.shape, device=planes.device)
    start = torch.tensor([[1.0], [0.0], [0.0]], device=planes.device)
    scaled = planes.unflatten(-1, (3, 3)) * scale - start
    grid = geometry.positions(scaled[..., [0, 2, 1]].flatten(-2), size, size)
    return F.grid_sample(volume.tensor[None], grid[None], align_corners=False)[0]


def cut(volume: Volume, planes: Tensor, size: int) -> Tensor:
    """Clean sections at planes (N, 9), evenly stained on a bright ground: float32 (N, 1, size, size)."""
    shares = torch.tensor(volume.ink, device=planes.device).mean(dim=1)
    ink = torch.tensordot(shares, sample(volume, planes, size), dims=1)
    return (BACKGROUND - ink).clamp(0, 1)[:, None]


@one_thread()
def photographed(
    volume: Volume, planes: Tensor, size: int, dark: float, generator: torch.Generator
) -> Tensor:
    """Sections at planes (N, 9), each stained and worn in its own way: uint8 (N, 1, size, size).

    A share of `dark` glows on a black ground, as in fluorescence; the others lie on a bright one.
    """
    chunks = [
        developed(sample(volume, chunk, size), volume.ink, dark, generator) for chunk in planes.split(CHUNK)
    ]
    return torch.cat(chunks)[:, None]
