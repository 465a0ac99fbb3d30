"""SliceData: batches, facts, mixtures of sources, and real sections."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.slices.phantom_series import even_series, random_series
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.sections import sources
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.prepare import prepare
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import Volume

pytestmark = pytest.mark.filterwarnings("ignore:fewer than three series")


def small(**options: Any) -> SliceData:
    return SliceData(**{"image_size": 32, "train": 20, "val": 10, "test": 10, "batch_size": 8} | options)


def test_batches_have_the_documented_shapes() -> None:
    data = small()
    train, val = list(data.train_dataloader()), list(data.val_dataloader())
    assert [len(images) for images, _ in train] == [8, 8]  # the last 4 are dropped
    assert [len(images) for images, _ in val] == [8, 2]
    for images, planes in train + val:
        assert images.shape[1:] == (1, 32, 32)
        assert planes.shape[1:] == (9,)
        assert images.dtype == planes.dtype == torch.float32
        assert images.min() >= 0
        assert images.max() <= 1


def test_same_seed_and_epoch_give_the_same_batches_other_epochs_do_not() -> None:
    class Trainer:
        current_epoch = 0

    first, again = small(), small()
    again.trainer = Trainer()  # type: ignore[assignment]
    for mine, same in zip(first.train_dataloader(), again.train_dataloader(), strict=True):
        assert torch.equal(mine[0], same[0])
        assert torch.equal(mine[1], same[1])
    Trainer.current_epoch = 1
    assert not torch.equal(next(iter(first.train_dataloader()))[0], next(iter(again.train_dataloader()))[0])
    other = small(seed=1)
    assert not torch.equal(next(iter(first.val_dataloader()))[1], next(iter(other.val_dataloader()))[1])


def test_splits_of_the_phantom_differ_and_the_test_split_is_cut_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuts: list[int] = []
    cut = sources.cut_stained

    def counted(brain: Volume, planes: torch.Tensor, *rest: Any) -> torch.Tensor:
        cuts.append(len(planes))
        return cut(brain, planes, *rest)

    monkeypatch.setattr(sources, "cut_stained", counted)
    data = small(train=11, val=12, test=13, seed=77)
    data.facts()
    splits = [data.train_dataloader(), data.val_dataloader(), data.predict_dataloader()]
    assert sorted(cuts) == [11, 12]
    splits.append(data.test_dataloader())
    small(train=11, val=12, test=13, seed=77, batch_size=4, augment=0.0).test_dataloader()
    assert sorted(cuts) == [11, 12, 13]  # once a process, not once a trial
    assert not torch.equal(next(iter(splits[1]))[1], next(iter(splits[3]))[1])


def test_facts_describe_the_training_set_and_the_constant_prediction() -> None:
    data = small(augment=0.0, train=16, batch_size=16, val=8)
    facts = data.facts()
    _, train = next(iter(data.train_dataloader()))
    _, val = next(iter(data.val_dataloader()))
    torch.testing.assert_close(facts["target_mean"], train.mean(dim=0))
    torch.testing.assert_close(facts["target_std"], train.std(dim=0, correction=0).clamp(min=1))
    assert facts["voxel_um"] == 25.0
    expected = alignment_distance(train.mean(dim=0).repeat(8, 1), val, 25.0).mean().item()
    assert facts["baseline"] == pytest.approx(expected, rel=1e-5)


def test_cuts_are_fresh_every_epoch_and_seeded(tmp_path: Path) -> None:
    class Trainer:
        current_epoch = 0

    data = SliceData("phantom", fresh=True, image_size=32, train=16, batch_size=8, augment=0.0, damage=0.5)
    data.trainer = Trainer()  # type: ignore[assignment]
    first, again = ([images for images, _ in data.train_dataloader()] for _ in range(2))
    Trainer.current_epoch = 1
    other = [images for images, _ in data.train_dataloader()]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    fixed = SliceData("phantom", image_size=32, train=16, batch_size=16, augment=0.0)
    fixed.trainer = Trainer()  # type: ignore[assignment]
    ((_, planes),) = fixed.train_dataloader()
    expected = fixed.sources[0].sections("train").planes
    assert torch.equal(planes.sort(dim=0).values, expected.sort(dim=0).values)


def test_sources_mix_by_weight_and_real_sections_validate(tmp_path: Path) -> None:
    root = str(even_series(tmp_path / "brain"))
    entries = [
        {"source": "phantom", "weight": 1, "fresh": True},
        {"source": "quicknii", "root": root, "weight": 3},
    ]
    data = SliceData(sources=entries, image_size=32, train=32, batch_size=32, augment=0.0)
    ((_, planes),) = data.train_dataloader()
    real = data.sources[1].sections("train")
    own = {tuple(plane.tolist()) for plane in real.planes[real.rows]}
    assert sum(tuple(plane.tolist()) in own for plane in planes) == 24
    assert [len(images) for images, _ in data.val_dataloader()] == [2]
    facts = data.facts()
    assert 0 < facts["nearest"] < facts["baseline"]


def test_the_volume_of_a_mixture_is_a_whole_brain(tmp_path: Path) -> None:
    root = str(even_series(tmp_path / "brain"))
    series, real = {"source": "series", "root": root}, {"source": "quicknii", "root": root}
    assert SliceData(sources=[series, {"source": "phantom"}], image_size=32).volume() is phantom.volume(32)
    assert SliceData(**real, image_size=32).volume() is None
    assert SliceData(image_size=32).volume() is phantom.volume(32)


def test_real_sections_become_batches(shared_data: Path) -> None:
    root = shared_data / "glta"
    options = {"source": "quicknii", "root": str(root), "image_size": 48}
    with pytest.warns(UserWarning, match="fewer than three series"):
        assert prepare(options)["root"] == str(root.resolve())
    data = SliceData(**options, batch_size=8)
    batches = list(data.train_dataloader()) + list(data.val_dataloader()) + list(data.test_dataloader())
    assert [len(images) for images, _ in batches] == [8, 8, 3, 3]
    images = torch.cat([images for images, _ in batches])
    assert 0.6 < images.mean() < 0.95
    assert 500 < data.facts()["baseline"] < 4000


def test_only_the_phantom_has_a_known_licence(tmp_path: Path) -> None:
    assert str(SliceData().licence).startswith("MIT")
    assert SliceData(source="quicknii", root=str(random_series(tmp_path / "s"))).licence is None
