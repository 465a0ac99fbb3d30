"""Schedules of noise, the fixed noise of validation, and the linear denoiser."""

import pytest
import torch

from trainables.mnist.noise import LEVELS, SCHEDULES, add_noise, fixed_noise, linear_denoiser, signals


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [2, 50, 1000])
def test_the_signal_falls_from_nearly_all_to_nearly_none(schedule: str, steps: int) -> None:
    signal = signals(schedule, steps)
    assert signal.shape == (steps,)
    assert bool((signal.diff() < 0).all())
    assert 0 < signal[-1] < 0.01
    if steps == 1000:
        assert signal[0] > 0.999


def test_other_schedules_and_fewer_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="noise is 'square', but must be one of linear, cosine"):
        signals("square", 50)
    with pytest.raises(ValueError, match="steps is 1, but must be at least 2"):
        signals("cosine", 1)


def test_fixed_noise_depends_on_its_seed_alone() -> None:
    images = torch.rand(3, 1, 4, 4)
    torch.manual_seed(0)
    first = fixed_noise(images, 7)
    torch.manual_seed(1)
    same, other = fixed_noise(images, 7), fixed_noise(images, 8)
    assert torch.equal(first.images, same.images)
    assert not torch.equal(first.noise, other.noise)
    assert first.images.shape == (LEVELS * 3, 1, 4, 4)
    assert torch.equal(first.images, add_noise(images.repeat(LEVELS, 1, 1, 1), first.noise, first.signal))
    assert first.signal.unique().numel() == LEVELS


def test_the_linear_denoiser_is_the_best_one_of_normal_images() -> None:
    """The squared error of the noise in one normal pixel of variance v is v s / (v s + 1 - s) at signal s."""
    generator = torch.Generator().manual_seed(0)
    variance = 0.25
    train, images = (
        0.5 + variance**0.5 / 2 * torch.randn(20_000, 1, 1, 1, generator=generator) for _ in range(2)
    )
    noisy = fixed_noise(images, 1)  # not the seed of the images
    errors = (linear_denoiser(train, noisy) - noisy.noise).square().flatten().view(LEVELS, -1).mean(1)
    signal = noisy.signal.view(LEVELS, -1)[:, 0]
    expected = variance * signal / (variance * signal + 1 - signal)
    torch.testing.assert_close(errors, expected, rtol=0.05, atol=1e-3)
