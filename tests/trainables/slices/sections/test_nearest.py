"""The nearest-neighbour baseline."""

import torch

from tests.trainables.slices.phantom_series import upright
from trainables.slices.sections.nearest import nearest_section
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import cut


def test_brightness_and_contrast_do_not_change_the_nearest_section() -> None:
    depths = torch.linspace(60, 420, 30)
    images = cut(phantom.volume(64), upright(depths), 64)
    dimmed = 0.2 + 0.5 * cut(phantom.volume(64), upright(depths + 2), 64)
    nearest = nearest_section(images, upright(depths), dimmed)
    assert (nearest[:, 1] - depths).abs().max() < 1
    blank = nearest_section(images, upright(depths), torch.ones(1, 1, 64, 64))
    assert blank.isfinite().all()
