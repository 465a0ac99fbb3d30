"""Refinement: moves, rotates and scales predicted planes until the volume's cut looks like the section.

Intensity-based registration: the normalised cross-correlation of the smoothed section with the smoothed cut
(as a measure of registration: Avants et al., Med Image Anal 2008) is maximised with Adam (Kingma and Ba, ICLR
2015), from coarse to fine and from several starts:

- Coarse: each start, their median, and the median shifted to several depths are moved along three axes.
- Fine: the best of these are moved further, rotated and scaled. Rotation and scaling are penalised: an
  outline that fits better after a tilt more often reflects the section's own shape than its tilt.

It needs a volume with the same stain as the sections.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.volumes.appearance import one_thread
from trainables.slices.volumes.cutting import Volume, sample
from trainables.slices.volumes.series import stain_intensity

Array = np.ndarray[Any, Any]
# Planes change by 8 numbers in these units, so that one learning rate fits all of them.
MOVE_UNIT = 1 / 512  # of a section's width
TURN_UNIT = 0.01  # radians of a rotation; relative size change of a scaling
DEPTH_SHIFTS = (-40, -20, 20, 40)  # of the median start along its normal, in MOVE_UNIT
PENALTY = 3e-4  # of correlation, for a rotation or scaling by one unit; grows with the square
FINE_STARTS = 3  # coarse results that the fine level starts from


@final
class Level(NamedTuple):
    """Settings of one resolution level."""

    side: int  # pixels
    blur: float  # standard deviation of the Gaussian filter, in pixels
    steps: int
    rotate_and_scale: bool


COARSE, FINE = Level(32, 2.0, 25, False), Level(64, 2.0, 25, True)


@one_thread()
def refine_planes(volume: Volume, images: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """The best planes near `starts` (K, N, 9) for images (N, 1, S, S) in [0, 1], on any background.

    -> planes (N, 9) and their correlations (N,). The search reaches about an eighth of a section's width
    before and behind each start, and a twentieth sideways. It is deterministic.
    """
    refined = [
        _refine_plane(volume, image[None], section_starts)
        for image, section_starts in zip(images, starts.float().unbind(1), strict=True)
    ]
    planes, correlation = (torch.stack(column) for column in zip(*refined, strict=True))
    return planes, correlation


def _refine_plane(volume: Volume, image: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """One section: image (1, 1, S, S), starts (K, 9) -> plane (9,) and its correlation."""
    median = starts.quantile(0.5, dim=0)
    shifts = torch.zeros(len(DEPTH_SHIFTS), 8)
    shifts[:, 2] = torch.tensor(DEPTH_SHIFTS)
    planes = torch.cat([median[None], starts, transformed(median.expand(len(DEPTH_SHIFTS), -1), shifts)])
    planes, correlation = maximise_correlation(volume, image, planes, COARSE)
    # The sort is stable: for an image that shows nothing all are equal, and the unmoved median comes first.
    best = correlation.argsort(descending=True, stable=True)[:FINE_STARTS]
    planes, correlation = maximise_correlation(volume, image, planes[best], FINE)
    first = correlation.argsort(descending=True, stable=True)[0]
    return planes[first], correlation[first]


def maximise_correlation(
    volume: Volume, image: Tensor, planes: Tensor, level: Level
) -> tuple[Tensor, Tensor]:
    """The planes (K, 9) after `level.steps` of Adam, and the correlation of each one's cut with the image.

    `image` (1, 1, S, S); the correlations are (K,).
    """
    section = _features(stain_intensity(image[:, 0]), level)
    trainable = torch.tensor([1.0] * 3 + [float(level.rotate_and_scale)] * 5)
    penalty = PENALTY * torch.tensor([0.0] * 3 + [1.0] * 5)
    stain_weights = torch.tensor(volume.stain_weights).mean(dim=1)

    def correlation(changes: Tensor) -> Tensor:
        layers = sample(volume, transformed(planes, changes), level.side)
        return (_features(torch.tensordot(stain_weights, layers, dims=1), level) * section).sum(dim=1)

    with torch.enable_grad():
        parameters = torch.zeros(len(planes), 8, requires_grad=True)
        optimizer = torch.optim.Adam([parameters], lr=1.0)
        for step in range(level.steps):
            optimizer.param_groups[0]["lr"] = (1 + math.cos(math.pi * step / level.steps)) / 2
            changes = parameters * trainable
            loss = (penalty * changes.square()).sum() - correlation(changes).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        changes = parameters * trainable
        return transformed(planes, changes), correlation(changes)


def transformed(planes: Tensor, changes: Tensor) -> Tensor:
    """The planes (K, 9) moved, rotated and scaled about their centres.

    `changes` (K, 8), in MOVE_UNIT and TURN_UNIT: translations along the plane's own U, V and normal,
    rotations about these, and changes of the logarithms of the lengths of U and V.
    """
    origin, u, v = planes.split(3, dim=-1)
    width, height = u.norm(dim=-1, keepdim=True), v.norm(dim=-1, keepdim=True)
    normal = torch.linalg.cross(u / width, v / height)
    axes = torch.stack([u / width, v / height, normal], dim=-1)
    centre = origin + (u + v) / 2 + MOVE_UNIT * width * _multiply(axes, changes[:, :3])
    rotation = torch.linalg.matrix_exp(_cross_matrix(TURN_UNIT * _multiply(axes, changes[:, 3:6])))
    scale = (TURN_UNIT * changes[:, 6:]).exp()
    u, v = _multiply(rotation, u) * scale[:, :1], _multiply(rotation, v) * scale[:, 1:]
    return torch.cat([centre - (u + v) / 2, u, v], dim=-1)


def _multiply(matrices: Tensor, vectors: Tensor) -> Tensor:
    """(K, 3, 3) times (K, 3): -> (K, 3)."""
    return (matrices @ vectors[..., None])[..., 0]


def _cross_matrix(vectors: Tensor) -> Tensor:
    """The matrices (K, 3, 3) of the cross product with `vectors` (K, 3)."""
    return torch.linalg.cross(vectors[:, None, :], torch.eye(3).expand(len(vectors), 3, 3)).mT


def _features(stain: Tensor, level: Level) -> Tensor:
    """Stain (K, S, S) averaged to the level's side, blurred, with mean 0 and length 1: (K, pixels)."""
    radius = round(3 * level.blur)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-(offsets**2) / (2 * level.blur**2))
    weights = weights / weights.sum()
    small = F.adaptive_avg_pool2d(stain[:, None], level.side)
    padded = F.pad(small, (radius,) * 4, mode="replicate")
    smooth = F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1)).flatten(1)
    return F.normalize(smooth - smooth.mean(dim=1, keepdim=True), dim=1)


def summary(names: Sequence[str], moved_um: Array, correlation: Array) -> str:
    """A message: how far the planes moved (N,), and the correlations of sections and cuts (N,)."""
    worst = int(correlation.argmin())
    return (
        f"refined by {np.median(moved_um):,.0f} µm (median) to correlations of {np.median(correlation):.3f} "
        f"(median) and {correlation[worst]:.3f} (lowest: {names[worst]})"
    )
