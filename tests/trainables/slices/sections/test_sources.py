"""Sources: a series and its volume, and the references of the nearest-neighbour baseline."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.slices.phantom_series import even_series
from trainables.slices.sections import anchored
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.sources import SectionSet, make_sources
from trainables.slices.volumes import phantom
from trainables.slices.volumes.series import series_volume
from trainables.training.batches import seeded

pytestmark = pytest.mark.filterwarnings("ignore:fewer than three series")


def images_of(root: Path) -> torch.Tensor:
    """All images of a series in [0, 1], at the size from which volumes are built."""
    return torch.from_numpy(np.array(anchored.load(root, 128).images)).float() / 255


def test_validation_sections_of_a_series_are_not_in_its_volume(tmp_path: Path) -> None:
    root = even_series(tmp_path / "brain")
    data = SliceData("series", str(root), image_size=32, train=24, batch_size=8)
    real = SliceData("quicknii", str(root), image_size=32, batch_size=8)
    assert [len(images) for images, _ in data.val_dataloader()] == [2]
    for split in ("val", "test"):  # series and quicknii hold out the same sections
        for mine, other in zip(
            getattr(data, f"{split}_dataloader")(), getattr(real, f"{split}_dataloader")(), strict=True
        ):
            assert torch.equal(mine[0], other[0])
    rows = {split: set(real.sources[0].sections(split).rows.tolist()) for split in ("train", "val", "test")}
    assert [len(members) for members in rows.values()] == [16, 2, 2]
    assert len(set.union(*rows.values())) == 20
    train = real.sources[0].sections("train")
    images = images_of(root)[train.rows]
    expected = series_volume(images, train.planes[train.rows], phantom.SHAPE, 25.0, 228.0, 32)
    built = SliceData("series", str(root), 32).volume()
    assert built is not None
    assert torch.equal(built.tensor, expected.tensor)


def test_fixed_cuts_of_a_series_get_artifacts_once(tmp_path: Path) -> None:
    root = even_series(tmp_path / "brain")
    options = {"source": "series", "root": str(root), "image_size": 32, "fresh": False, "turned": 1.0}
    (source,) = make_sources({**options, "train": 20}, 0)
    _, planes = source.training_batch(torch.arange(20), seeded(0))
    assert torch.equal(planes, source.sections("train").planes)
    assert (planes[:, 3] > 0).all()  # turned back, the width would run to the left again


def test_references_of_a_series_are_cuts_and_real_sections(tmp_path: Path) -> None:
    root = even_series(tmp_path / "brain")
    (source,) = make_sources({"source": "series", "root": str(root), "image_size": 32, "train": 20}, 0)
    references = source.references()
    assert [len(fixed.rows) for fixed in references] == [20, 16]
    assert all(isinstance(fixed, SectionSet) for fixed in references)
