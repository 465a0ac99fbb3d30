"""Drawing in a volume: soft ellipsoids, domes and depths, painted over each other in slabs of planes.

All in mm, x from the midline outwards, y from back to front, z from the base up; except that places along y
are given in voxels of 25 µm, as they stand in anchorings. A depth says how far inside a surface a point is.
"""

import numpy as np
import torch
from torch import Tensor

VOXEL_MM = 0.025
Table = dict[str, list[float]]


def table(text: str) -> Table:
    """Rows of a name and numbers; the first row is what the others depend on."""
    rows = [line.split() for line in text.strip().splitlines()]
    return {name: [float(number) for number in numbers] for name, *numbers in rows}


def edge(depth: Tensor, soft: float = 0.05) -> Tensor:
    """1 where `depth` is positive, 0 where it is negative, a ramp `soft` mm wide between."""
    return (depth / soft + 0.5).clamp(0, 1)


def band(depth: Tensor, low: float, high: float) -> Tensor:
    """1 where `depth` lies between `low` and `high`."""
    return edge(depth - low) * edge(high - depth)


def layers(depth: Tensor, rows: Table) -> Tensor:
    """The second row of a table at depths that its first row gives in mm."""
    places, values = rows.values()
    steps = torch.from_numpy(np.interp(np.arange(256) / 100, places, values)).float()
    return steps[(depth * 100).clamp(0, 255).int()]


class Slab:
    """A few neighbouring coronal planes of one hemisphere, over (y, z, x)."""

    def __init__(self, x: Tensor, y: Tensor, z: Tensor, coarse: Tensor, fine: Tensor) -> None:
        self.x, self.y, self.z = x, y, z
        self.coarse, self.fine = coarse, fine  # noise that makes outlines and textures uneven
        self.tissue, self.cells, self.fibres = torch.zeros(3, *coarse.shape)

    def within(self, low: float, high: float) -> bool:
        """Whether the slab has planes between two places along y."""
        return float(self.y[-1]) >= low * VOXEL_MM and float(self.y[0]) <= high * VOXEL_MM

    def along(self, rows: Table, name: str) -> Tensor:
        """A row of a table over y, smoothed: (Y, 1, 1)."""
        here = self.y.flatten().numpy() / VOXEL_MM
        steps = [np.interp(here + step, rows["y"], rows[name]) for step in (-12, -6, 0, 6, 12)]
        return torch.from_numpy(np.mean(steps, axis=0)).float().view(-1, 1, 1)

    def blob(self, x: float, y: float, z: float, rx: float, ry: float, rz: float) -> Tensor:
        """The depth within an ellipsoid."""
        squares = ((self.y / VOXEL_MM - y) / ry).square() + ((self.z - z) / rz).square()
        return (1 - (squares + ((self.x - x) / rx).square()).sqrt()) * min(rx, rz)

    def dome(self, rows: Table, waist: float) -> tuple[Tensor, Tensor]:
        """The depth within half an outline, and the angle about its centre (0 up, pi/2 outwards).

        An ellipse, its upper and lower half of different heights. Between the centre and the midline x counts
        `waist` fold, which bends the ellipses of both sides into one dome with a notch at the midline.
        """
        centre, outer, top, middle, bottom = (
            self.along(rows, name) for name in ("centre", "outer", "top", "middle", "bottom")
        )
        x, z = self.x - centre, self.z - middle
        x = torch.where(x < 0, waist * x, x)
        height = torch.where(z > 0, top - middle, middle - bottom)
        radius = ((x / (outer - centre)).square() + (z / height).square()).sqrt().clamp(min=0.02)
        return (x.square() + z.square()).sqrt() * (1 / radius - 1), torch.atan2(x, z)

    def paint(self, mask: Tensor, cells: float | Tensor, fibres: float) -> None:
        """Replaces what the tissue is made of, by as much as `mask` says."""
        self.cells += mask * (cells - self.cells)
        self.fibres += mask * (fibres - self.fibres)

    def nuclei(self, rows: Table) -> None:
        """Paints one blob a row: its centre, its radii, cells and fibres."""
        for x, y, z, rx, ry, rz, cells, fibres in rows.values():
            if self.within(y - ry, y + ry):
                self.paint(edge(self.blob(x, y, z, rx, ry, rz), 0.15), cells, fibres)

    def clear(self, mask: Tensor) -> None:
        """Takes tissue away."""
        self.tissue *= 1 - mask

    def hole(self, x: float, y: float, z: float, rx: float, ry: float, rz: float) -> None:
        """Takes a blob away."""
        if self.within(y - ry, y + ry):
            self.clear(edge(self.blob(x, y, z, rx, ry, rz)))

    def add(self, depth: Tensor, gap: float | Tensor) -> Tensor:
        """Puts an organ in front of what is there, a gap of background around it: -> its mask."""
        inside = edge(depth)
        self.tissue = torch.maximum(self.tissue * (1 - edge(depth + gap)), inside)
        return inside
