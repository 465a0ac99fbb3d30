"""How sections are stained and what they suffer, from the volume's layers to grey bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.slices.options import Wear
from trainables.slices.planes import geometry


@contextmanager
def one_thread() -> Iterator[None]:
    """For many short steps: to share each among threads gains little, and where cores are busy loses much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Dice:
    """Random numbers (count, 1, 1) from one generator, one a section."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator = count, generator

    def uniform(self, low: float, high: float) -> Tensor:
        device = self.generator.device
        return low + (high - low) * torch.rand(self.count, 1, 1, generator=self.generator, device=device)

    def chance(self, share: float) -> Tensor:
        return self.uniform(0, 1) < share

    def noise(self, size: int) -> Tensor:
        """(count, size, size), normal."""
        shape = (self.count, size, size)
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def smooth(self, size: int, knots: int) -> Tensor:
        """Noise (count, size, size) between -1 and 1 with so many bumps a side."""
        shape = (self.count, 1, knots, knots)
        values = 2 * torch.rand(shape, generator=self.generator, device=self.generator.device) - 1
        return F.interpolate(values, size=(size, size), mode="bilinear", align_corners=True)[:, 0]


def developed(
    layers: Tensor, shares: tuple[tuple[float, float], ...], dark: float, generator: torch.Generator
) -> Tensor:
    """Stain, tears, blur, noise and gain: layers (C, N, S, S) -> uint8 (N, S, S).

    A stain is a mixture: of each layer it takes a share within the range that `shares` has for it.
    """
    _, count, size, _ = layers.shape
    dice = Dice(count, generator)
    ink = dice.uniform(*shares[0]) * layers[0]
    for layer, (low, high) in zip(layers[1:], shares[1:], strict=True):
        ink.addcmul_(dice.uniform(low, high), layer)
    ink *= _tears(size, dice)
    blurred = F.avg_pool2d(ink, 3, stride=1, padding=1, count_include_pad=False)
    ink.lerp_(blurred, dice.uniform(0, 0.9))
    ink.addcmul_(dice.uniform(0.005, 0.03), dice.noise(size))
    background, gain = dice.uniform(0.9, 1.02), dice.uniform(0.8, 1.2)
    glows = dice.chance(dark)
    background, gain = torch.where(glows, 1 - background, background), torch.where(glows, -gain, gain)
    image = torch.addcmul(255 * background + 0.5, ink, -255 * gain)
    return image.clamp_(0, 255).to(torch.uint8)


def _tears(size: int, dice: Dice) -> Tensor:
    """What is left of the tissue, (N, S, S): half of the sections have a tear, a thin wavy line."""
    ramp = torch.linspace(0, 1, size, device=dice.generator.device)
    x, y = ramp - dice.uniform(0.2, 0.8), ramp[:, None] - dice.uniform(0.2, 0.8)
    angle = dice.uniform(0, 2 * torch.pi)
    along, beside = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    beside.addcmul_(dice.uniform(0, 0.02), torch.sin(dice.uniform(15, 40) * along))
    width = along.mul_(6).clamp_(0, 1).mul_(dice.uniform(-0.015, 0.015))  # it widens from its tip on
    return beside.abs_().sub_(width).mul_(size).add_(1).clamp_(0, 1)


def worn(
    images: Tensor, planes: Tensor, wear: Wear, midline: float | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images (N, 1, S, S) in [0, 1] and planes (N, 9) after what `wear` says.

    Whatever the stain: the ground is what most of an image's border shows, and tissue is what differs from
    it. Halving needs a midline; turning upside down turns the plane as well.
    """
    if wear.damage or wear.hemi:
        ground = _ground(images)
        bright = torch.where(ground > 0.5, 1.0, -1.0)
        ink = ((ground - images) * bright)[:, 0]
        if wear.hemi and midline is not None:
            ink = ink * _half(planes, images.shape[-1], wear.hemi, midline, generator)
        ink = _some(ink, wear.damage, generator, _damaged)
        images = (ground - bright * ink[:, None]).clamp(0, 1)
        images = _some(images[:, 0], wear.damage, generator, _dimmed)[:, None]
    if wear.turned:
        over = torch.rand(len(images), generator=generator, device=generator.device) < wear.turned
        images = torch.where(over[:, None, None, None], images.flip(-1, -2), images)
        planes = torch.where(over[:, None], geometry.upside_down(planes), planes)
    return images, planes


