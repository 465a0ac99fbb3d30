"""A volume from anchored sections: each put at its plane, and what lies between two is blended from both.

A line along the stack meets every section once. Between two meeting points the neighbours are blended by
distance, the outlines by their signed distance maps ("shape-based interpolation": Raya and Udupa, IEEE Trans
Med Imaging 1990), for else the larger neighbour would stand as a halo around the smaller one. Beyond the
outermost sections the volume ends after half a gap.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from trainables.slices.options import FAMILIES
from trainables.slices.planes.families import family_like
from trainables.slices.volumes.cutting import Volume

INK = (0.0, 0.1), (0.5, 1.3)  # of tissue, of the stain as it was seen
DEEP = 4.0  # voxels between the volume's planes along the stack
FAR = 20.0  # steps: depths beyond it tell nothing of an outline
LEAN = 0.5  # cosine of the angle by which a section may lean against the stack
FEWEST = 4  # sections: with fewer, most of what is cut would be made up


def inked(images: Tensor) -> Tensor:
    """How far images (N, S, S) in [0, 1] differ from their ground, be it bright or dark: (N, S, S)."""
    edge = torch.cat([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], dim=1)
    ground = edge.median(dim=1).values[:, None, None]
    return torch.where(ground > 0.5, ground - images, images - ground).clamp(min=0)


def stained(images: Tensor) -> Tensor:
    """Tissue and stain (2, N, S, S) of images (N, S, S) in [0, 1], on a bright or a dark ground.

    The sections of a brain are made equally strong: how a stain took differs between neighbours.
    """
    ink = inked(images)
    near = F.avg_pool2d(ink[:, None], 3, stride=1, padding=1)[:, 0]
    tissue = ((near - 0.03) / 0.04).clamp(0, 1)
    strength = (tissue * ink).sum(dim=(1, 2)) / tissue.sum(dim=(1, 2)).clamp(min=1)
    even = strength.mean() / strength.clamp(min=0.02)
    return torch.stack([tissue, (ink * even[:, None, None]).clamp(max=1)])


def series_volume(
    images: Tensor,
    planes: Tensor,
    shape: tuple[float, float, float],
    voxel_um: float,
    midline: float | None,
    image_size: int,
) -> Volume:
    """A volume for images of `image_size` pixels, from the images (N, S, S) in [0, 1] of one brain.

    `planes` (N, 9) count in voxels of `voxel_um`, `shape` (x, y, z) of them. Raises ValueError.
    """
    if len(images) < FEWEST:
        raise ValueError(
            f"a brain has {len(images)} sections to train on, but a volume needs {FEWEST}; anchor more, "
            "or take the sections as they are with data=quicknii"
        )
    family = family_like(planes)
    axes = FAMILIES[family.name]
    normals = F.normalize(torch.linalg.cross(planes[:, 3:6], planes[:, 6:9]), dim=1)
    if len(askew := (normals[:, axes[1]].abs() < LEAN).nonzero()):
        raise ValueError(
            f"section {int(askew[0]) + 1} of {len(images)} is no {family.name} one as the others are, so no "
            "volume can be made of them; leave it out, or take the sections as they are with data=quicknii"
        )
    step = min(max(family.width / image_size, 1.5), DEEP)
    counts = [max(2, round(shape[axis] / wide)) for axis, wide in zip(axes, (step, DEEP, step), strict=True)]
    a, d, w = (
        (torch.arange(count) + 0.5) * (shape[axis] / count) for count, axis in zip(counts, axes, strict=True)
    )
    layers, heights = _on_lines(
        stained(images), planes[:, [3 * v + axis for v in range(3) for axis in axes]], a, w
    )
    tensor = _blended(layers, heights, d)  # (C, deep, down, across)
    order = [1 + [axes[1], axes[2], axes[0]].index(axis) for axis in (1, 2, 0)]
    return Volume(tensor.permute(0, *order).contiguous(), shape, voxel_um, midline, INK, family)


def _on_lines(layers: Tensor, planes: Tensor, a: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """What each line along the stack meets: layers (C, N, W, A), and where it meets it (N, W, A).

    `planes` in the order of axes across, deep, down; the lines stand at `a` across and `w` down.
    """
    origin, across, down = planes.float().split(3, dim=1)
    # O + U s + V t = (a, ., w) for s and t: a 2 x 2 system a section.
    system = torch.stack([across[:, [0, 2]], down[:, [0, 2]]], dim=-1)
    places = torch.stack(torch.broadcast_tensors(a, w[:, None]), dim=-1)
    st = torch.einsum("nij,nwaj->nwai", torch.linalg.inv(system), places - origin[:, None, None, [0, 2]])
    rise = torch.stack([across[:, 1], down[:, 1]], dim=-1)
    heights = origin[:, 1, None, None] + torch.einsum("nwai,ni->nwa", st, rise)
    seen = F.grid_sample(layers.transpose(0, 1), 2 * st - 1, align_corners=False)  # 0 beyond the image
    return seen.transpose(0, 1), heights


def _depths(tissue: Tensor) -> Tensor:
    """How deep each place lies in the tissue (N, W, A), in steps, and below 0 how far outside."""
    inside = (tissue > 0.5).numpy()
    maps = [distance_transform_edt(mask) - distance_transform_edt(~mask) for mask in inside]
    return torch.from_numpy(np.stack(maps)).float().clamp(-FAR, FAR)


def _blended(layers: Tensor, heights: Tensor, d: Tensor) -> Tensor:
    """Tissue and stain at the places `d` along lines, of what these meet (2, N, W, A) at `heights` (N, W, A).

    -> (2, D, W, A).
    """
    tissue, ink = layers
    stack = torch.stack([_depths(tissue), tissue, tissue * ink])
    heights, order = heights.sort(dim=0)
    stack = stack.gather(1, order.expand_as(stack))
    last = len(heights) - 1
    gap = (heights[-1] - heights[0]) / last
    blended = layers.new_zeros(2, len(d), *heights.shape[1:])
    for place, deep in enumerate(d):
        above = (heights <= deep).sum(dim=0, keepdim=True)
        lower, upper = (above - 1).clamp(0, last), above.clamp(0, last)
        low, high = heights.gather(0, lower), heights.gather(0, upper)
        share = ((deep - low) / (high - low).clamp(min=1e-3)).clamp(0, 1)
        first, second = (stack.gather(1, index.expand(3, -1, -1, -1))[:, 0] for index in (lower, upper))
        depth, weight, stain = first.lerp(second, share[0])
        within = (deep > heights[0] - gap / 2) & (deep < heights[-1] + gap / 2)
        blended[0, place] = (depth + 0.5).clamp(0, 1) * within
        # Where one neighbour alone has tissue, its stain stands alone.
        blended[1, place] = blended[0, place] * stain / weight.clamp(min=1e-3)
    return blended.clamp_(0, 1)
