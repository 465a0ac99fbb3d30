"""The split of real sections into training, validation and test."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.slices.phantom_series import even_series, random_series
from trainables.slices.sections import anchored
from trainables.slices.sections.sources import make_sources
from trainables.slices.sections.split import split_rows


def test_brains_are_split_as_wholes(tmp_path: Path) -> None:
    for brain in "abcde":
        random_series(tmp_path / "brains" / brain, count=4)
    loaded = anchored.load(tmp_path / "brains", 32)
    assert loaded.names[5] == "b/s001.png"
    assert loaded.series.tolist() == [brain for brain in range(5) for _ in range(4)]
    rows = split_rows(loaded.series, seed=0)
    assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(20))
    brains = {split: set(loaded.series[chosen.numpy()].tolist()) for split, chosen in rows.items()}
    assert {split: len(members) for split, members in brains.items()} == {"train": 3, "val": 1, "test": 1}
    assert len(set.union(*brains.values())) == 5


def test_one_brain_is_split_by_section_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="fewer than three series"):
        rows = split_rows(np.zeros(30, dtype=np.int64), seed=0)
    assert {split: len(chosen) for split, chosen in rows.items()} == {"train": 24, "val": 3, "test": 3}
    assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(30))
    with pytest.warns(UserWarning):
        others = [split_rows(np.zeros(30, dtype=np.int64), seed)["test"].tolist() for seed in (0, 1)]
    assert others[0] == rows["test"].tolist() != others[1]


def test_three_sections_are_enough() -> None:
    with pytest.warns(UserWarning):
        rows = split_rows(np.zeros(3, dtype=np.int64), seed=0)
    assert [len(chosen) for chosen in rows.values()] == [1, 1, 1]


def test_a_brain_is_in_the_same_split_in_all_sources(tmp_path: Path) -> None:
    for name in "abcde":
        even_series(tmp_path / "brains" / name, count=5)
    entries = [
        {"source": "quicknii", "root": str(tmp_path / "brains")},
        {"source": "quicknii", "root": str(tmp_path / "brains" / "a")},
        {"source": "series", "root": str(tmp_path / "brains")},
    ]
    sources = make_sources({"sources": entries, "image_size": 32}, seed=3)
    splits = {
        split: {int(row) // 5 for row in sources[0].sections(split).rows}
        for split in ("train", "val", "test")
    }
    assert sorted(brain for brains in splits.values() for brain in brains) == [0, 1, 2, 3, 4]
    first = next(split for split, brains in splits.items() if 0 in brains)
    assert len(sources[1].sections(first).rows) == 5
    assert len(sources[2].cuts.brains) == 3  # type: ignore[attr-defined]
    assert torch.equal(sources[2].sections("val").rows, sources[0].sections("val").rows)
