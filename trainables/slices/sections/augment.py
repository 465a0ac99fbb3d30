"""Augmentation of images and their planes."""

import torch
from torch import Tensor

from trainables.slices.planes import geometry


def augmented(
    images: Tensor, planes: Tensor, strength: float, midline: float | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rotates, scales, shifts and flips images with their planes, and changes brightness, contrast and noise.

    Images (B, 1, S, S) in [0, 1], planes (B, 9), `strength` from 0 (unchanged) to 1. A flipped section is a
    section of the mirrored brain, so its plane is mirrored in the atlas too; otherwise two similar images
    would have opposite planes. Without a `midline` nothing is flipped, nor are sagittal sections, which
    would change sides.
    """
    count = len(images)
    random = (2 * torch.rand(6, count, generator=generator) - 1) * strength
    shift = 0.08 * (2 * torch.rand(count, 2, generator=generator) - 1) * strength
    flip = (torch.rand(count, generator=generator) < 0.5) & (strength > 0 and midline is not None)
    flip &= planes[:, 3].abs() > 0.5 * planes[:, 3:6].norm(dim=1)  # not sagittal: the width is left-right
    affine = geometry.similarity(planes, 0.25 * random[0], (0.15 * random[1]).exp(), shift, flip)
    images, planes = geometry.warp(images, affine), geometry.move(planes, affine)
    if midline is not None:
        planes = torch.where(flip[:, None], geometry.mirror(planes, midline), planes)
    gamma, contrast, brightness = random[2:5, :, None, None, None]
    images = images.clamp(min=1e-3) ** (0.4 * gamma).exp()
    images = 1 - (1 - images) * (0.3 * contrast).exp() - 0.05 * (1 + brightness) * strength
    images = images + 0.03 * strength * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), planes
