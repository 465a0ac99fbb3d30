"""Drawing in a volume: soft ellipsoids, domes and layers, painted over each other in slabs of planes.

Lengths in mm: x from the midline outwards, y from back to front, z from the base up. Arguments along y are
in voxels of 25 µm, the unit of anchorings. A depth is a point's distance inside a surface, negative outside.
"""

import numpy as np
import torch
from torch import Tensor

VOXEL_MM = 0.025
Table = dict[str, list[float]]


def table(text: str) -> Table:
    """Rows of a name and numbers; the first row is the independent variable of the others."""
    rows = [line.split() for line in text.strip().splitlines()]
    return {name: [float(number) for number in numbers] for name, *numbers in rows}


def edge(depth: Tensor, soft: float = 0.05) -> Tensor:
    """1 where `depth` is positive, 0 where it is negative, with a ramp of `soft` mm in between."""
    return (depth / soft + 0.5).clamp(0, 1)


def band(depth: Tensor, low: float, high: float) -> Tensor:
    """1 where `depth` lies between `low` and `high`."""
    return edge(depth - low) * edge(high - depth)


def layers(depth: Tensor, rows: Table) -> Tensor:
    """The second row of a table, interpolated at `depth`; the first row gives depths in mm."""
    depths, values = rows.values()
    steps = torch.from_numpy(np.interp(np.arange(256) / 100, depths, values)).float()
    return steps[(depth * 100).clamp(0, 255).int()]


class Slab:
    """A few neighbouring coronal planes of one hemisphere, over (y, z, x)."""

    def __init__(self, x: Tensor, y: Tensor, z: Tensor, coarse: Tensor, fine: Tensor) -> None:
        self.x, self.y, self.z = x, y, z
        self.coarse, self.fine = coarse, fine  # noise for outlines and textures
        self.tissue, self.cells, self.fibres = torch.zeros(3, *coarse.shape)

    def within(self, low: float, high: float) -> bool:
        """Whether the slab has planes between `low` and `high` along y."""
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

        The outline is an ellipse whose upper and lower halves differ in height. Between the centre and the
        midline x is scaled by `waist`, which joins the ellipses of both sides into one dome with a notch at
        the midline.
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
        """Blends cells and fibres towards new values, weighted by `mask`."""
        self.cells += mask * (cells - self.cells)
        self.fibres += mask * (fibres - self.fibres)

    def nuclei(self, rows: Table) -> None:
        """Paints one blob a row: centre x y z, radii x y z, cells, fibres."""
        for x, y, z, rx, ry, rz, cells, fibres in rows.values():
            if self.within(y - ry, y + ry):
                self.paint(edge(self.blob(x, y, z, rx, ry, rz), 0.15), cells, fibres)

    def clear(self, mask: Tensor) -> None:
        """Removes tissue where `mask` is 1."""
        self.tissue *= 1 - mask

    def hole(self, x: float, y: float, z: float, rx: float, ry: float, rz: float) -> None:
        """Removes the tissue of a blob."""
        if self.within(y - ry, y + ry):
            self.clear(edge(self.blob(x, y, z, rx, ry, rz)))

    def add(self, depth: Tensor, gap: float | Tensor) -> Tensor:
        """Adds an organ over the existing tissue, with a gap of background around it; returns its mask."""
        inside = edge(depth)
        self.tissue = torch.maximum(self.tissue * (1 - edge(depth + gap)), inside)
        return inside
