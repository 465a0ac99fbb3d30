"""Checks before a run: refused options, and the name of the data's content."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.trainables.slices.phantom_series import edit_anchorings, even_series, random_series
from trainables.slices.options import parse_source_options
from trainables.slices.sections import anchored
from trainables.slices.sections.prepare import prepare

pytestmark = pytest.mark.filterwarnings("ignore:fewer than three series")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "quicknini"}, "the nearest is quicknii"),
        ({"source": "quicknii"}, "data.root=FOLDER"),
        ({"source": "quicknii", "root": "/no/such/folder"}, "/no/such/folder is not a folder"),
        ({"image_size": 16}, "data.image_size is 16"),
        ({"image_size": 64.0}, "data.image_size is 64.0"),
        ({"train": 0}, "data.train is 0"),
        ({"val": -1}, "data.val is -1"),
        ({"test": "many"}, "data.test is 'many'"),
        ({"voxel_um": 0}, "data.voxel_um is 0"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str, cache: Path) -> None:
    with pytest.raises(ValueError) as caught:
        prepare(options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "volume"}, "data.root=FILE"),
        ({"source": "atlas"}, "data.name="),
        ({"source": "series"}, "data.root=FOLDER"),
        ({"family": "corona"}, "data.family is 'corona'"),
        ({"damage": 1.5}, "data.damage is 1.5"),
        ({"angle": -1}, "data.angle is -1"),
        ({"fresh": "yes"}, "data.fresh is 'yes'"),
        ({"hemi": 0.5, "family": "sagittal"}, "data.hemi=0.5"),
        ({"sources": []}, "data.sources=[]"),
        ({"sources": "phantom"}, "data.sources='phantom'"),
        ({"sources": [{"weight": 1}]}, "data.sources[0]"),
        ({"sources": [{"source": "phantom", "wight": 1}]}, "data.sources[0].wight"),
        ({"sources": [{"source": "phantom", "weight": 0}]}, "data.sources[0].weight is 0"),
        ({"sources": [{"source": "quicknii", "root": "/no"}]}, "/no is not a folder"),
    ],
)
def test_bad_sources_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        prepare(options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changed_data_has_other_content(tmp_path: Path) -> None:
    root = random_series(tmp_path / "brain")
    options = {"source": "quicknii", "root": str(root), "image_size": 32}
    contents = [prepare(options)["content"], prepare(options)["content"]]
    contents.append(prepare(options | {"image_size": 40})["content"])
    edit_anchorings(root, lambda content: content["slices"][0]["anchoring"].__setitem__(0, 481.0))
    contents.append(prepare(options)["content"])
    Image.new("L", (70, 50), 99).save(root / "s001.png")
    contents.append(prepare(options)["content"])
    assert contents[0] == contents[1]
    assert len(set(contents)) == 4
    assert (anchored.load(root, 32).images[1] == 99).all()


def test_sources_of_other_voxels_are_refused(tmp_path: Path) -> None:
    root = even_series(tmp_path / "brain")
    entries = [{"source": "phantom"}, {"source": "quicknii", "root": str(root), "voxel_um": 39.0}]
    with pytest.raises(ValueError, match="voxels of 25, 39 µm"):
        prepare({"sources": entries})


def test_the_content_of_a_mixture_changes_with_an_image(tmp_path: Path) -> None:
    root = even_series(tmp_path / "brain")
    entries = [{"source": "phantom"}, {"source": "quicknii", "root": str(root)}]
    prepared = prepare({"sources": entries, "image_size": 32})
    assert prepared["sources"][1]["root"] == str(root.resolve())
    Image.new("L", (60, 50), 99).save(root / "b_s001.png")
    assert prepare({"sources": entries, "image_size": 32})["content"] != prepared["content"]
    options = parse_source_options({"sources": entries, "damage": 0.5})
    assert [source.source for source in options] == ["phantom", "quicknii"]
    assert options[0].damage == 0.5
