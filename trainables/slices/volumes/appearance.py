"""Appearance of sections: stain and noise, from the volume's layers to grey bytes, and artifacts.

Ink is the amount of stain: a pixel's absolute difference from the background, be that bright or dark.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.options import Artifacts
from trainables.slices.planes import geometry


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs PyTorch in one thread: threads speed up many short operations little, and slow busy cores down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class SectionRandom:
    """Random numbers for `count` sections from one generator: (count, 1, 1), one a section, or images."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator = count, generator

    def uniform(self, low: float, high: float) -> Tensor:
        device = self.generator.device
        return low + (high - low) * torch.rand(self.count, 1, 1, generator=self.generator, device=device)

    def chance(self, probability: float) -> Tensor:
        return self.uniform(0, 1) < probability

    def white_noise(self, size: int) -> Tensor:
        """Standard normal noise (count, size, size)."""
        shape = (self.count, size, size)
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def smooth_noise(self, size: int, knots: int) -> Tensor:
        """Noise (count, size, size) in [-1, 1], interpolated between `knots` x `knots` random values."""
        shape = (self.count, 1, knots, knots)
        values = 2 * torch.rand(shape, generator=self.generator, device=self.generator.device) - 1
        return F.interpolate(values, size=(size, size), mode="bilinear", align_corners=True)[:, 0]


def render(
    layers: Tensor, weights: tuple[tuple[float, float], ...], dark: float, generator: torch.Generator
) -> Tensor:
    """Stained images of layers (C, N, S, S), with tears, blur, noise and gain: uint8 (N, S, S).

    A stain is a weighted sum of the layers; `weights` gives the range of each layer's weight. A share of
    `dark` is bright on a black background.
    """
    _, count, size, _ = layers.shape
    random = SectionRandom(count, generator)
    ink = random.uniform(*weights[0]) * layers[0]
    for layer, (low, high) in zip(layers[1:], weights[1:], strict=True):
        ink.addcmul_(random.uniform(low, high), layer)
    ink *= _tears(size, random)
    blurred = F.avg_pool2d(ink, 3, stride=1, padding=1, count_include_pad=False)
    ink.lerp_(blurred, random.uniform(0, 0.9))
    ink.addcmul_(random.uniform(0.005, 0.03), random.white_noise(size))
    background, gain = random.uniform(0.9, 1.02), random.uniform(0.8, 1.2)
    is_dark = random.chance(dark)
    background, gain = torch.where(is_dark, 1 - background, background), torch.where(is_dark, -gain, gain)
    image = torch.addcmul(255 * background + 0.5, ink, -255 * gain)
    return image.clamp_(0, 255).to(torch.uint8)


def _tears(size: int, random: SectionRandom) -> Tensor:
    """Mask (N, S, S) of the tissue that tears leave: half of the sections have one, a thin wavy line."""
    ramp = torch.linspace(0, 1, size, device=random.generator.device)
    x, y = ramp - random.uniform(0.2, 0.8), ramp[:, None] - random.uniform(0.2, 0.8)
    angle = random.uniform(0, 2 * torch.pi)
    along, beside = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    beside.addcmul_(random.uniform(0, 0.02), torch.sin(random.uniform(15, 40) * along))
    width = along.mul_(6).clamp_(0, 1).mul_(random.uniform(-0.015, 0.015))  # 0 at the tip; negative: no tear
    return beside.abs_().sub_(width).mul_(size).add_(1).clamp_(0, 1)


