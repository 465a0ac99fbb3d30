"""Families of planes: distributions of coronal, sagittal or horizontal planes as in real series."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.slices.options import FAMILIES


@dataclass(frozen=True)
class Family:
    """A distribution of near-parallel planes: positions, sizes and rotations.

    Positions and widths in voxels. `depth` is the range along the family's axis; `centre` and `shift` are
    means and deviations along the image's width and height; `width` and `aspect` (width by height) have the
    relative deviations `spread`; `rotation` is the mean roll (in the plane), yaw and pitch (of the cutting
    direction), in degrees.
    """

    name: str
    depth: tuple[float, float]
    centre: tuple[float, float]
    width: float
    aspect: float
    shift: tuple[float, float] = (7.0, 6.0)
    spread: tuple[float, float] = (0.025, 0.02)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def draw(self, count: int, angle: float, generator: torch.Generator) -> Tensor:
        """Random planes float32 (count, 9), U at right angles to V.

        Yaw and pitch have a standard deviation of `angle` degrees.
        """
        device = generator.device

        def normal(mean: float, deviation: float) -> Tensor:
            return mean + deviation * torch.randn(count, generator=generator, device=device)

        low, high = self.depth
        depth = low + (high - low) * torch.rand(count, generator=generator, device=device)
        along = normal(self.centre[0], self.shift[0]), depth, normal(self.centre[1], self.shift[1])
        centre = torch.stack(along, dim=-1)
        width = self.width * normal(0, self.spread[0]).exp()
        height = width / self.aspect * normal(0, self.spread[1]).exp()
        deviations = zip(self.rotation, (1.5, angle, angle), strict=True)
        roll, yaw, pitch = (normal(mean, deviation).deg2rad() for mean, deviation in deviations)
        # An upright section runs down all axes. It is rotated in its plane, then about its height and width.
        rotations = _rotation(0, 2, roll), _rotation(0, 1, yaw), _rotation(1, 2, pitch)
        across, down = (rotations[2] @ rotations[1] @ rotations[0])[..., [0, 2]].neg().unbind(dim=-1)
        across, down = across * width[:, None], down * height[:, None]
        vectors = torch.stack([centre - across / 2 - down / 2, across, down], dim=1)
        axes = FAMILIES[self.name]
        return vectors[..., [axes.index(axis) for axis in range(3)]].flatten(1)


def _rotation(first: int, second: int, angle: Tensor) -> Tensor:
    """Matrices (N, 3, 3) that rotate the axis `first` towards the axis `second` by `angle` (N,) radians."""
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, second, first], matrix[:, first, second] = angle.sin(), -angle.sin()
    return matrix


def family_of(planes: Tensor) -> str:
    """The name of the family to which most of the planes (N, 9) are nearest."""
    normals = torch.linalg.cross(planes[:, 3:6], planes[:, 6:9])
    axis = int(normals.abs().argmax(dim=1).mode().values)
    return next(name for name, axes in FAMILIES.items() if axes[1] == axis)


def fit_family(planes: Tensor) -> Family:
    """The family fitted to the planes (N, 9) of one series: its positions, sizes and rotation."""
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

    def deviation(values: Tensor, floor: float) -> float:
        return max(floor, float(values.std(correction=0)))

    return Family(
        name=name,
        depth=(float(centre[:, 1].min()), float(centre[:, 1].max())),
        centre=(float(centre[:, 0].mean()), float(centre[:, 2].mean())),
        width=float(width.log().mean().exp()),
        aspect=float(aspect.mean().exp()),
        shift=(deviation(centre[:, 0], 4.0), deviation(centre[:, 2], 4.0)),
        spread=(deviation(width.log(), 0.015), deviation(aspect, 0.015)),
        rotation=(_degrees(roll), _degrees(yaw), _degrees(pitch)),
    )


def _degrees(angles: Tensor) -> float:
    """The median in degrees."""
    return math.degrees(float(angles.median()))


def family_covering(tissue: Tensor, shape: tuple[float, float, float], name: str, half: bool) -> Family:
    """The family `name` over the extent of `tissue` (Y, Z, X), which fills a frame of `shape` (x, y, z).

    With `half`, sagittal planes stay on one side of the frame's middle in x: the other half of a symmetric
    brain looks the same.
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
    inset = 0.06 * (highs[deep] - lows[deep])  # the outermost sections show too little tissue
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
