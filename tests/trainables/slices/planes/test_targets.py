"""Parametrisations of planes: encoding and decoding."""

import pytest
import torch

from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.planes.targets import TARGETS, frame, mean_and_std, target_named
from trainables.slices.volumes.phantom import random_planes
from trainables.training.batches import seeded


@pytest.mark.parametrize("name", TARGETS)
def test_decoding_inverts_encoding(name):
    planes = random_planes(50, seeded(3))
    target = TARGETS[name]
    numbers = target.encode(planes)
    assert numbers.shape == (50, target.count) == (50, len(target.floor))
    torch.testing.assert_close(target.decode(numbers), planes, rtol=1e-4, atol=1e-2)
    mean, std = mean_and_std(planes, target)
    assert mean.shape == std.shape == (target.count,)
    assert (std >= torch.tensor(target.floor)).all()


def test_a_frame_is_centre_directions_and_lengths():
    plane = torch.tensor([[10.0, 20.0, 30.0, 100.0, 0.0, 0.0, 0.0, 0.0, -50.0]])
    centre, u, v, logs = frame(plane)[0].split([3, 3, 3, 2])
    assert centre.tolist() == [60, 20, 5]
    assert u.tolist() == [1, 0, 0]
    assert v.tolist() == [0, 0, -1]
    assert logs.exp().tolist() == pytest.approx([100, 50])


def test_directions_may_have_any_length():
    planes = random_planes(5, seeded(4))
    longer = frame(planes) * torch.tensor([1.0] * 3 + [3.0] * 6 + [1.0] * 2)
    again = TARGETS["frame"].decode(longer)
    assert alignment_distance(again, planes, 25.0).max() < 1


def test_an_unknown_parametrisation_is_refused():
    with pytest.raises(ValueError, match=r"parametrisation is 'nine', but must be one of numbers, frame"):
        target_named("nine")
