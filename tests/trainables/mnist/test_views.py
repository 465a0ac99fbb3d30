"""Two views: reproducible, in proportion to the strength, and the same in every validation."""

import pytest
import torch

from trainables.mnist.views import TwoViews, random_view
from trainables.training.batches import seeded


def test_a_view_without_strength_is_the_image() -> None:
    images = torch.rand(4, 1, 8, 8, generator=seeded(0))
    torch.testing.assert_close(random_view(images, 0.0, seeded(1)), images)


def test_views_differ_and_depend_on_the_seed() -> None:
    images = torch.rand(4, 1, 8, 8, generator=seeded(0))
    first, same, other = (random_view(images, 0.5, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_validation_views_do_not_depend_on_strength(strength: float) -> None:
    views, labels = next(iter(TwoViews(strength=strength, batch_seed=3).val_dataloader()))
    expected, _ = next(iter(TwoViews().val_dataloader()))
    assert views.shape == (180, 3, 1, 8, 8)
    assert labels.shape == (180,)
    assert torch.equal(views, expected)
