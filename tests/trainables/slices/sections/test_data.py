"""From folders of images to batches: decoding, the cache, splits, augmentation, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.sections import anchored, sources
from trainables.slices.sections.augment import augmented
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.images import read_image
from trainables.slices.sections.prepare import prepare
from trainables.slices.sections.split import split_rows
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import Volume, sample
from trainables.training.batches import seeded

GLTA = Path(__file__).parents[3].parent / "shared/data/glta"
TARGET = "ABA_Mouse_CCFv3_2017_25um.cutlas"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_series(folder: Path, count: int = 10, target: str = TARGET) -> Path:
    """Sections of the phantom with their anchorings."""
    folder.mkdir(parents=True)
    planes = phantom.random_planes(count, seeded(count))
    for number, image in enumerate(phantom.cut(planes, 48, seeded(0))):
        Image.fromarray(image[0].numpy()).save(folder / f"s{number:03}.png")
    slices = [
        {"filename": f"s{number:03}.png", "anchoring": plane, "width": 48, "height": 48, "nr": number}
        for number, plane in enumerate(planes.tolist())
    ]
    (folder / "brain.json").write_text(json.dumps({"target": target, "slices": slices}))
    return folder


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / "brain.json").read_text())
    edit(content)
    (folder / "brain.json").write_text(json.dumps(content))


# Decoding


def test_all_kinds_of_images_read_to_the_same_grey(tmp_path: Path) -> None:
    ramp = np.add.outer(np.linspace(0, 120, 60), np.linspace(0, 120, 90)).round().astype(np.uint8)
    colour = np.stack([ramp] * 3, axis=-1)
    opaque = np.concatenate([colour, np.full_like(ramp, 255)[..., None]], axis=-1)
    wide = ramp.astype(np.uint16) * 257
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "rgb.png")
    Image.fromarray(opaque).save(tmp_path / "rgba.png")
    Image.fromarray(wide).save(tmp_path / "grey16.png")
    Image.fromarray(colour).save(tmp_path / "rgb.jpg", quality=98)
    Image.fromarray(ramp).save(tmp_path / "grey.tif", compression="tiff_lzw")
    Image.fromarray(ramp).convert("P").save(tmp_path / "palette.png")
    tifffile.imwrite(tmp_path / "grey16.tif", wide)
    tifffile.imwrite(tmp_path / "grey16big.tif", wide, byteorder=">", bigtiff=True)
    tifffile.imwrite(tmp_path / "inverted16.tif", 65535 - wide, photometric="miniswhite")
    planes = np.moveaxis(colour, -1, 0).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "planes16.tif", planes, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "rgb16.tif", colour.astype(np.uint16) * 257, photometric="rgb")
    tifffile.imwrite(tmp_path / "rgb.tiff", colour, photometric="rgb", tile=(16, 16), compression="zlib")
    files = sorted(tmp_path.glob("*.*"))
    assert len(files) == 13
    expected = read_image(tmp_path / "grey.png", 32).astype(int)
    assert expected.shape == (32, 32)
    assert expected.max() - expected.min() > 200
    for file in files:
        off = np.abs(read_image(file, 32).astype(int) - expected).max()
        assert off <= (3 if file.suffix == ".jpg" else 1), file.name


def test_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 4), dtype=np.uint8)
    pixels[:, 20:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    image = read_image(tmp_path / "half.png", 40)
    assert (image[:, :19] == 255).all()
    assert (image[:, 21:] == 0).all()


def test_fine_texture_is_averaged_not_aliased(tmp_path: Path) -> None:
    stripes = np.zeros((320, 320), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    image = read_image(tmp_path / "stripes.png", 32).astype(int)
    assert np.abs(image - 127).max() < 10


def test_floating_point_images_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((40, 40), dtype=np.float32))
    with pytest.raises(ValueError, match=r"section float\.tif can't be read as an image"):
        read_image(tmp_path / "float.tif", 32)


# The cache


def test_images_are_decoded_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_series(tmp_path / "brain")
    first = anchored.load(root, 32)
    monkeypatch.setattr(anchored, "read_image", lambda *_: pytest.fail("decoded again"))
    again = anchored.load(root, 32)
    assert isinstance(again.images, np.memmap)
    assert not again.images.flags.writeable
    assert np.array_equal(first.images, again.images)
    assert len(list(cache.iterdir())) == 1
    assert again.voxel_um == 25.0
    assert again.names[3] == "s003.png"


def test_changed_data_has_other_content(tmp_path: Path) -> None:
    root = make_series(tmp_path / "brain")
    options = {"source": "quicknii", "root": str(root), "image_size": 32}
    contents = [prepare(options)["content"], prepare(options)["content"]]
    contents.append(prepare(options | {"image_size": 40})["content"])
    change(root, lambda content: content["slices"][0]["anchoring"].__setitem__(0, 481.0))
    contents.append(prepare(options)["content"])
    Image.new("L", (70, 50), 99).save(root / "s001.png")
    contents.append(prepare(options)["content"])
    assert contents[0] == contents[1]
    assert len(set(contents)) == 4
    assert (anchored.load(root, 32).images[1] == 99).all()


def test_a_failed_decode_leaves_nothing_in_the_cache(tmp_path: Path, cache: Path) -> None:
    root = make_series(tmp_path / "brain")
    (root / "s004.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(ValueError, match=r"section s004\.png can't be read"):
        anchored.load(root, 32)
    assert list(cache.iterdir()) == []


# What is refused


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"source": "quicknini"}, "the nearest is quicknii"),
        ({"source": "quicknii"}, "data.root=FOLDER"),
        ({"source": "quicknii", "root": "/no/such/folder"}, "/no/such/folder is not a folder"),
        ({"image_size": 16}, "data.image_size=16"),
        ({"image_size": 64.0}, "data.image_size=64.0"),
        ({"train": 0}, "data.train=0"),
        ({"val": -1}, "data.val=-1"),
        ({"test": "many"}, "data.test='many'"),
        ({"voxel_um": 0}, "data.voxel_um=0"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], says: str, cache: Path) -> None:
    with pytest.raises(ValueError) as caught:
        prepare(options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def disagree(root: Path) -> None:
    shutil.copy(root / "brain.json", root / "newer.json")
    change(root, lambda content: content["slices"][2]["anchoring"].__setitem__(1, 99.0))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / "brain.json").unlink(), "has no anchoring file"),
        (lambda root: (root / "s002.png").unlink(), "section s002.png has an anchoring but no image"),
        (
            lambda root: change(root, lambda c: c["slices"].__delitem__(slice(2, None))),
            "has 2 anchored sections",
        ),
        (lambda root: change(root, lambda c: c.update(target="mine")), "data.voxel_um="),
        (disagree, "section s002.png differs"),
    ],
)
def test_bad_folders_are_refused(
    tmp_path: Path, spoil: Callable[[Path], object], says: str, cache: Path
) -> None:
    root = make_series(tmp_path / "brain")
    spoil(root)
    with pytest.raises(ValueError) as caught:
        prepare({"source": "quicknii", "root": str(root)})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_series(tmp_path / "brain")
    (tmp_path / "file").touch()
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="set LADDER_CACHE"):
        anchored.load(root, 32)


def test_voxel_size_can_be_given(tmp_path: Path) -> None:
    root = make_series(tmp_path / "brain", target="mine")
    loaded = anchored.load(root, 32, voxel_um=10)
    assert (loaded.voxel_um, loaded.midline) == (10, None)


def test_series_in_different_atlases_are_refused(tmp_path: Path) -> None:
    make_series(tmp_path / "mouse")
    make_series(tmp_path / "rat", target="WHS_SD_Rat_v4_39um.cutlas")
    with pytest.raises(ValueError, match="different atlases"):
        anchored.load(tmp_path, 32, voxel_um=None)


# Splits


def test_brains_are_split_as_a_whole(tmp_path: Path) -> None:
    for brain in "abcde":
        make_series(tmp_path / "brains" / brain, count=4)
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


# Batches


def small(**options: Any) -> SliceData:
    return SliceData(**{"image_size": 32, "train": 20, "val": 10, "test": 10, "batch_size": 8} | options)


def test_batches_have_the_promised_form() -> None:
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


def test_splits_of_the_phantom_differ_and_test_is_cut_only_when_asked(
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
    assert sorted(cuts) == [11, 12, 13]  # and once a process, whatever the number of trials
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


def test_augmentation_moves_planes_with_the_images() -> None:
    """Geometry alone: what a moved plane cuts from the phantom is what the moved image shows."""
    planes = phantom.random_planes(6, seeded(5))
    images = sample(phantom.volume(96), planes, 96)[0][:, None]
    moved_images, moved_planes = augmented(images, planes, 1.0, phantom.MIDLINE, seeded(9))
    assert (moved_planes - planes).abs().amax(dim=1).min() > 1
    seen = (moved_images[:, 0] > 0.4).float()
    expected = (sample(phantom.volume(96), moved_planes, 96)[0] > 0.5).float()
    assert (seen - expected).abs().mean() < 0.05
    assert (images[:, 0] - expected).abs().mean() > 0.1


def test_no_augmentation_changes_nothing_and_no_midline_flips_nothing() -> None:
    planes = phantom.random_planes(32, seeded(5))
    images = torch.rand(32, 1, 32, 32) * 0.9 + 0.05
    still = augmented(images, planes, 0.0, 228.0, seeded(1))
    torch.testing.assert_close(still[0], images, atol=1e-5, rtol=0)
    torch.testing.assert_close(still[1], planes)
    _, moved = augmented(images, planes, 1.0, None, seeded(1))
    assert (moved[:, 3] < 0).all()


@pytest.mark.skipif(not GLTA.is_dir(), reason="the real GLTa series is not beside the project")
def test_real_sections_become_batches() -> None:
    options = {"source": "quicknii", "root": str(GLTA), "image_size": 48}
    with pytest.warns(UserWarning, match="fewer than three series"):
        assert prepare(options)["root"] == str(GLTA.resolve())
    data = SliceData(**options, batch_size=8)
    batches = list(data.train_dataloader()) + list(data.val_dataloader()) + list(data.test_dataloader())
    assert [len(images) for images, _ in batches] == [8, 8, 3, 3]
    images = torch.cat([images for images, _ in batches])
    assert 0.6 < images.mean() < 0.95
    assert 500 < data.facts()["baseline"] < 4000


def test_the_licence_is_known_of_the_phantom_alone(tmp_path):
    assert SliceData().licence.startswith("MIT")
    assert SliceData(source="quicknii", root=str(make_series(tmp_path / "s"))).licence is None
