"""The phantom: deterministic, symmetric, bright around the tissue, and different along the brain."""

import pytest
import torch

from tests.trainables.slices.phantom_series import upright
from trainables.slices.planes.geometry import mirror, move, similarity
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import sample
from trainables.training.batches import seeded


def test_volume_is_deterministic_and_symmetric() -> None:
    volume = phantom.make_volume()
    assert volume.shape == (3, 132, 160, 228)
    assert volume.min() >= 0
    assert volume.max() <= 1
    assert torch.equal(volume, volume.flip(-1))
    assert torch.equal(volume, phantom.make_volume.__wrapped__())


def test_tissue_lies_within_the_frame() -> None:
    tissue = phantom.make_volume()[0]
    for dim in range(3):
        assert tissue.select(dim, 0).max() == 0
        assert tissue.select(dim, -1).max() == 0


def test_cuts_are_seeded() -> None:
    first, again, other = (phantom.cut(upright([250]), 64, seeded(seed)) for seed in (1, 1, 2))
    assert first.shape == (1, 1, 64, 64)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_background_is_mostly_bright_and_tissue_darker() -> None:
    planes = phantom.random_planes(200, seeded(0))
    images = phantom.cut(planes, 64, seeded(1)).float()[:, 0]
    tissue = sample(phantom.volume(64), planes, 64)[0]
    background = torch.stack([image[mask < 0.01].mean() for image, mask in zip(images, tissue, strict=True)])
    inside = torch.stack([image[mask > 0.9].mean() for image, mask in zip(images, tissue, strict=True)])
    bright = background > 200
    assert 0.85 < bright.float().mean() < 1
    assert (inside < background - 20)[bright].all()


def test_sections_change_along_the_brain() -> None:
    """Sections become less similar with distance, so depth can be learned."""
    here, near, far = sample(phantom.volume(64), upright([250, 245, 150]), 64)[1]
    assert (here - near).abs().mean() < 0.5 * (here - far).abs().mean()
    tissue = sample(phantom.volume(64), upright(range(45, 425, 20)), 64)[0]
    assert (tissue.mean(dim=(1, 2)) > 0.03).all()  # no plane misses the brain


def test_a_mirrored_plane_shows_the_flipped_section() -> None:
    planes = phantom.random_planes(8, seeded(3))
    zero = torch.zeros(8)
    flip = similarity(planes, zero, zero + 1, torch.zeros(8, 2), torch.ones(8, dtype=torch.bool))
    flipped = sample(phantom.volume(64), mirror(move(planes, flip), phantom.MIDLINE), 64)
    torch.testing.assert_close(flipped, sample(phantom.volume(64), planes, 64).flip(-1), atol=2e-3, rtol=0)


def test_random_planes_are_like_a_real_series() -> None:
    planes = phantom.random_planes(2000, seeded(0))
    across, down = planes[:, 3:6], planes[:, 6:9]
    cosine = (across * down).sum(dim=1) / across.norm(dim=1) / down.norm(dim=1)
    assert cosine.abs().max() < 1e-4
    centres = planes[:, :3] + across / 2 + down / 2
    assert centres[:, 1].min() == pytest.approx(39, abs=2)
    assert centres[:, 1].max() == pytest.approx(427, abs=2)
    expected = torch.tensor([481.0, 233, 340, -506, 0, 0, 0, 0, -385])
    assert (planes.mean(dim=0) - expected).abs().max() < 6
    assert 4 < across[:, 1].std() < 40  # tilted cuts
    assert across[:, 0].max() < -400  # none is upside down
