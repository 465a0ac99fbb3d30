"""Volumes interpolated between anchored sections."""

from collections.abc import Iterable

import pytest
import torch

from tests.trainables.slices.phantom_series import upright
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import Volume, cut, sample
from trainables.slices.volumes.series import series_volume


def stack(depths: Iterable[int]) -> Volume:
    """The volume of the phantom's clean sections at depths in voxels."""
    planes = upright(depths)
    images = cut(phantom.volume(128), planes, 128)[:, 0]
    return series_volume(images, planes, phantom.SHAPE, 25.0, 228.0, 128)


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """The correlation of two images."""
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])


def test_a_series_cut_at_its_own_planes_gives_its_sections_back() -> None:
    depths = range(100, 401, 20)
    interpolated, true = (
        sample(brain, upright(depths), 128) for brain in (stack(depths), phantom.volume(128))
    )
    assert ((interpolated[0] > 0.5) == (true[0] > 0.5)).float().mean() > 0.95
    ink = 0.96 - cut(phantom.volume(128), upright(depths), 128)[:, 0]
    assert min(correlation(a, b) for a, b in zip(interpolated[1], ink, strict=True)) > 0.97


def test_between_sections_the_volume_is_more_similar_to_the_brain_than_either_neighbour() -> None:
    coarse, fine = stack(range(200, 321, 40)), stack(range(200, 321, 20))
    between = sample(coarse, upright([260]), 128)
    before, true, after = sample(fine, upright([240, 260, 280]), 128).unbind(dim=1)
    for layer in (0, 1):
        sides = max(correlation(before[layer], true[layer]), correlation(after[layer], true[layer]))
        assert correlation(between[layer, 0], true[layer]) > sides


def test_tilted_sections_lie_where_their_planes_say() -> None:
    brain = phantom.volume(128)
    planes = upright(range(100, 401, 15))
    planes[:, 1] += 20
    planes[:, 4] = -40  # the cut is tilted by 4.5 degrees
    images = cut(brain, planes, 128)[:, 0]
    made = series_volume(images, planes, phantom.SHAPE, 25.0, 228.0, 128)
    straight = upright([200, 250, 300])
    interpolated, true = (sample(volume, straight, 96)[0] for volume in (made, brain))
    assert ((interpolated > 0.5) == (true > 0.5)).float().mean() > 0.96
    assert abs(made.family.rotation[1]) == pytest.approx(4.5, abs=0.3)


def test_the_volume_ends_with_the_series() -> None:
    made = stack(range(200, 301, 20))
    assert sample(made, upright([150, 350]), 64)[0].max() == 0
    assert sample(made, upright([205, 295]), 64)[0].amax(dim=(1, 2)).min() > 0.9


def test_too_few_sections_are_refused() -> None:
    with pytest.raises(ValueError, match="3 sections to train on, but a volume needs 4"):
        stack([200, 220, 240])


def test_a_section_at_right_angles_to_the_others_is_refused() -> None:
    planes = upright([200, 220, 240, 260, 280])
    planes[2] = torch.tensor([228.0, 481, 340, 0, -507, 0, 0, 0, -385])  # sagittal
    with pytest.raises(ValueError, match="section 3 of 5 is not coronal like the others"):
        series_volume(torch.rand(5, 32, 32), planes, phantom.SHAPE, 25.0, 228.0, 32)
