"""The energy distance against plain loops, and the images that a collapsed generator makes."""

import numpy as np
import pytest
import torch

from trainables.mnist.data import MnistData
from trainables.mnist.energy import EnergyDistance

DIGITS = {name: MnistData().split(name).images / 255 for name in ("train", "val")}


def test_it_is_its_formula_in_the_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    train = torch.rand(60, 1, 2, 3, generator=generator)
    generated, real = torch.rand(5, 1, 2, 3, generator=generator), torch.rand(4, 1, 2, 3, generator=generator)
    energy = EnergyDistance(train)(generated, real)
    # Six pixels have six components, so distances are those of the pixels.
    unit = np.sqrt(train.flatten(1).numpy().var(0).sum())
    rows, others = generated.flatten(1).numpy() / unit, real.flatten(1).numpy() / unit

    def mean(a, b) -> float:
        return float(np.mean([[np.linalg.norm(x - y) for y in b] for x in a]))

    expected = 2 * mean(rows, others) - mean(rows, rows) - mean(others, others)
    assert energy.distance.item() == pytest.approx(expected, rel=1e-4)
    assert energy.diversity.item() == pytest.approx(mean(rows, rows) / mean(others, others), rel=1e-4)


def test_equal_images_have_no_distance() -> None:
    energy = EnergyDistance(DIGITS["train"])(DIGITS["val"], DIGITS["val"].flip(0))
    assert energy.distance.item() == pytest.approx(0, abs=1e-5)
    assert energy.diversity.item() == pytest.approx(1)


def test_a_constant_image_is_a_collapse_and_real_images_are_none() -> None:
    energy = EnergyDistance(DIGITS["train"])
    constant = energy(DIGITS["train"].mean(0).expand(300, -1, -1, -1), DIGITS["val"])
    one_digit = energy(DIGITS["train"][:1].expand(300, -1, -1, -1), DIGITS["val"])
    real = energy(DIGITS["train"][:300], DIGITS["val"])
    for collapsed in constant, one_digit:
        assert collapsed.diversity == 0
        assert collapsed.distance > 0.5
    assert 0.9 < real.diversity < 1.1
    assert 0 < real.distance < 0.02


def test_images_without_any_variance_are_compared_too() -> None:
    black = torch.zeros(4, 1, 3, 3)
    energy = EnergyDistance(black)(black, black)
    assert energy.distance == 0 and bool(energy.diversity.isfinite())
