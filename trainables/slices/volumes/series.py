"""A volume interpolated between the anchored sections of one brain.

A line along the stack meets every section once. Between two sections the stain is interpolated linearly, the
outline by its signed distance map ("shape-based interpolation": Raya and Udupa, IEEE Trans Med Imaging
1990); otherwise the larger outline would leave a halo around the smaller one. The volume ends half a gap
beyond the outermost sections.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from trainables.slices.options import FAMILIES
from trainables.slices.planes.families import fit_family
from trainables.slices.volumes.appearance import border_median
from trainables.slices.volumes.cutting import Volume

STAIN_WEIGHTS = (0.0, 0.1), (0.5, 1.3)  # of tissue, of the sections' own stain
DEPTH_STEP = 4.0  # voxels between the volume's planes along the stack
MAX_DEPTH = 20.0  # steps at which the signed distance maps are clipped
MIN_COSINE = 0.5  # of the angle between a section's normal and the stack
MIN_SECTIONS = 4  # with fewer, most of the volume would be interpolated


def stain_intensity(images: Tensor) -> Tensor:
    """Difference of images (N, S, S) in [0, 1] from their background, be it bright or dark: (N, S, S)."""
    background = border_median(images)
    return torch.where(background > 0.5, background - images, images - background).clamp(min=0)


def tissue_and_stain(images: Tensor) -> Tensor:
    """Tissue and stain (2, N, S, S) of images (N, S, S) in [0, 1], on a bright or a dark background.

    The mean intensity of the stain is made equal in all sections, since it varies between neighbours.
    """
    ink = stain_intensity(images)
    near = F.avg_pool2d(ink[:, None], 3, stride=1, padding=1)[:, 0]
    tissue = ((near - 0.03) / 0.04).clamp(0, 1)
    strength = (tissue * ink).sum(dim=(1, 2)) / tissue.sum(dim=(1, 2)).clamp(min=1)
    gain = strength.mean() / strength.clamp(min=0.02)
    return torch.stack([tissue, (ink * gain[:, None, None]).clamp(max=1)])


def series_volume(
    images: Tensor,
    planes: Tensor,
    shape: tuple[float, float, float],
    voxel_um: float,
    midline: float | None,
    image_size: int,
) -> Volume:
    """A volume for images of `image_size` pixels, from the images (N, S, S) in [0, 1] of one brain.

    `planes` (N, 9) and `shape` (x, y, z) are in voxels of `voxel_um`. Raises ValueError if there are fewer
    than MIN_SECTIONS sections, or if one is not cut in about the same direction as the others.
    """
    if len(images) < MIN_SECTIONS:
        raise ValueError(
            f"a brain has {len(images)} sections to train on, but a volume needs {MIN_SECTIONS}; anchor "
            "more, or use the sections themselves with data=quicknii"
        )
    family = fit_family(planes)
    axes = FAMILIES[family.name]
    normals = F.normalize(torch.linalg.cross(planes[:, 3:6], planes[:, 6:9]), dim=1)
    if len(askew := (normals[:, axes[1]].abs() < MIN_COSINE).nonzero()):
        raise ValueError(
            f"section {int(askew[0]) + 1} of {len(images)} is not {family.name} like the others, so they "
            "can't form a volume; leave it out, or use the sections themselves with data=quicknii"
        )
    step = min(max(family.width / image_size, 1.5), DEPTH_STEP)
    steps = (step, DEPTH_STEP, step)
    counts = [max(2, round(shape[axis] / size)) for axis, size in zip(axes, steps, strict=True)]
    across, deep, down = (
        (torch.arange(count) + 0.5) * (shape[axis] / count) for count, axis in zip(counts, axes, strict=True)
    )
    reordered = planes[:, [3 * vector + axis for vector in range(3) for axis in axes]]
    layers, depths = _on_lines(tissue_and_stain(images), reordered, across, down)
    tensor = _interpolated(layers, depths, deep)  # (C, deep, down, across)
    order = [1 + [axes[1], axes[2], axes[0]].index(axis) for axis in (1, 2, 0)]
    return Volume(tensor.permute(0, *order).contiguous(), shape, voxel_um, midline, STAIN_WEIGHTS, family)


def _on_lines(layers: Tensor, planes: Tensor, a: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """The sections on lines along the stack: their layers (C, N, W, A) and depths (N, W, A).

    `planes` have the axes in the order across, deep, down; the lines lie at `a` (A,) across, `w` (W,) down.
    """
    origin, across, down = planes.float().split(3, dim=1)
    # Solve O + U s + V t = (a, ., w) for s and t: a 2 x 2 system for each section.
    system = torch.stack([across[:, [0, 2]], down[:, [0, 2]]], dim=-1)
    points = torch.stack(torch.broadcast_tensors(a, w[:, None]), dim=-1)
    st = torch.einsum("nij,nwaj->nwai", torch.linalg.inv(system), points - origin[:, None, None, [0, 2]])
    slope = torch.stack([across[:, 1], down[:, 1]], dim=-1)
    depths = origin[:, 1, None, None] + torch.einsum("nwai,ni->nwa", st, slope)
    sampled = F.grid_sample(layers.transpose(0, 1), 2 * st - 1, align_corners=False)  # 0 outside the image
    return sampled.transpose(0, 1), depths


def _signed_distances(tissue: Tensor) -> Tensor:
    """Distances to the tissue's outline, in steps: positive inside, negative outside (N, W, A)."""
    inside = (tissue > 0.5).numpy()
    maps = [distance_transform_edt(mask) - distance_transform_edt(~mask) for mask in inside]
    return torch.from_numpy(np.stack(maps)).float().clamp(-MAX_DEPTH, MAX_DEPTH)


def _interpolated(layers: Tensor, depths: Tensor, targets: Tensor) -> Tensor:
    """Tissue and stain (2, D, W, A) at depths `targets` (D,) of layers (2, N, W, A) at `depths` (N, W, A)."""
    tissue, ink = layers
    stack = torch.stack([_signed_distances(tissue), tissue, tissue * ink])
    depths, order = depths.sort(dim=0)
    stack = stack.gather(1, order.expand_as(stack))
    last = len(depths) - 1
    gap = (depths[-1] - depths[0]) / last
    result = layers.new_zeros(2, len(targets), *depths.shape[1:])
    for index, target in enumerate(targets):
        above = (depths <= target).sum(dim=0, keepdim=True)
        lower, upper = (above - 1).clamp(0, last), above.clamp(0, last)
        low, high = depths.gather(0, lower), depths.gather(0, upper)
        fraction = ((target - low) / (high - low).clamp(min=1e-3)).clamp(0, 1)
        first, second = (stack.gather(1, rows.expand(3, -1, -1, -1))[:, 0] for rows in (lower, upper))
        distance, weight, stain = first.lerp(second, fraction[0])
        within = (target > depths[0] - gap / 2) & (target < depths[-1] + gap / 2)
        result[0, index] = (distance + 0.5).clamp(0, 1) * within
        # Divided by the tissue's weight: where only one neighbour has tissue, its stain is not diluted.
        result[1, index] = result[0, index] * stain / weight.clamp(min=1e-3)
    return result.clamp_(0, 1)
