"""Refinement: planes moved until the volume's cut looks like the section."""

import math
import re
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.trainables.slices.predict.brightness import BrightnessModel, Predict, read_series, read_table
from trainables.slices.planes import geometry, quicknii
from trainables.slices.predict.predictor import SlicePredictor
from trainables.slices.predict.refine import refine_planes, transformed
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import BACKGROUND, Volume, cut_stained

pytestmark = pytest.mark.slow

ERRORS = torch.tensor([15.0, 15, 30, 3, 3, 2, 2, 2])  # standard deviations, typical of an ensemble


@pytest.fixture(scope="module")
def brain() -> Volume:
    return phantom.volume(64)


def sections(brain: Volume, dark: float) -> tuple[Tensor, Tensor]:
    """Eight images (8, 1, 64, 64) and their planes (8, 9)."""
    generator = torch.Generator().manual_seed(0)
    planes = brain.family.draw(8, 3.0, generator)
    return cut_stained(brain, planes, 64, dark, generator).float() / 255, planes


def guesses(planes: Tensor) -> Tensor:
    """Three wrong planes for each: (3, N, 9)."""
    generator = torch.Generator().manual_seed(1)
    return torch.stack(
        [transformed(planes, ERRORS * torch.randn(len(planes), 8, generator=generator)) for _ in "123"]
    )


@pytest.mark.parametrize("dark", [0.0, 1.0])
def test_refinement_reduces_errors_of_planes(brain: Volume, dark: float) -> None:
    images, true = sections(brain, dark)
    starts = guesses(true)
    before = geometry.alignment_distance(starts.quantile(0.5, dim=0), true, brain.voxel_um)
    planes, correlation = refine_planes(brain, images, starts)
    after = geometry.alignment_distance(planes, true, brain.voxel_um)
    assert before.median() > 250
    assert after.median() < before.median() / 2.5
    assert (after < before).sum() >= 7
    assert correlation.min() > 0.9


def test_the_true_plane_stays_where_it_is(brain: Volume) -> None:
    images, true = sections(brain, 0.0)
    planes, _ = refine_planes(brain, images, true[None])
    assert geometry.alignment_distance(planes, true, brain.voxel_um).median() < 60


def test_each_section_is_refined_independently_and_deterministically(brain: Volume) -> None:
    images, true = sections(brain, 0.0)
    starts = guesses(true)
    planes, _ = refine_planes(brain, images[:2], starts[:, :2])
    again, _ = refine_planes(brain, images[1:2], starts[:, 1:2])
    assert torch.equal(planes[1:], again)


@pytest.mark.parametrize("grey", [0.0, BACKGROUND])
def test_an_empty_image_stays_at_the_median(brain: Volume, grey: float) -> None:
    _, true = sections(brain, 0.0)
    starts = guesses(true[:1])
    planes, correlation = refine_planes(brain, torch.full((1, 1, 64, 64), grey), starts)
    torch.testing.assert_close(planes, starts.quantile(0.5, dim=0), rtol=0, atol=1e-3)
    assert correlation == 0


def test_planes_move_rotate_and_scale_about_their_centres_along_their_own_axes() -> None:
    plane = torch.tensor([[478.0, 200, 334, -512, 0, 0, 0, 0, -384]])
    middle = torch.tensor([[222.0, 200, 142]])

    def step(axis: int, count: float) -> tuple[Tensor, Tensor, Tensor]:
        origin, u, v = transformed(plane, count * torch.eye(8)[axis : axis + 1]).split(3, dim=-1)
        return origin + (u + v) / 2 - middle, u, v

    torch.testing.assert_close(transformed(plane, torch.zeros(1, 8)), plane)
    for axis, toward in enumerate([(-1.0, 0, 0), (0, 0, -1.0), (0, -1.0, 0)]):
        centre, u, v = step(axis, 10)
        torch.testing.assert_close(centre, 10 * torch.tensor([toward]), rtol=0, atol=1e-3)
        torch.testing.assert_close(torch.cat([u, v], dim=-1), plane[:, 3:])
    for axis in (3, 4, 5):
        centre, u, v = step(axis, 10)
        torch.testing.assert_close(centre, torch.zeros(1, 3), rtol=0, atol=1e-3)
        torch.testing.assert_close(u.norm(), torch.tensor(512.0))
        assert (u * v).sum() == pytest.approx(0, abs=0.1)
        turned = torch.stack([u[0] / 512, v[0] / 384]).flatten() @ torch.tensor([-1.0, 0, 0, 0, 0, -1])
        still = 1 if axis < 5 else 0  # a rotation about U or V leaves that edge as it is
        assert turned == pytest.approx(still + (2 - still) * math.cos(0.1), abs=1e-4)
    assert step(6, 10)[1].norm() == pytest.approx(512 * math.exp(0.1), rel=1e-4)
    assert step(7, 10)[2].norm() == pytest.approx(384 * math.exp(0.1), rel=1e-4)


