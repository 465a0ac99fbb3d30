"""From a folder of images to QuickNII files, with models whose answers are known."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import lightning as L
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from spaces.read import read as read_space
from trainables import byname
from trainables.slices import inputs, phantom, quicknii
from trainables.slices.data import SliceData
from trainables.slices.predict import SlicePredictor
from trainables.slices.truth import errors

GLTA = Path(__file__).parents[2].parent / "shared/data/glta"
UPRIGHT = torch.tensor([478.0, 0, 334, -508, 0, 0, 0, 0, -386])  # coronal, at depth 0
Predict = Callable[..., list[str]]


class Grey(L.LightningModule):
    """Reads the depth of a section from its grey: `depth` voxels for white; then adds `off` (9,)."""

    def __init__(self, depth: float = 400.0, off: tuple[float, ...] = (0,) * 9) -> None:
        super().__init__()
        self.depth, self.off = depth, torch.tensor(off)

    def forward(self, images: Tensor) -> Tensor:
        planes = UPRIGHT.repeat(len(images), 1) + self.off
        planes[:, 1] += self.depth * images.mean(dim=(1, 2, 3))
        return planes


@pytest.fixture(scope="module")
def data() -> SliceData:
    return SliceData(image_size=32, train=16, val=4, test=4)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Six sections that get darker from number 10 to number 35."""
    folder = tmp_path / "brain"
    folder.mkdir()
    for number in range(10, 40, 5):
        grey(200 - 4 * number).save(folder / f"mouse_s{number:03}.png")
    return folder


