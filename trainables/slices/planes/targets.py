"""Regression targets: a plane as numbers, in one of two parametrisations.

`numbers` are QuickNII's nine: O, U and V. They are correlated: a rotation of a section about its centre
changes all nine. `frame` separates the factors: the centre, the directions of the two edges, and the lengths
of the edges.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize


@dataclass(frozen=True)
class Target:
    """A parametrisation of planes by `count` numbers.

    `encode` maps planes (B, 9) to numbers (B, count), `decode` maps back. `floor` (count,) is the smallest
    deviation by which a number is standardised, about a voxel at the edge of a section, so that the noise
    of an almost constant number is not amplified.
    """

    count: int
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    floor: tuple[float, ...]


def frame(planes: Tensor) -> Tensor:
    """Planes (B, 9) -> centre (3, voxels), unit directions of U and V (3 each), logs of their lengths (2)."""
    origin, u, v = planes.split(3, dim=-1)
    lengths = torch.stack([u.norm(dim=-1), v.norm(dim=-1)], dim=-1).clamp(min=1e-6)
    centre = origin + (u + v) / 2
    return torch.cat([centre, u / lengths[..., :1], v / lengths[..., 1:], lengths.log()], dim=-1)


def plane_of(frames: Tensor) -> Tensor:
    """The planes (B, 9) of frames (B, 11); the directions may have any length but 0."""
    centre, u, v, logs = frames.split([3, 3, 3, 2], dim=-1)
    lengths = logs.exp()
    u, v = normalize(u, dim=-1) * lengths[..., :1], normalize(v, dim=-1) * lengths[..., 1:]
    return torch.cat([centre - (u + v) / 2, u, v], dim=-1)


def identity(planes: Tensor) -> Tensor:
    return planes


TARGETS = {
    "numbers": Target(9, identity, identity, (1.0,) * 9),
    "frame": Target(11, frame, plane_of, (1.0,) * 3 + (0.005,) * 8),
}


def target_named(name: str) -> Target:
    """The parametrisation called `name`. Raises ValueError if there is none."""
    if name not in TARGETS:
        raise ValueError(
            f"parametrisation is {name!r}, but must be one of {', '.join(TARGETS)} (parametrisation=...)"
        )
    return TARGETS[name]


def mean_and_std(planes: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """Mean and deviation, at least `target.floor`, of the numbers of planes (N, 9): (count,) each."""
    numbers = target.encode(planes)
    return numbers.mean(dim=0), numbers.std(dim=0, correction=0).maximum(torch.tensor(target.floor))
