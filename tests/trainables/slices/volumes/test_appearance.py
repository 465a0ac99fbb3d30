"""Artifacts: damage, missing hemispheres and images upside down."""

import torch

from tests.trainables.slices.phantom_series import upright
from trainables.slices.options import Artifacts
from trainables.slices.volumes import phantom
from trainables.slices.volumes.appearance import add_artifacts
from trainables.slices.volumes.cutting import cut, cut_stained
from trainables.training.batches import seeded


def sections(count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    planes = phantom.random_planes(count, seeded(1))
    return cut_stained(phantom.volume(64), planes, 64, 0.3, seeded(2)).float() / 255, planes


def test_no_artifacts_change_nothing_and_artifacts_are_seeded() -> None:
    images, planes = sections()
    unchanged = add_artifacts(images, planes, Artifacts(), 228.0, seeded(0))
    assert torch.equal(unchanged[0], images)
    assert torch.equal(unchanged[1], planes)
    first, again, other = (
        add_artifacts(images, planes, Artifacts(1, 0.5, 0.5), 228.0, seeded(n)) for n in (3, 3, 4)
    )
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert first[0].min() >= 0
    assert first[0].max() <= 1


def test_a_share_of_the_sections_is_damaged() -> None:
    images, planes = sections(200)
    changed, _ = add_artifacts(images, planes, Artifacts(damage=0.3), None, seeded(5))
    share = ((changed - images).abs().amax(dim=(1, 2, 3)) > 0.05).float().mean()
    assert 0.3 < share < 0.6  # damage and uneven light each change 0.3


def test_halves_end_at_the_midline() -> None:
    images, _ = sections()
    planes = upright(torch.linspace(100, 400, len(images)))
    images = cut_stained(phantom.volume(64), planes, 64, 0.0, seeded(2)).float() / 255
    halves, _ = add_artifacts(images, planes, Artifacts(hemi=1.0), 228.0, seeded(3))
    background = images[:, :, :4].mean(dim=(1, 2, 3))
    column = int((481.5 - 228) / 507 * 64)
    for half, image, bright in zip(halves[:, 0], images[:, 0], background, strict=True):
        after = [
            float((side - bright).abs().mean()) for side in (half[:, : column - 1], half[:, column + 2 :])
        ]
        before = [
            float((side - bright).abs().mean()) for side in (image[:, : column - 1], image[:, column + 2 :])
        ]
        assert min(after) < 0.02 < min(before)
        assert max(after) > 0.8 * min(before)


def test_sections_turned_upside_down_take_their_planes_along() -> None:
    planes = phantom.random_planes(8, seeded(1))
    images = cut(phantom.volume(64), planes, 64)
    turned, moved = add_artifacts(images, planes, Artifacts(turned=1.0), None, seeded(2))
    torch.testing.assert_close(cut(phantom.volume(64), moved, 64), turned, atol=2e-3, rtol=0)
    assert (moved[:, 3] > 0).all()