def grey(value: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.new("L", size, value)


def depth(number: int) -> float:
    """Where Grey sees the sections of `source`."""
    return 400 * (200 - 4 * number) / 255


@pytest.fixture
def predict(data: SliceData, source: Path, tmp_path: Path) -> Predict:
    """Predicts `source` into `out/`, without pictures, and returns what is said."""

    def run(*members: L.LightningModule, **options: Any) -> list[str]:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        predictor = SlicePredictor(members or [Grey()], data)
        return predictor.predict(source, out, {**predictor.options, "overview": False, **options})

    return run


def series(out: Path) -> quicknii.Series:
    """What was written, which is the same in all three formats."""
    first, *others = (quicknii.read(out / f"series.{ending}") for ending in ("json", "xml", "csv"))
    for other in others:
        assert other.sections == first.sections
    return first


def table(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "sections.csv", newline="") as file:
        return {row["filename"]: row for row in csv.DictReader(file)}


# The files


def test_the_files_hold_what_the_model_predicts(predict: Predict, tmp_path: Path) -> None:
    said = predict()
    assert said == ["6 sections predicted"]
    found = series(tmp_path / "out")
    assert (found.name, found.target) == ("brain", "ABA_Mouse_CCFv3_2017_25um.cutlas")
    assert found.aligner.startswith("ladder")
    for section, number in zip(found.sections, range(10, 40, 5), strict=True):
        assert section.filename == f"mouse_s{number:03}.png"
        assert (section.width, section.height, section.nr) == (60, 40, number)
        expected = UPRIGHT.tolist()
        expected[1] = depth(number)
        assert section.anchoring == pytest.approx(expected, abs=1e-3)
        row = table(tmp_path / "out")[section.filename]
        assert float(row["depth_um"]) == pytest.approx(25 * depth(number), abs=0.1)
        assert (row["nr"], row["uncertainty_um"], row["inferred"]) == (str(number), "", "")


@pytest.mark.skipif(not GLTA.is_dir(), reason="the real GLTa series is not beside the project")
def test_the_files_have_the_form_of_deepslice_s_own(predict: Predict, tmp_path: Path) -> None:
    """Keys, their order and their types, field for field."""
    predict(Grey(), Grey(off=(3,) * 9), propagate=True)

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return [(key, form(item)) for key, item in value.items()]
        return [form(value[0])] if isinstance(value, list) and value else type(value)

    theirs, ours = (json.loads(file.read_text()) for file in both(tmp_path / "out", "json"))
    assert form(ours) == form(theirs)
    assert all(form(one) == form(theirs["slices"][0]) for one in ours["slices"])
    assert ours["target"] == theirs["target"]

    theirs, ours = (ElementTree.parse(file).getroot() for file in both(tmp_path / "out", "xml"))
    assert ours.tag == theirs.tag
    for their, our in zip(theirs, ours, strict=False):
        assert (our.tag, list(our.attrib)) == (their.tag, list(their.attrib))
        keys = [re.findall(r"(?:^|&)([a-z]+)=", one.attrib["anchoring"]) for one in (our, their)]
        assert keys[0] == keys[1] == list(quicknii.AXES)
    head = re.findall(r'xmlns:(\w+)="', (GLTA / "glta.xml").read_text())  # where theirs says what ours has
    assert list(ours.attrib) == [*head, "target"]
    assert (ours.attrib["first"], ours.attrib["last"]) == ("10", "35")

    theirs, ours = (list(csv.reader(file.open(newline=""))) for file in both(tmp_path / "out", "csv"))
    assert ours[0] == theirs[0]
    numbers = re.compile(r"-?\d+(\.\d+(e-?\d+)?)?")
    for one in (ours[1], theirs[1]):
        assert all(numbers.fullmatch(cell) for cell in one[1:])
        assert all(cell.isdigit() for cell in one[10:13])


def both(out: Path, ending: str) -> tuple[Path, Path]:
    return GLTA / f"glta.{ending}", out / f"series.{ending}"


def test_an_ensemble_is_the_median_and_says_how_far_its_members_are(predict: Predict, tmp_path: Path) -> None:
    far = (0, 90, 0, 0, 0, 0, 0, 0, 0)
    near = (0, 0, -4, 0, 0, 0, 0, 0, 0)
    said = predict(Grey(off=far), Grey(), Grey(off=near))
    assert said == ["6 sections predicted by 3 models, which differ by 100 µm (median)"]
    for section in series(tmp_path / "out").sections:
        assert section.anchoring[1] == pytest.approx(depth(section.nr), abs=1e-3)
        assert section.anchoring[2] == pytest.approx(334, abs=1e-3)
        row = table(tmp_path / "out")[section.filename]
        assert float(row["uncertainty_um"]) == pytest.approx(100)  # of 0, 100 and 2,250
    predict(Grey(), Grey(off=near))
    assert series(tmp_path / "out").sections[0].anchoring[2] == pytest.approx(332, abs=1e-3)


def test_the_space_names_this_predictor_and_its_backbone_is_asked_in_batches(
    data: SliceData, source: Path, tmp_path: Path
) -> None:
    space = read_space("slice_reg")
    assert space.predictor is not None
    predictor = byname.load(space.predictor)
    settings = {"backbone": "resnet10t", "head_width": 8}
    module = byname.load(space.trainable)(
        **settings, **byname.taken(byname.load(space.trainable), data.facts())
    )
    for number in range(100, 140):
        grey(100).save(source / f"more_s{number}.png")
    predictor([module.eval()], data).predict(source, tmp_path, {**predictor.options, "overview": False})
    found = series(tmp_path)
    assert len(found.sections) == 46
    # Its last layer begins at zero: it predicts the mean of the training planes.
    np.testing.assert_allclose(found.sections[0].anchoring, data.facts()["target_mean"], rtol=1e-4)


# Numbers and propagation


def test_sections_are_in_the_order_of_their_numbers(predict: Predict, source: Path, tmp_path: Path) -> None:
    (source / "mouse_s010.png").rename(source / "z_s5_s003_v2.png")
    predict()
    assert [section.nr for section in series(tmp_path / "out").sections] == [3, 15, 20, 25, 30, 35]


@pytest.mark.parametrize("text", ["name,number\na,2\nb.png,1\n", "a.png;2\nb;1\n", "\ufeffa\t2\n\nb\t1"])
def test_numbers_come_from_a_file(predict: Predict, source: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "numbers.csv").write_text(text)
    for path in source.iterdir():
        path.unlink()
    for name in "abc":
        grey(100).save(source / f"{name}.png")
    said = predict(Grey(), numbers=tmp_path / "numbers.csv", propagate=True)
    assert "section c.png has no number (it is not in" in said[0]
    assert [section.filename for section in series(tmp_path / "out").sections] == ["b.png", "a.png"]


def test_names_without_numbers_and_duplicates(predict: Predict, source: Path, tmp_path: Path) -> None:
    grey(90).save(source / "overview.png")
    grey(90).save(source / "z_s015.png")
    said = predict(propagate=True)
    assert "section z_s015.png has the number 15 of mouse_s015.png; it is left out" in said
    assert any("section overview.png has no number (no _sNNN in its name" in line for line in said)
    assert [section.nr for section in series(tmp_path / "out").sections] == [10, 15, 20, 25, 30, 35]
    said = predict()
    assert "so all are numbered from 1 in the order of their names" in said[0]
    assert [section.nr for section in series(tmp_path / "out").sections] == list(range(1, 9))


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no line of name,number"), ("a.png,1\nb.png\n", "line 2"), ("a.png,1\nb.png,x\n", "line 2")],
)
def test_bad_files_of_numbers_are_refused(predict: Predict, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "numbers.csv").write_text(text)
    with pytest.raises(ValueError, match=says):
        predict(numbers=tmp_path / "numbers.csv")


