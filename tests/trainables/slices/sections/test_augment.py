"""Augmentation changes images and planes together."""

import torch

from trainables.slices.sections.augment import augmented
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import sample
from trainables.training.batches import seeded


def test_augmentation_moves_planes_with_the_images() -> None:
    """The moved image shows the section that the phantom has at the moved plane."""
    planes = phantom.random_planes(6, seeded(5))
    images = sample(phantom.volume(96), planes, 96)[0][:, None]
    moved_images, moved_planes = augmented(images, planes, 1.0, phantom.MIDLINE, seeded(9))
    assert (moved_planes - planes).abs().amax(dim=1).min() > 1
    shown = (moved_images[:, 0] > 0.4).float()
    expected = (sample(phantom.volume(96), moved_planes, 96)[0] > 0.5).float()
    assert (shown - expected).abs().mean() < 0.05
    assert (images[:, 0] - expected).abs().mean() > 0.1


def test_no_augmentation_changes_nothing_and_no_midline_flips_nothing() -> None:
    planes = phantom.random_planes(32, seeded(5))
    images = torch.rand(32, 1, 32, 32) * 0.9 + 0.05
    unchanged = augmented(images, planes, 0.0, 228.0, seeded(1))
    torch.testing.assert_close(unchanged[0], images, atol=1e-5, rtol=0)
    torch.testing.assert_close(unchanged[1], planes)
    _, moved = augmented(images, planes, 1.0, None, seeded(1))
    assert (moved[:, 3] < 0).all()