class ConstantModel(L.LightningModule):
    """Predicts given planes (N, 9), whatever the images."""

    def __init__(self, planes: Tensor) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, images: Tensor) -> Tensor:
        return self.planes[: len(images)]


def test_predictions_are_refined_on_request(brain: Volume, tmp_path: Path) -> None:
    images, true = sections(brain, 0.0)
    members = [ConstantModel(planes) for planes in guesses(true)]
    source = tmp_path / "brain"
    source.mkdir()
    for number, image in enumerate(images):
        Image.fromarray((255 * image[0]).byte().numpy()).save(source / f"mouse_s{number:03}.png")
    predictor = SlicePredictor(members, SliceData(image_size=64, train=16, val=4, test=4))
    medians, uncertain = [], []
    for refine in (False, True):
        out = tmp_path / f"refined {refine}"
        out.mkdir()
        messages = predictor.predict(source, out, {**predictor.options, "overview": False, "refine": refine})
        predicted = torch.tensor([section.anchoring for section in read_series(out).sections])
        medians.append(geometry.alignment_distance(predicted, true, brain.voxel_um).median())
        uncertain.append([row["uncertainty_um"] for row in read_table(out).values()])
    assert medians[1] < medians[0] / 2.5
    assert uncertain[0] == uncertain[1]  # it describes the models
    pattern = (
        r"; refined by \d+ µm \(median\) to correlations of 0\.99\d \(median\) and 0\.9\d\d \(lowest: mouse"
    )
    assert re.search(pattern, messages[0])


def test_the_user_s_own_volume_is_preferred_for_refinement(tmp_path: Path) -> None:
    block = np.zeros((40, 30, 40), dtype=np.uint8)
    block[5:35, 5:25, 5:35] = 200
    np.save(tmp_path / "own.npy", block)
    own = {"source": "volume", "root": str(tmp_path / "own.npy"), "orientation": "asr", "voxel_um": 25}
    for sources in ([{"source": "phantom"}, own], [own, {"source": "phantom"}]):
        data = SliceData(sources=sources, image_size=32, train=16, val=4, test=4)
        volume = SlicePredictor([ConstantModel(torch.zeros(1, 9))], data).refinement_volume()
        assert volume.shape == (40, 40, 30)


@pytest.mark.filterwarnings("ignore:fewer than three series")
def test_a_run_without_a_volume_cannot_refine(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "cache"))
    anchoring = (478.0, 200.0, 334.0, -508.0, 0.0, 0.0, 0.0, 0.0, -386.0)
    sections = tuple(
        quicknii.Section(path.name, anchoring, 60, 40, number)
        for number, path in enumerate(sorted(source.iterdir()))
    )
    quicknii.write(quicknii.Series("brain", phantom.TARGET, "", sections), source / "brain.json")
    data = SliceData(source="quicknii", root=str(source), image_size=32)
    predictor = SlicePredictor([BrightnessModel()], data)
    with pytest.raises(ValueError, match=r"this run had none; train with data=series"):
        predictor.predict(source, tmp_path, {**predictor.options, "refine": True})


def test_refine_is_true_or_false(predict: Predict) -> None:
    with pytest.raises(ValueError, match="refine is 'twice', but must be true or false"):
        predict(refine="twice")
