"""Refinement: planes moved until the cut there looks like the section."""

import math
import re
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.trainables.slices.grey import Predict, series, table
from trainables.slices.planes import geometry
from trainables.slices.predict.predictor import SlicePredictor
from trainables.slices.predict.refine import changed, refined
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import BACKGROUND, Volume, photographed

FREE = torch.tensor([15.0, 15, 30, 3, 3, 2, 2, 2])  # deviations, in steps: as a middling ensemble errs


@pytest.fixture(scope="module")
def brain() -> Volume:
    return phantom.volume(64)


def sections(brain: Volume, dark: float) -> tuple[Tensor, Tensor]:
    """Eight images (8, 1, 64, 64) and their planes (8, 9)."""
    generator = torch.Generator().manual_seed(0)
    planes = brain.family.draw(8, 3.0, generator)
    return photographed(brain, planes, 64, dark, generator).float() / 255, planes


def guesses(planes: Tensor) -> Tensor:
    """Three wrong planes for each: (3, N, 9)."""
    generator = torch.Generator().manual_seed(1)
    return torch.stack(
        [changed(planes, FREE * torch.randn(len(planes), 8, generator=generator)) for _ in "123"]
    )


@pytest.mark.parametrize("dark", [0.0, 1.0])
def test_refinement_brings_planes_much_nearer(brain: Volume, dark: float) -> None:
    images, true = sections(brain, dark)
    starts = guesses(true)
    before = geometry.alignment_distance(starts.quantile(0.5, dim=0), true, brain.voxel_um)
    planes, likeness = refined(brain, images, starts)
    after = geometry.alignment_distance(planes, true, brain.voxel_um)
    assert before.median() > 250
    assert after.median() < before.median() / 2.5
    assert (after < before).sum() >= 7
    assert likeness.min() > 0.9


def test_the_true_plane_stays_where_it_is(brain: Volume) -> None:
    images, true = sections(brain, 0.0)
    planes, _ = refined(brain, images, true[None])
    assert geometry.alignment_distance(planes, true, brain.voxel_um).median() < 60


def test_each_section_is_refined_by_itself_and_always_alike(brain: Volume) -> None:
    images, true = sections(brain, 0.0)
    starts = guesses(true)
    planes, _ = refined(brain, images[:2], starts[:, :2])
    again, _ = refined(brain, images[1:2], starts[:, 1:2])
    assert torch.equal(planes[1:], again)


@pytest.mark.parametrize("grey", [0.0, BACKGROUND])
def test_what_shows_nothing_stays_at_the_median(brain: Volume, grey: float) -> None:
    _, true = sections(brain, 0.0)
    starts = guesses(true[:1])
    planes, likeness = refined(brain, torch.full((1, 1, 64, 64), grey), starts)
    torch.testing.assert_close(planes, starts.quantile(0.5, dim=0), rtol=0, atol=1e-3)
    assert likeness == 0


def test_steps_move_turn_and_stretch_about_the_centre_and_along_own_axes() -> None:
    plane = torch.tensor([[478.0, 200, 334, -512, 0, 0, 0, 0, -384]])
    middle = torch.tensor([[222.0, 200, 142]])

    def step(axis: int, count: float) -> tuple[Tensor, Tensor, Tensor]:
        origin, u, v = changed(plane, count * torch.eye(8)[axis : axis + 1]).split(3, dim=-1)
        return origin + (u + v) / 2 - middle, u, v

    torch.testing.assert_close(changed(plane, torch.zeros(1, 8)), plane)
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
        still = 1 if axis < 5 else 0  # a turn about U or V leaves that edge as it is
        assert turned == pytest.approx(still + (2 - still) * math.cos(0.1), abs=1e-4)
    assert step(6, 10)[1].norm() == pytest.approx(512 * math.exp(0.1), rel=1e-4)
    assert step(7, 10)[2].norm() == pytest.approx(384 * math.exp(0.1), rel=1e-4)


class Told(L.LightningModule):
    """Predicts the planes (N, 9) that it was told."""

    def __init__(self, planes: Tensor) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, images: Tensor) -> Tensor:
        return self.planes[: len(images)]


def test_predictions_are_refined_if_asked(brain: Volume, tmp_path: Path) -> None:
    images, true = sections(brain, 0.0)
    members = [Told(planes) for planes in guesses(true)]
    source = tmp_path / "brain"
    source.mkdir()
    for number, image in enumerate(images):
        Image.fromarray((255 * image[0]).byte().numpy()).save(source / f"mouse_s{number:03}.png")
    predictor = SlicePredictor(members, SliceData(image_size=64, train=16, val=4, test=4))
    medians, uncertain = [], []
    for refine in (False, True):
        out = tmp_path / f"refined {refine}"
        out.mkdir()
        said = predictor.predict(source, out, {**predictor.options, "overview": False, "refine": refine})
        found = torch.tensor([section.anchoring for section in series(out).sections])
        medians.append(geometry.alignment_distance(found, true, brain.voxel_um).median())
        uncertain.append([row["uncertainty_um"] for row in table(out).values()])
    assert medians[1] < medians[0] / 2.5
    assert uncertain[0] == uncertain[1]  # it is of the models
    pattern = (
        r"; refined by \d+ µm \(median\) to correlations of 0\.99\d \(median\) and 0\.9\d\d \(least: mouse"
    )
    assert re.search(pattern, said[0])


def test_of_several_volumes_the_user_s_own_refines(tmp_path: Path) -> None:
    block = np.zeros((40, 30, 40), dtype=np.uint8)
    block[5:35, 5:25, 5:35] = 200
    np.save(tmp_path / "own.npy", block)
    own = {"source": "volume", "root": str(tmp_path / "own.npy"), "orientation": "asr", "voxel_um": 25}
    for sources in ([{"source": "phantom"}, own], [own, {"source": "phantom"}]):
        data = SliceData(sources=sources, image_size=32, train=16, val=4, test=4)
        assert SlicePredictor([Told(torch.zeros(1, 9))], data).alike().shape == (40, 40, 30)


def test_a_run_without_a_volume_cannot_refine(
    predict: Predict, data: SliceData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(data.sources[0]), "volume", lambda self: None)
    with pytest.raises(ValueError, match=r"this run had none; train with data=series"):
        predict(refine=True)


def test_refine_is_true_or_false(predict: Predict) -> None:
    with pytest.raises(ValueError, match="refine is 'twice', but must be true or false"):
        predict(refine="twice")