def test_propagation_spaces_the_series_and_infers_the_bad(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    grey(255).save(source / "mouse_s020.png")  # spoiled
    said = predict(propagate=True, bad=[20])
    step = 25 * 400 * 4 / 255
    assert f"{step:.1f} µm from one section number to the next (fitted)" in said[1]
    assert "inferred from their neighbours: mouse_s020.png" in said[1]
    for section in series(tmp_path / "out").sections:
        assert section.anchoring[1] == pytest.approx(depth(section.nr), abs=0.01)
    assert table(tmp_path / "out")["mouse_s020.png"]["inferred"] == "yes"
    predict(propagate=True, thickness=40, bad="mouse_s020")
    depths = [section.anchoring[1] for section in series(tmp_path / "out").sections]
    np.testing.assert_allclose(np.diff(depths), -40 / 25 * 5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"propagate": "yes"}, "propagate is 'yes'"),
        ({"thickness": 40}, "add propagate=true"),
        ({"bad": [10]}, "add propagate=true"),
        ({"propagate": "order", "thickness": 40}, "not propagate=order"),
        ({"propagate": True, "thickness": "thin"}, "must be a number of µm"),
        ({"propagate": True, "bad": [11]}, "bad=11: no predicted section"),
        ({"propagate": True, "bad": [10, 15, 20, 25, 30]}, "1 sections are good"),
        ({"overview": "big"}, "overview is 'big'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    predict: Predict, options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        predict(**options)


# The truth


def true_series(source: Path, **change: Any) -> Path:
    """An anchoring file in which the sections of `source` lie 4 voxels in front of where Grey sees them."""
    sections = []
    for number in range(10, 40, 5):
        plane = UPRIGHT.tolist()
        plane[1] = depth(number) + 4
        name = f"mouse_s{number:03}.png"
        sections.append({"filename": name, "anchoring": plane, "width": 60, "height": 40, "nr": number})
    target = change.pop("target", phantom.TARGET)
    for number, anchoring in change.items():
        sections[int(number)]["anchoring"] = anchoring
    path = source.parent / "truth.json"
    path.write_text(json.dumps({"name": "", "target": target, "slices": sections}))
    return path


def test_known_planes_are_compared(predict: Predict, source: Path, tmp_path: Path) -> None:
    said = predict(truth=true_series(source))
    assert said[-1].startswith("6 sections of known plane: distance median 100 µm, 90 % within 100 µm")
    for row in table(tmp_path / "out").values():
        assert float(row["distance_um"]) == pytest.approx(100, abs=0.1)
        assert float(row["depth_error_um"]) == pytest.approx(-100, abs=0.1)
        assert float(row["cut_error_degrees"]) == float(row["turn_error_degrees"]) == 0
    with Image.open(tmp_path / "out" / "truth.png") as plot:
        assert len(plot.getcolors()) > 3  # type: ignore[arg-type]


def test_known_planes_that_cannot_be_meant_leave_the_others(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    path = true_series(source, **{"0": [float("nan")] * 9, "1": [0.0] * 9, "2": None, "3": [1e400] * 9})
    (source / "mouse_s030.png").unlink()
    said = predict(truth=path)
    refused = [line for line in said if line.endswith("it is not compared")]
    assert len(refused) == 3
    for name, line in zip(("mouse_s010.png", "mouse_s015.png", "mouse_s025.png"), refused, strict=True):
        assert name in line
    assert "of known plane, but not among the predicted sections: mouse_s030.png" in said
    assert said[-1].startswith("1 sections of known plane")
    rows = table(tmp_path / "out")
    assert [name for name, row in rows.items() if row["distance_um"]] == ["mouse_s035.png"]
    (source / "mouse_s035.png").unlink()
    assert predict(truth=path)[-1] == "no predicted section has a known plane"


def test_a_truth_in_another_atlas_or_none_at_all_is_refused(predict: Predict, source: Path) -> None:
    with pytest.raises(ValueError, match="is for the atlas WHS_SD_Rat_v4_39um"):
        predict(truth=true_series(source, target="WHS_SD_Rat_v4_39um"))
    with pytest.raises(ValueError, match="there is no file"):
        predict(truth=source / "none.json")


def test_errors_take_a_plane_s_distance_apart() -> None:
    true = UPRIGHT.double().numpy()[None].repeat(3, axis=0)
    moved, cut, turned = true.copy()
    moved[:3] += [3, -8, 0]
    angle = np.radians(5)
    centre = true[0, :3] + true[0, 3:6] / 2 + true[0, 6:] / 2
    cut[3:6] = [-508 * np.cos(angle), -508 * np.sin(angle), 0]
    turned[3:6] = [-508 * np.cos(angle), 0, -508 * np.sin(angle)]
    turned[6:] = [386 * np.sin(angle), 0, -386 * np.cos(angle)]
    for plane in (cut, turned):
        plane[:3] = centre - plane[3:6] / 2 - plane[6:] / 2
    found = errors(np.stack([moved, cut, turned]), true, 25.0)
    np.testing.assert_allclose(found.depth_um, [-200, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found.cut_degrees, [0, 5, 0], atol=1e-5)
    np.testing.assert_allclose(np.abs(found.turn_degrees), [0, 0, 5], atol=1e-5)
    assert found.distance_um[0] == pytest.approx(25 * np.hypot(3, 8))


def test_planes_beyond_those_of_training_are_marked(
    predict: Predict, data: SliceData, source: Path, tmp_path: Path
) -> None:
    low, high = data.plane_range()
    middle = (low + high) / 2

    class Middle(Grey):
        def forward(self, images: Tensor) -> Tensor:
            planes = middle.repeat(len(images), 1)
            planes[0, 1] = high[1] + 1
            planes[1, [2, 8]] = low[[2, 8]] - 1
            return planes

    said = predict(Middle())
    assert said[-1] == "2 sections lie beyond the training planes' range (sections.csv: extrapolated)"
    marks = [row["extrapolated"] for row in table(tmp_path / "out").values()]
    assert marks == ["oy", "oz vz", "", "", "", ""]


# Bad input


def test_each_unusual_image_gets_a_line_and_the_others_are_predicted(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    (source / "corrupt_s101.png").write_bytes((source / "mouse_s010.png").read_bytes()[:60])
    (source / "empty_s102.tif").write_bytes(b"")
    grey(90, (1, 1)).save(source / "pixel_s103.png")
    grey(90, (12_000, 12_000)).save(source / "huge_s104.png")
    grey(90).convert("CMYK").save(source / "cmyk_s105.jpg")
    grey(90).convert("P").save(source / "palette_s106.png")
    tifffile.imwrite(source / "deep_s107.tif", np.full((40, 60), 30_000, dtype=np.uint16))
    tifffile.imwrite(source / "pages_s108.tif", np.full((3, 40, 60), 90, np.uint8), photometric="minisblack")
    grey(90).save(source / "moving_s109.png", save_all=True, append_images=[grey(10)])
    (source / "notes_s110.txt").write_text("no image")
    (source / "folder_s111.png").mkdir()
    said = predict()
    for name in ("corrupt_s101.png", "empty_s102.tif", "pixel_s103.png", "huge_s104.png"):
        (line,) = (line for line in said if name in line)
        assert line.endswith("the others are predicted")
        assert "\n" not in line
    assert "CMYK: cmyk_s105.jpg" in said
    assert "colours from a palette: palette_s106.png" in said
    assert "16 bits, of which 15 are used: deep_s107.tif" in said
    assert "several pages, of which the first is taken: pages_s108.tif, moving_s109.png" in said
    numbers = [section.nr for section in series(tmp_path / "out").sections]
    assert numbers == [10, 15, 20, 25, 30, 35, 105, 106, 107, 108, 109]


def test_folders_with_nothing_to_predict_are_refused(data: SliceData, source: Path, tmp_path: Path) -> None:
    predictor = SlicePredictor([Grey()], data)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="has no images"):
        predictor.predict(tmp_path / "none", tmp_path, predictor.options)
    with pytest.raises(ValueError, match="there is no folder"):
        predictor.predict(tmp_path / "missing", tmp_path, predictor.options)
    for path in source.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no section can be predicted; the first: section mouse_s010\.png"):
        predictor.predict(source, tmp_path, predictor.options)


def test_a_single_image_is_a_series_of_one(data: SliceData, source: Path, tmp_path: Path) -> None:
    predictor = SlicePredictor([Grey()], data)
    predictor.predict(source / "mouse_s015.png", tmp_path, {**predictor.options, "overview": False})
    assert [section.nr for section in series(tmp_path).sections] == [15]


def test_images_are_decoded_only_a_few_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def decode(path: Path, sizes: object) -> Path:
        begun.append(path)
        return path

    monkeypatch.setattr(inputs, "decode", decode)
    paths = [Path(str(number)) for number in range(200)]
    ahead = inputs.AHEAD * (inputs.os.cpu_count() or 1)
    for count, path in enumerate(inputs.decoded(paths, (8,)), start=1):
        assert path == paths[count - 1]
        assert len(begun) <= count + ahead
    assert len(begun) == 200
