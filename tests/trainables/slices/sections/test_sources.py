"""Series as volumes, mixtures and their splits, wear, and the nearest section."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.slices.options import Artifacts, parse_source_options
from trainables.slices.sections.anchored import load
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.nearest import nearest_section
from trainables.slices.sections.prepare import prepare
from trainables.slices.sections.sources import SectionSet, make_sources
from trainables.slices.volumes import phantom
from trainables.slices.volumes.appearance import add_artifacts
from trainables.slices.volumes.cutting import cut, cut_stained, sample
from trainables.slices.volumes.series import series_volume
from trainables.training.batches import seeded

pytestmark = pytest.mark.filterwarnings("ignore:fewer than three series")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "cache"))


def upright(depths: Any) -> torch.Tensor:
    return torch.tensor([[481.5, float(depth), 340, -507, 0, 0, 0, 0, -385] for depth in depths])


def make_brain(folder: Path, count: int = 20) -> Path:
    """A series of clean sections of the phantom, evenly spaced, with their anchorings."""
    folder.mkdir(parents=True)
    planes = upright(torch.linspace(60, 420, count))
    for number, image in enumerate(cut(phantom.volume(128), planes, 128)):
        Image.fromarray((255 * image[0]).byte().numpy()).save(folder / f"b_s{number:03}.png")
    slices = [
        {"filename": f"b_s{number:03}.png", "anchoring": plane, "width": 128, "height": 128, "nr": number}
        for number, plane in enumerate(planes.tolist())
    ]
    target = "ABA_Mouse_CCFv3_2017_25um.cutlas"
    (folder / "b.json").write_text(json.dumps({"target": target, "slices": slices}))
    return folder


def stack(depths: Any) -> Any:
    planes = upright(depths)
    images = cut(phantom.volume(128), planes, 128)[:, 0]
    return series_volume(images, planes, phantom.SHAPE, 25.0, 228.0, 128)


def sections_of(root: Path) -> torch.Tensor:
    """All images of a series in [0, 1], as fine as volumes are made of."""
    return torch.from_numpy(np.array(load(root, 128).images)).float() / 255


# Series


def test_a_series_cut_at_its_own_planes_gives_its_sections_back() -> None:
    depths = range(100, 401, 20)
    made = stack(depths)
    found, true = (sample(brain, upright(depths), 128) for brain in (made, phantom.volume(128)))
    assert ((found[0] > 0.5) == (true[0] > 0.5)).float().mean() > 0.95
    ink = 0.96 - cut(phantom.volume(128), upright(depths), 128)[:, 0]
    assert min(alike(a, b) for a, b in zip(found[1], ink, strict=True)) > 0.97


def alike(first: torch.Tensor, second: torch.Tensor) -> float:
    """The correlation of two images."""
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])


def test_between_sections_a_series_is_nearer_to_the_truth_than_either_neighbour() -> None:
    coarse, fine = stack(range(200, 321, 40)), stack(range(200, 321, 20))
    between = sample(coarse, upright([260]), 128)
    before, truth, after = sample(fine, upright([240, 260, 280]), 128).unbind(dim=1)
    for layer in (0, 1):
        sides = max(alike(before[layer], truth[layer]), alike(after[layer], truth[layer]))
        assert alike(between[layer, 0], truth[layer]) > sides


def test_tilted_sections_lie_where_their_planes_say() -> None:
    brain = phantom.volume(128)
    planes = upright(range(100, 401, 15))
    planes[:, 1] += 20
    planes[:, 4] = -40  # the cut leans by 4.5 degrees
    images = cut(brain, planes, 128)[:, 0]
    made = series_volume(images, planes, phantom.SHAPE, 25.0, 228.0, 128)
    straight = upright([200, 250, 300])
    found, true = (sample(one, straight, 96)[0] for one in (made, brain))
    assert ((found > 0.5) == (true > 0.5)).float().mean() > 0.96
    assert abs(made.family.rotation[1]) == pytest.approx(4.5, abs=0.3)


def test_nothing_lies_beyond_the_ends_of_a_series() -> None:
    made = stack(range(200, 301, 20))
    assert sample(made, upright([150, 350]), 64)[0].max() == 0
    assert sample(made, upright([205, 295]), 64)[0].amax(dim=(1, 2)).min() > 0.9


def test_too_few_sections_make_no_volume() -> None:
    with pytest.raises(ValueError, match="3 sections to train on, but a volume needs 4"):
        stack([200, 220, 240])


def test_a_section_across_the_others_makes_no_volume() -> None:
    planes = upright([200, 220, 240, 260, 280])
    planes[2] = torch.tensor([228.0, 481, 340, 0, -507, 0, 0, 0, -385])  # sagittal
    with pytest.raises(ValueError, match="section 3 of 5 is no coronal one as the others are"):
        series_volume(torch.rand(5, 32, 32), planes, phantom.SHAPE, 25.0, 228.0, 32)


def test_what_validates_a_series_is_not_in_its_volume(tmp_path: Path) -> None:
    root = make_brain(tmp_path / "brain")
    data = SliceData("series", str(root), image_size=32, train=24, batch_size=8)
    real = SliceData("quicknii", str(root), image_size=32, batch_size=8)
    assert [len(images) for images, _ in data.val_dataloader()] == [2]
    for split in ("val", "test"):  # the same real sections are held out, whichever way the series is used
        for mine, other in zip(
            getattr(data, f"{split}_dataloader")(), getattr(real, f"{split}_dataloader")(), strict=True
        ):
            assert torch.equal(mine[0], other[0])
    rows = real.sources[0].sections("train")
    rows = {split: set(real.sources[0].sections(split).rows.tolist()) for split in ("train", "val", "test")}
    assert [len(some) for some in rows.values()] == [16, 2, 2]
    assert len(set.union(*rows.values())) == 20
    train = real.sources[0].sections("train")
    images = sections_of(root)[train.rows]
    alone = series_volume(images, train.planes[train.rows], phantom.SHAPE, 25.0, 228.0, 32)
    built = SliceData("series", str(root), 32).volume()
    assert built is not None
    assert torch.equal(built.tensor, alone.tensor)


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
    kept = SliceData("phantom", image_size=32, train=16, batch_size=16, augment=0.0)
    kept.trainer = Trainer()  # type: ignore[assignment]
    ((_, planes),) = kept.train_dataloader()
    expected = kept.sources[0].sections("train").planes
    assert torch.equal(planes.sort(dim=0).values, expected.sort(dim=0).values)


# Mixtures


def test_sources_mix_by_weight_and_real_sections_validate(tmp_path: Path) -> None:
    root = str(make_brain(tmp_path / "brain"))
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


def test_a_brain_is_on_one_side_in_all_sources(tmp_path: Path) -> None:
    for name in "abcde":
        make_brain(tmp_path / "brains" / name, count=5)
    entries = [
        {"source": "quicknii", "root": str(tmp_path / "brains")},
        {"source": "quicknii", "root": str(tmp_path / "brains" / "a")},
        {"source": "series", "root": str(tmp_path / "brains")},
    ]
    made = make_sources({"sources": entries, "image_size": 32}, seed=3)
    splits = {
        split: {int(row) // 5 for row in made[0].sections(split).rows} for split in ("train", "val", "test")
    }
    assert sorted(brain for brains in splits.values() for brain in brains) == [0, 1, 2, 3, 4]
    side = next(split for split, brains in splits.items() if 0 in brains)
    assert len(made[1].sections(side).rows) == 5
    assert len(made[2].cuts.brains) == 3  # type: ignore[attr-defined]
    assert torch.equal(made[2].sections("val").rows, made[0].sections("val").rows)


def test_the_volume_of_a_mixture_is_a_whole_brain(tmp_path: Path) -> None:
    root = str(make_brain(tmp_path / "brain"))
    series, real = {"source": "series", "root": root}, {"source": "quicknii", "root": root}
    assert SliceData(sources=[series, {"source": "phantom"}], image_size=32).volume() is phantom.volume(32)
    assert SliceData(**real, image_size=32).volume() is None
    assert SliceData(image_size=32).volume() is phantom.volume(32)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"source": "volume"}, "data.root=FILE"),
        ({"source": "atlas"}, "data.name="),
        ({"source": "series"}, "data.root=FOLDER"),
        ({"family": "corona"}, "data.family=corona"),
        ({"damage": 1.5}, "data.damage=1.5"),
        ({"angle": -1}, "data.angle=-1"),
        ({"fresh": "yes"}, "data.fresh='yes'"),
        ({"hemi": 0.5, "family": "sagittal"}, "data.hemi=0.5"),
        ({"sources": []}, "data.sources=[]"),
        ({"sources": "phantom"}, "data.sources='phantom'"),
        ({"sources": [{"weight": 1}]}, "data.sources[0]"),
        ({"sources": [{"source": "phantom", "wight": 1}]}, "data.sources[0].wight"),
        ({"sources": [{"source": "phantom", "weight": 0}]}, "data.sources[0].weight=0"),
        ({"sources": [{"source": "quicknii", "root": "/no"}]}, "/no is not a folder"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        prepare(options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sources_of_other_voxels_are_refused(tmp_path: Path) -> None:
    root = make_brain(tmp_path / "brain")
    entries = [{"source": "phantom"}, {"source": "quicknii", "root": str(root), "voxel_um": 39.0}]
    with pytest.raises(ValueError, match="voxels of 25, 39 µm"):
        prepare({"sources": entries})


def test_prepare_names_what_it_saw(tmp_path: Path) -> None:
    root = make_brain(tmp_path / "brain")
    entries = [{"source": "phantom"}, {"source": "quicknii", "root": str(root)}]
    found = prepare({"sources": entries, "image_size": 32})
    assert found["sources"][1]["root"] == str(root.resolve())
    Image.new("L", (60, 50), 99).save(root / "b_s001.png")
    assert prepare({"sources": entries, "image_size": 32})["content"] != found["content"]
    assert [one.source for one in parse_source_options({"sources": entries, "damage": 0.5})] == ["phantom", "quicknii"]
    assert parse_source_options({"sources": entries, "damage": 0.5})[0].damage == 0.5


# Artifacts


def sections(count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    planes = phantom.random_planes(count, seeded(1))
    return cut_stained(phantom.volume(64), planes, 64, 0.3, seeded(2)).float() / 255, planes


def test_no_wear_changes_nothing_and_wear_is_seeded() -> None:
    images, planes = sections()
    still = add_artifacts(images, planes, Artifacts(), 228.0, seeded(0))
    assert torch.equal(still[0], images)
    assert torch.equal(still[1], planes)
    first, again, other = (add_artifacts(images, planes, Artifacts(1, 0.5, 0.5), 228.0, seeded(n)) for n in (3, 3, 4))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert first[0].min() >= 0
    assert first[0].max() <= 1


def test_a_share_of_the_sections_is_damaged() -> None:
    images, planes = sections(200)
    changed, _ = add_artifacts(images, planes, Artifacts(damage=0.3), None, seeded(5))
    share = ((changed - images).abs().amax(dim=(1, 2, 3)) > 0.05).float().mean()
    assert 0.3 < share < 0.6  # damage and dim light come to 0.3 each


def test_halves_end_at_the_midline() -> None:
    images, _ = sections()
    planes = upright(torch.linspace(100, 400, len(images)))
    images = cut_stained(phantom.volume(64), planes, 64, 0.0, seeded(2)).float() / 255
    halves, _ = add_artifacts(images, planes, Artifacts(hemi=1.0), 228.0, seeded(3))
    ground = images[:, :, :4].mean(dim=(1, 2, 3))
    middle = int((481.5 - 228) / 507 * 64)
    for half, image, bright in zip(halves[:, 0], images[:, 0], ground, strict=True):
        lost = [
            float((side - bright).abs().mean()) for side in (half[:, : middle - 1], half[:, middle + 2 :])
        ]
        had = [
            float((side - bright).abs().mean()) for side in (image[:, : middle - 1], image[:, middle + 2 :])
        ]
        assert min(lost) < 0.02 < min(had)
        assert max(lost) > 0.8 * min(had)


def test_sections_turned_upside_down_take_their_planes_along() -> None:
    planes = phantom.random_planes(8, seeded(1))
    images = cut(phantom.volume(64), planes, 64)
    turned, moved = add_artifacts(images, planes, Artifacts(turned=1.0), None, seeded(2))
    torch.testing.assert_close(cut(phantom.volume(64), moved, 64), turned, atol=2e-3, rtol=0)
    assert (moved[:, 3] > 0).all()


# The nearest section


def test_the_nearest_section_is_found_whatever_its_light() -> None:
    depths = torch.linspace(60, 420, 30)
    images = cut(phantom.volume(64), upright(depths), 64)
    seen = 0.2 + 0.5 * cut(phantom.volume(64), upright(depths + 2), 64)
    found = nearest_section(images, upright(depths), seen)
    assert (found[:, 1] - depths).abs().max() < 1
    blank = nearest_section(images, upright(depths), torch.ones(1, 1, 64, 64))
    assert blank.isfinite().all()


def test_what_is_known_of_a_series_are_its_sections_too(tmp_path: Path) -> None:
    root = make_brain(tmp_path / "brain")
    (source,) = make_sources({"source": "series", "root": str(root), "image_size": 32, "train": 20}, 0)
    known = source.references()
    assert [len(kept.rows) for kept in known] == [20, 16]
    assert all(isinstance(kept, SectionSet) for kept in known)
