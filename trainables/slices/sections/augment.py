"""Augmentation: the same section seen a little differently, and its plane with it."""

import torch
from torch import Tensor

from trainables.slices.planes import geometry


def augmented(
    images: Tensor, planes: Tensor, strength: float, midline: float | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Turns, scales, shifts and flips images and planes together, and changes the light.

    Images (B, 1, S, S) in [0, 1], planes (B, 9), `strength` from 0 (nothing) to 1. A flipped section is a
    section through the mirrored brain, so its plane is mirrored in the atlas as well; without that, two
    images that look alike would have opposite planes. No flips where the atlas has no known midline, nor of
    sagittal sections, which would change sides.
    """
    count = len(images)
    draw = (2 * torch.rand(6, count, generator=generator) - 1) * strength
    shift = 0.08 * (2 * torch.rand(count, 2, generator=generator) - 1) * strength
    flip = (torch.rand(count, generator=generator) < 0.5) & (strength > 0 and midline is not None)
    flip &= planes[:, 3].abs() > 0.5 * planes[:, 3:6].norm(dim=1)  # the image's width runs from side to side
    affine = geometry.similarity(planes, 0.25 * draw[0], (0.15 * draw[1]).exp(), shift, flip)
    images, planes = geometry.warp(images, affine), geometry.move(planes, affine)
    if midline is not None:
        planes = torch.where(flip[:, None], geometry.mirror(planes, midline), planes)
    gamma, contrast, light = draw[2:5, :, None, None, None]
    images = images.clamp(min=1e-3) ** (0.4 * gamma).exp()
    images = 1 - (1 - images) * (0.3 * contrast).exp() - 0.05 * (1 + light) * strength
    images = images + 0.03 * strength * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), planes
