"""Planes through an atlas, their transformations, and the distance between two of them.

A plane is nine numbers (O, U, V) in atlas voxels, QuickNII's anchoring (Puchades et al., PLoS ONE 2019):
the pixel (x, y) of an image of W x H pixels lies at `O + U * x / W + V * y / H`. O is the top left corner
of the image, U spans its width and V its height. A plane does not depend on the image's resolution, so an
image may be resized and keeps its plane. Below, (s, t) = (x / W, y / H).
"""

import torch
import torch.nn.functional as F
import torchmetrics
from torch import Tensor

GRID = 32  # the alignment distance is the mean over the centres of GRID x GRID cells of the image


def positions(planes: Tensor, width: int, height: int) -> Tensor:
    """Atlas positions of the pixel centres: planes (..., 9) -> (..., height, width, 3), in voxels."""
    origin, across, down = planes[..., None, None, :].split(3, dim=-1)
    s = (torch.arange(width, dtype=planes.dtype, device=planes.device) + 0.5) / width
    t = (torch.arange(height, dtype=planes.dtype, device=planes.device) + 0.5) / height
    return origin + across * s[:, None] + down * t[:, None, None]


def alignment_distance(predicted: Tensor, true: Tensor, voxel_um: float, grid: int = GRID) -> Tensor:
    """Mean distance over the image between predicted and true positions: planes (..., 9) -> (...), in µm.

    The mean is taken over the centres of `grid` x `grid` cells. Differentiable everywhere; the gradient is 0
    where the distance is 0.
    """
    # Positions are linear in the plane, so the offsets of two planes are the positions of their difference.
    offsets = positions(predicted - true, grid, grid)
    return voxel_um * torch.linalg.vector_norm(offsets, dim=-1).mean(dim=(-2, -1))


class AlignmentDistance(torchmetrics.Metric):
    """Mean alignment distance of all planes, in µm: a metric that any LightningModule can log."""

    full_state_update = False
    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self, voxel_um: float) -> None:
        super().__init__()
        self.voxel_um = voxel_um
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Adds the distances of planes (..., 9)."""
        distances = alignment_distance(predicted, true, self.voxel_um)
        self.total += distances.double().sum()
        self.count += distances.numel()

    def compute(self) -> Tensor:
        return self.total / self.count


def similarity(planes: Tensor, angle: Tensor, scale: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """Affines (..., 2, 3) for `move` and `warp` that flip, rotate, scale and shift about the image's centre.

    `angle` (...) in radians, `scale` (...) multiplies the extent that the image shows, `shift` (..., 2) in
    widths and heights, `flip` (...) bool (left-right). An affine maps (s, t) of the new image to (s, t) of
    the old one. `planes` (..., 9) give the aspect ratio of a pixel: a rotation of plain (s, t) would shear
    the section where |U| differs from |V|.
    """
    aspect = planes[..., 3:6].norm(dim=-1) / planes[..., 6:9].norm(dim=-1)
    mirror = 1 - 2 * flip.to(planes.dtype)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    elements = torch.stack([mirror * cos, -sin / aspect, mirror * sin * aspect, cos], dim=-1)
    linear = elements.unflatten(-1, (2, 2))
    centre = 0.5 - linear.sum(dim=-1) / 2 + shift
    return torch.cat([linear, centre[..., None]], dim=-1)


def move(planes: Tensor, affine: Tensor) -> Tensor:
    """The exact planes (..., 9) of images warped by `affine` (..., 2, 3)."""
    origin, across, down = planes.split(3, dim=-1)
    to_s, to_t = affine[..., 0, :, None], affine[..., 1, :, None]
    moved = to_s * across[..., None, :] + to_t * down[..., None, :]  # (..., 3, 3): rows U', V', O' - O
    return torch.cat([origin + moved[..., 2, :], moved[..., 0, :], moved[..., 1, :]], dim=-1)


def warp(images: Tensor, affine: Tensor) -> Tensor:
    """Images (N, C, H, W) resampled by `affine` (N, 2, 3); outside the image its border is repeated."""
    # affine_grid's coordinates run from -1 to 1, (s, t) from 0 to 1.
    constant = affine[:, :, 0] + affine[:, :, 1] + 2 * affine[:, :, 2] - 1
    theta = torch.cat([affine[:, :, :2], constant[..., None]], dim=-1).to(images.dtype)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def mirror(planes: Tensor, midline: float) -> Tensor:
    """Planes (..., 9) reflected left-right at x = `midline` (voxels)."""
    reflected = planes.clone()
    reflected[..., 0] = 2 * midline - planes[..., 0]
    reflected[..., 3] = -planes[..., 3]
    reflected[..., 6] = -planes[..., 6]
    return reflected


def upside_down(planes: Tensor) -> Tensor:
    """Planes (..., 9) of images rotated by 180 degrees."""
    origin, across, down = planes.split(3, dim=-1)
    return torch.cat([origin + across + down, -across, -down], dim=-1)
