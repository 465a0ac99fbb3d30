"""Fixed noise on images, by which all denoisers are judged, and the schedules of diffusion."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

LEVELS = 8  # noise levels of validation
SCHEDULES = ("linear", "cosine")
MAX_VARIANCE = 0.999  # of the noise that one step adds
LARGEST_STEPS = 1000  # of the published linear schedule


class Noisy(NamedTuple):
    """Noisy images and the normal noise in them, both (LEVELS * B, 1, H, W), and signals (LEVELS * B,)."""

    images: Tensor
    noise: Tensor
    signal: Tensor


def add_noise(images: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """Mixes images (B, 1, H, W) in [0, 1], scaled to [-1, 1], with noise.

    `signal` (B,) is the share of the images in the variance: 1 is no noise, 0 is noise alone.
    """
    signal = signal[:, None, None, None]
    return signal.sqrt() * (2 * images - 1) + (1 - signal).sqrt() * noise


def fixed_noise(images: Tensor, seed: int) -> Noisy:
    """Images (B, 1, H, W) at all noise levels, with noise that depends on `seed` alone.

    The levels are evenly spaced in the angle whose cosine is the root of the signal.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(LEVELS * len(images), *images.shape[1:], generator=generator).to(images.device)
    angles = (torch.arange(LEVELS, device=images.device) + 0.5) * (math.pi / 2 / LEVELS)
    signal = angles.cos().square().repeat_interleave(len(images))
    return Noisy(add_noise(images.repeat(LEVELS, 1, 1, 1), noise, signal), noise, signal)


def signals(schedule: str, steps: int) -> Tensor:
    """The share of signal after each step of noise, (steps,), falling.

    `linear`: Ho et al., NeurIPS 2020, whose 1,000 steps are made as many as `steps`. `cosine`: Nichol and
    Dhariwal, ICML 2021. Raises ValueError for another schedule, and for fewer than 2 steps.
    """
    if schedule not in SCHEDULES:
        raise ValueError(
            f"noise is {schedule!r}, but must be one of {', '.join(SCHEDULES)} (param.noise=...)"
        )
    if steps < 2:
        raise ValueError(f"steps is {steps}, but must be at least 2 (steps=...)")
    if schedule == "linear":
        variances = torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * (LARGEST_STEPS / steps)
    else:
        angles = (torch.linspace(0, 1, steps + 1, dtype=torch.float64) + 0.008) / 1.008 * (math.pi / 2)
        kept = angles.cos().square()
        variances = 1 - kept[1:] / kept[:-1]
    return (1 - variances.clamp(max=MAX_VARIANCE)).cumprod(0).float()


def linear_denoiser(train: Tensor, noisy: Noisy) -> Tensor:
    """The noise in noisy images by the best linear estimate: training images (N, 1, H, W) taken as normal.

    Wiener, 1949.
    """
    pixels = 2 * train.flatten(1) - 1
    mean, covariance = pixels.mean(0), torch.cov(pixels.T)
    estimates = []
    for images, signal in zip(noisy.images.chunk(LEVELS), noisy.signal.chunk(LEVELS), strict=True):
        share = signal[0]
        total = share * covariance + (1 - share) * torch.eye(len(mean))
        centred = images.flatten(1) - share.sqrt() * mean
        estimates.append((1 - share).sqrt() * torch.linalg.solve(total, centred.T).T)
    return torch.cat(estimates).reshape(noisy.images.shape)
