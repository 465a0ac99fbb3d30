"""Families of planes: coronal, sagittal or horizontal, drawn at random as they lie in real series."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.slices.options import FAMILIES


@dataclass(frozen=True)
class Family:
    """Near-parallel planes: where their centres lie, how large they are, and how they vary.

    Places and widths in voxels. `depth` is a range along the family's axis; `centre` and `shift` are means
    and deviations along the image's width and height; `width` and `aspect` (width by height) have relative
    deviations `spread`; `turn` is the mean of roll (in the plane), yaw and pitch (of the cut), in degrees.
    """

    name: str
    depth: tuple[float, float]
    centre: tuple[float, float]
    width: float
    aspect: float
    shift: tuple[float, float] = (7.0, 6.0)
    spread: tuple[float, float] = (0.025, 0.02)
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def draw(self, count: int, angle: float, generator: torch.Generator) -> Tensor:
        """Planes float32 (count, 9), U at right angles to V, the cut tilted by `angle` degrees both ways."""
        device = generator.device

        def normal(mean: float, deviation: float) -> Tensor:
            return mean + deviation * torch.randn(count, generator=generator, device=device)

        low, high = self.depth
        depth = low + (high - low) * torch.rand(count, generator=generator, device=device)
        along = normal(self.centre[0], self.shift[0]), depth, normal(self.centre[1], self.shift[1])
        centre = torch.stack(along, dim=-1)
        width = self.width * normal(0, self.spread[0]).exp()
        height = width / self.aspect * normal(0, self.spread[1]).exp()
        deviations = zip(self.turn, (1.5, angle, angle), strict=True)
        roll, yaw, pitch = (normal(mean, deviation).deg2rad() for mean, deviation in deviations)
        # An upright section looks down all axes. It is turned in its plane, then about its height, its width.
        turns = _rotation(0, 2, roll), _rotation(0, 1, yaw), _rotation(1, 2, pitch)
        across, down = (turns[2] @ turns[1] @ turns[0])[..., [0, 2]].neg().unbind(dim=-1)
        across, down = across * width[:, None], down * height[:, None]
        vectors = torch.stack([centre - across / 2 - down / 2, across, down], dim=1)
        axes = FAMILIES[self.name]
        return vectors[..., [axes.index(axis) for axis in range(3)]].flatten(1)


def _rotation(first: int, second: int, angle: Tensor) -> Tensor:
    """Rotations (N, 3, 3) that turn one axis towards another."""
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first], matrix[:, first, second] = angle.sin(), -angle.sin()
    return matrix


def family_of(planes: Tensor) -> str:
    """The family to which most of the planes (N, 9) are nearest."""
    normals = torch.linalg.cross(planes[:, 3:6], planes[:, 6:9])
    axis = int(normals.abs().argmax(dim=1).mode().values)
    return next(name for name, axes in FAMILIES.items() if axes[1] == axis)


def family_like(planes: Tensor) -> Family:
    """A family in which planes (N, 9) of one series could have been drawn: its places, sizes and tilt."""
    name = family_of(planes)
    planes = planes.double()
    axes = list(FAMILIES[name])
    origin, across, down = (vector[:, axes] for vector in planes.split(3, dim=1))
    centre = origin + across / 2 + down / 2
    width, height = across.norm(dim=1), down.norm(dim=1)
    left, up = -across / width[:, None], -down / height[:, None]
    normal = torch.linalg.cross(up, left)
    normal = normal / normal.norm(dim=1, keepdim=True)
    roll = torch.atan2(-up[:, 0], left[:, 0])
    yaw, pitch = -normal[:, 0].clamp(-1, 1).asin(), torch.atan2(normal[:, 2], normal[:, 1])
    aspect = (width / height).log()

    def deviation(values: Tensor, least: float) -> float:
        return max(least, float(values.std(correction=0)))

    return Family(
        name=name,
        depth=(float(centre[:, 1].min()), float(centre[:, 1].max())),
        centre=(float(centre[:, 0].mean()), float(centre[:, 2].mean())),
        width=float(width.log().mean().exp()),
        aspect=float(aspect.mean().exp()),
        shift=(deviation(centre[:, 0], 4.0), deviation(centre[:, 2], 4.0)),
        spread=(deviation(width.log(), 0.015), deviation(aspect, 0.015)),
        turn=tuple(math.degrees(float(turn.median())) for turn in (roll, yaw, pitch)),  # type: ignore[arg-type]
    )


def family_around(tissue: Tensor, shape: tuple[float, float, float], name: str, half: bool) -> Family:
    """The planes of family `name` that cut tissue (Y, Z, X), which fills a frame of `shape` (x, y, z) voxels.

    With `half`, those of sagittal sections stay on one side of the frame's middle in x: the other half of a
    symmetric brain looks the same.
    """
    filled = (tissue > 0.5).permute(2, 0, 1)  # over x, y, z
    lows, highs = [], []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        places = filled.sum(dim=others).nonzero()[:, 0]
        voxel = shape[axis] / filled.shape[axis]
        lows.append(float(places.min()) * voxel)
        highs.append(float(places.max() + 1) * voxel)
    across, deep, down = FAMILIES[name]
    inset = 0.06 * (highs[deep] - lows[deep])  # a section of a few crumbs is not registered
    top = min(highs[deep] - inset, shape[0] / 2) if half and name == "sagittal" else highs[deep] - inset
    width, height = (1.18 * (highs[axis] - lows[axis]) for axis in (across, down))
    middle = [(low + high) / 2 for low, high in zip(lows, highs, strict=True)]
    shift = 0.016 * (highs[across] - lows[across])
    return Family(
        name=name,
        depth=(lows[deep] + inset, top),
        centre=(middle[across], middle[down]),
        width=width,
        aspect=width / height,
        shift=(shift, shift),
    )