def add_artifacts(
    images: Tensor, planes: Tensor, artifacts: Artifacts, midline: float | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Adds `artifacts` to images (N, 1, S, S) in [0, 1] with planes (N, 9); returns both.

    Works for any stain: the background is the median of an image's border. Without a midline no hemisphere
    is removed. Images that are turned upside down get the planes of the turned images.
    """
    if artifacts.damage or artifacts.hemi:
        background = border_median(images[:, 0])
        sign = torch.where(background > 0.5, 1.0, -1.0)
        ink = (background - images[:, 0]) * sign
        if artifacts.hemi and midline is not None:
            ink = ink * _hemispheres(planes, images.shape[-1], artifacts.hemi, midline, generator)
        ink = _change_share(ink, artifacts.damage, generator, _damaged)
        grey = (background - sign * ink).clamp(0, 1)
        images = _change_share(grey, artifacts.damage, generator, _dimmed)[:, None]
    if artifacts.turned:
        turned = torch.rand(len(images), generator=generator, device=generator.device) < artifacts.turned
        images = torch.where(turned[:, None, None, None], images.flip(-1, -2), images)
        planes = torch.where(turned[:, None], geometry.upside_down(planes), planes)
    return images, planes


def border_median(images: Tensor) -> Tensor:
    """The grey of the background of images (N, S, S), the median of their borders: (N, 1, 1)."""
    border = torch.cat([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], dim=1)
    return border.median(dim=1).values[:, None, None]


def _change_share(
    images: Tensor,
    share: float,
    generator: torch.Generator,
    change: Callable[[Tensor, SectionRandom], Tensor],
) -> Tensor:
    """Images (N, S, S) of which a random `share` is changed."""
    chosen = (torch.rand(len(images), generator=generator, device=generator.device) < share).nonzero()[:, 0]
    if not len(chosen):
        return images
    return images.index_copy(0, chosen, change(images[chosen], SectionRandom(len(chosen), generator)))


def _hemispheres(
    planes: Tensor, size: int, share: float, midline: float, generator: torch.Generator
) -> Tensor:
    """Masks (N, S, S) of the tissue that stays: in a `share` of the sections one side of the midline."""
    random = SectionRandom(len(planes), generator)
    side = torch.where(random.chance(0.5), 1.0, -1.0)
    s = (torch.arange(size, device=planes.device) + 0.5) / size
    x = planes[:, 0, None, None] + planes[:, 3, None, None] * s + planes[:, 6, None, None] * s[:, None]
    pixel = planes[:, 3:6].norm(dim=1)[:, None, None] / size
    return torch.where(random.chance(share), (side * (x - midline) / pixel + 0.5).clamp(0, 1), 1.0)


def _damaged(ink: Tensor, random: SectionRandom) -> Tensor:
    """Ink (N, S, S) with folds, lost ends or pieces, and bubbles, each in 40 % of the sections."""
    size = ink.shape[-1]
    ramp = torch.linspace(-0.5, 0.5, size, device=ink.device)
    x, y = ramp.expand(size, size), ramp[:, None].expand(size, size)
    # A fold: the tissue beyond a line slides over it, and both layers are stained where it lies double.
    angle, offset = random.uniform(0, 2 * torch.pi), random.uniform(0.0, 0.3)
    width = torch.where(random.chance(0.4), random.uniform(0.01, 0.04), 0.0)
    beyond = angle.cos() * x + angle.sin() * y - offset
    slide = torch.where(beyond > 0, 2 * width, 0.0)
    positions = torch.stack([x + slide * angle.cos(), y + slide * angle.sin()], dim=-1)
    folded = F.grid_sample(ink[:, None], 2 * positions, align_corners=True)[:, 0]
    ink = folded * (1 + 0.7 * ((beyond > -width) & (beyond <= 0)))
    # A lost end, beyond a wavy line, and a lost piece of irregular outline.
    angle = random.uniform(0, 2 * torch.pi)
    offset = torch.where(random.chance(0.4), random.uniform(0.1, 0.35), 2.0)
    end = offset - angle.cos() * x - angle.sin() * y - 0.06 * random.smooth_noise(size, 7)
    radius = torch.where(random.chance(0.4), random.uniform(0.04, 0.16), -1.0)
    piece = _distance(x, y, random) + 0.05 * random.smooth_noise(size, 9) - radius
    ink = ink * (torch.minimum(end, piece) * size / 2 + 0.5).clamp(0, 1)
    # A bubble under the coverslip: pale inside, with a dark rim.
    radius = torch.where(random.chance(0.4), random.uniform(0.02, 0.08), -1.0)
    outside = _distance(x, y, random) - radius
    rim = 0.6 * (1 - outside.abs() * size / 1.5).clamp(min=0)
    return (ink * (1 - 0.5 * (outside < 0))).maximum(rim)


def _distance(x: Tensor, y: Tensor, random: SectionRandom) -> Tensor:
    """Distances (N, S, S) from a random point in the image."""
    return torch.hypot(x - random.uniform(-0.35, 0.35), y - random.uniform(-0.35, 0.35))


def _dimmed(images: Tensor, random: SectionRandom) -> Tensor:
    """Images (N, S, S) with random amounts of defocus and uneven illumination."""
    size = images.shape[-1]
    halved = F.avg_pool2d(images[:, None], 2)  # and enlarged again: much faster than a wide filter
    blurred = F.interpolate(halved, size=(size, size), mode="bilinear", align_corners=False)[:, 0]
    images = images.lerp(blurred, random.uniform(0, 0.8))
    return (images * (1 + random.uniform(0, 0.25) * random.smooth_noise(size, 3))).clamp(0, 1)