def _ground(images: Tensor) -> Tensor:
    """What most of the border shows: (N, 1, 1, 1)."""
    flat = images[:, 0]
    edge = torch.cat([flat[:, 0], flat[:, -1], flat[:, :, 0], flat[:, :, -1]], dim=1)
    return edge.median(dim=1).values[:, None, None, None]


def _some(
    images: Tensor, share: float, generator: torch.Generator, change: Callable[[Tensor, Dice], Tensor]
) -> Tensor:
    """Images (N, S, S) of which a `share` is changed."""
    chosen = (torch.rand(len(images), generator=generator, device=generator.device) < share).nonzero()[:, 0]
    if not len(chosen):
        return images
    return images.index_copy(0, chosen, change(images[chosen], Dice(len(chosen), generator)))


def _half(planes: Tensor, size: int, share: float, midline: float, generator: torch.Generator) -> Tensor:
    """1 where tissue stays (N, S, S): in a `share` of the sections on one side of the midline only."""
    dice = Dice(len(planes), generator)
    side = torch.where(dice.chance(0.5), 1.0, -1.0)
    s = (torch.arange(size, device=planes.device) + 0.5) / size
    x = planes[:, 0, None, None] + planes[:, 3, None, None] * s + planes[:, 6, None, None] * s[:, None]
    pixel = planes[:, 3:6].norm(dim=1)[:, None, None] / size
    return torch.where(dice.chance(share), (side * (x - midline) / pixel + 0.5).clamp(0, 1), 1.0)


def _damaged(ink: Tensor, dice: Dice) -> Tensor:
    """Ink (N, S, S) of tissue that has folded, has lost an end or a piece, or has bubbles over it."""
    size = ink.shape[-1]
    ramp = torch.linspace(-0.5, 0.5, size, device=ink.device)
    x, y = ramp.expand(size, size), ramp[:, None].expand(size, size)
    # A fold: all beyond a line slides over it, and where tissue then lies double both layers take stain.
    angle, at = dice.uniform(0, 2 * torch.pi), dice.uniform(0.0, 0.3)
    wide = torch.where(dice.chance(0.4), dice.uniform(0.01, 0.04), 0.0)
    beyond = angle.cos() * x + angle.sin() * y - at
    slide = torch.where(beyond > 0, 2 * wide, 0.0)
    places = torch.stack([x + slide * angle.cos(), y + slide * angle.sin()], dim=-1)
    slid = F.grid_sample(ink[:, None], 2 * places, align_corners=True)[:, 0]
    ink = slid * (1 + 0.7 * ((beyond > -wide) & (beyond <= 0)))
    # An end, beyond a wavy line; and a piece of any outline.
    angle, at = dice.uniform(0, 2 * torch.pi), torch.where(dice.chance(0.4), dice.uniform(0.1, 0.35), 2.0)
    kept = at - angle.cos() * x - angle.sin() * y - 0.06 * dice.smooth(size, 7)
    radius = torch.where(dice.chance(0.4), dice.uniform(0.04, 0.16), -1.0)
    piece = _distance(x, y, dice) + 0.05 * dice.smooth(size, 9) - radius
    ink = ink * (torch.minimum(kept, piece) * size / 2 + 0.5).clamp(0, 1)
    # A bubble under the coverslip: pale within, a dark rim.
    radius = torch.where(dice.chance(0.4), dice.uniform(0.02, 0.08), -1.0)
    away = _distance(x, y, dice) - radius
    rim = 0.6 * (1 - away.abs() * size / 1.5).clamp(min=0)
    return (ink * (1 - 0.5 * (away < 0))).maximum(rim)


def _distance(x: Tensor, y: Tensor, dice: Dice) -> Tensor:
    """From a random place within the image, (N, S, S)."""
    return torch.hypot(x - dice.uniform(-0.35, 0.35), y - dice.uniform(-0.35, 0.35))


def _dimmed(images: Tensor, dice: Dice) -> Tensor:
    """Images (N, S, S) under uneven light and out of focus, each by as much as it happens."""
    size = images.shape[-1]
    halved = F.avg_pool2d(images[:, None], 2)  # and back: far quicker than a wide filter
    blurred = F.interpolate(halved, size=(size, size), mode="bilinear", align_corners=False)[:, 0]
    images = images.lerp(blurred, dice.uniform(0, 0.8))
    return (images * (1 + dice.uniform(0, 0.25) * dice.smooth(size, 3))).clamp(0, 1)
