"""Planes refined: moved, then turned and stretched a little, until the cut there looks like the section.

Registration by intensity: the normalised cross-correlation of the section with the volume's cut, both
smoothed (as a measure of registration: Avants et al., Med Image Anal 2008), is climbed by its gradient (Adam:
Kingma and Ba, ICLR 2015), from coarse to fine and from several starts:

- coarse: each start, and the median of the starts also a little before and behind, is moved along three axes;
- fine: the best of these are moved on, turned and stretched as well. The correlation must pay for that: an
  outline that fits better by a tilt is more often a section's own shape than its tilt.

It needs a volume that shows the sections' own stain.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.volumes.appearance import one_thread
from trainables.slices.volumes.cutting import Volume, sample
from trainables.slices.volumes.series import inked

Array = np.ndarray[Any, Any]
STEP = 1 / 512  # of a section's width: how far one step of the climb moves a plane at most
TURN = 0.01  # radians; and as a share of the size: how far a step turns and stretches
ASIDE = (-40, -20, 20, 40)  # steps before and behind the median start
PENALTY = 3e-4  # of correlation, for a turn or a stretch by one step; it grows with the square
KEPT = 3  # starts that go on from coarse to fine


class Level(NamedTuple):
    side: int  # pixels
    blur: float  # pixels, the Gaussian's deviation
    steps: int
    turns: bool  # and stretches


COARSE, FINE = Level(32, 2.0, 25, False), Level(64, 2.0, 25, True)


@one_thread()
def refined(volume: Volume, images: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """The best planes near `starts` (K, N, 9) for images (N, 1, S, S) in [0, 1], on any ground.

    -> planes (N, 9) and the correlations there (N,). What lies further from every start than an eighth of a
    section's width before or behind, or a twentieth aside, is not found. Nothing in it is random.
    """
    found = [
        _one(volume, image[None], planes)
        for image, planes in zip(images, starts.float().unbind(1), strict=True)
    ]
    planes, likeness = (torch.stack(column) for column in zip(*found, strict=True))
    return planes, likeness


def _one(volume: Volume, image: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """One section: image (1, 1, S, S), starts (K, 9) -> plane (9,) and its correlation."""
    middle = starts.quantile(0.5, dim=0)
    steps = torch.zeros(len(ASIDE), 8)
    steps[:, 2] = torch.tensor(ASIDE)
    planes = torch.cat([middle[None], starts, changed(middle.expand(len(ASIDE), -1), steps)])
    planes, likeness = climbed(volume, image, planes, COARSE)
    # Where all are equal, for an image shows nothing, the first is the median, unmoved.
    first = likeness.argsort(descending=True, stable=True)[:KEPT]
    planes, likeness = climbed(volume, image, planes[first], FINE)
    best = likeness.argsort(descending=True, stable=True)[0]
    return planes[best], likeness[best]


def climbed(volume: Volume, image: Tensor, planes: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """The planes (K, 9) after a climb, and the correlation of the cut at each with one image: (K,)."""
    seen = _compared(inked(image[:, 0]), level)
    free = torch.tensor([1.0] * 3 + [float(level.turns)] * 5)
    cost = PENALTY * torch.tensor([0.0] * 3 + [1.0] * 5)
    shares = torch.tensor(volume.ink).mean(dim=1)

    def likeness(steps: Tensor) -> Tensor:
        ink = torch.tensordot(shares, sample(volume, changed(planes, steps), level.side), dims=1)
        return (_compared(ink, level) * seen).sum(dim=1)

    with torch.enable_grad():
        steps = torch.zeros(len(planes), 8, requires_grad=True)
        climb = torch.optim.Adam([steps], lr=1.0)
        for step in range(level.steps):
            climb.param_groups[0]["lr"] = (1 + math.cos(math.pi * step / level.steps)) / 2
            taken = steps * free
            loss = (cost * taken.square()).sum() - likeness(taken).sum()
            climb.zero_grad()
            loss.backward()
            climb.step()
    with torch.no_grad():
        taken = steps * free
        return changed(planes, taken), likeness(taken)


def changed(planes: Tensor, steps: Tensor) -> Tensor:
    """The planes (K, 9) moved, turned and stretched by `steps` (K, 8): 3 along and 3 about their own U, V and
    normal, 2 for the logs of their lengths."""
    origin, u, v = planes.split(3, dim=-1)
    wide, high = u.norm(dim=-1, keepdim=True), v.norm(dim=-1, keepdim=True)
    normal = torch.linalg.cross(u / wide, v / high)
    own = torch.stack([u / wide, v / high, normal], dim=-1)
    centre = origin + (u + v) / 2 + STEP * wide * _times(own, steps[:, :3])
    turn = torch.linalg.matrix_exp(_cross(TURN * _times(own, steps[:, 3:6])))
    stretch = (TURN * steps[:, 6:]).exp()
    u, v = _times(turn, u) * stretch[:, :1], _times(turn, v) * stretch[:, 1:]
    return torch.cat([centre - (u + v) / 2, u, v], dim=-1)


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    return (matrices @ vectors[..., None])[..., 0]


def _cross(vectors: Tensor) -> Tensor:
    """The matrices (K, 3, 3) of the cross product with `vectors` (K, 3)."""
    return torch.linalg.cross(vectors[:, None, :], torch.eye(3).expand(len(vectors), 3, 3)).mT


def _compared(ink: Tensor, level: Level) -> Tensor:
    """Ink (K, S, S) averaged to the level's side, blurred, of mean 0 and length 1: (K, pixels)."""
    reach = round(3 * level.blur)
    places = torch.arange(-reach, reach + 1)
    weights = torch.exp(-(places**2) / (2 * level.blur**2))
    weights = weights / weights.sum()
    small = F.adaptive_avg_pool2d(ink[:, None], level.side)
    wide = F.pad(small, (reach,) * 4, mode="replicate")
    smooth = F.conv2d(F.conv2d(wide, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1)).flatten(1)
    return F.normalize(smooth - smooth.mean(dim=1, keepdim=True), dim=1)


def said(names: Sequence[str], moved: Array, likeness: Array) -> str:
    """In words: how far planes moved in µm, and the correlations of sections and cuts, (N,) each."""
    least = int(likeness.argmin())
    return (
        f"refined by {np.median(moved):,.0f} µm (median) to correlations of {np.median(likeness):.3f} "
        f"(median) and {likeness[least]:.3f} (least: {names[least]})"
    )
