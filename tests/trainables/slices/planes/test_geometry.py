"""The alignment distance, and transformations of planes together with images."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.slices.planes.geometry import (
    AlignmentDistance,
    alignment_distance,
    mirror,
    move,
    positions,
    similarity,
    warp,
)

PLANE = torch.tensor([480.0, 230, 337, -507, 2, 6, -8, 1, -385], dtype=torch.float64)
CORONAL = torch.tensor([480.0, 230, 337, -512, 0, 0, 0, 0, -384], dtype=torch.float64)


def pose(angle: float = 0, scale: float = 1, shift: tuple[float, float] = (0, 0), flip: bool = False) -> dict:
    numbers = {"angle": angle, "scale": scale, "shift": shift}
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
    return tensors | {"flip": torch.tensor(flip)}


def test_positions_are_quicknii_s_at_pixel_centres() -> None:
    grid = positions(PLANE, width=4, height=2)
    assert grid.shape == (2, 4, 3)
    origin, across, down = PLANE.split(3)
    torch.testing.assert_close(grid[1, 2], origin + across * 2.5 / 4 + down * 1.5 / 2)


def test_equal_planes_are_at_distance_zero() -> None:
    assert alignment_distance(PLANE, PLANE, 25.0) == 0


def test_a_shift_by_k_voxels_is_k_voxels_away() -> None:
    shifted = PLANE + torch.tensor([0, 7.0, 0, 0, 0, 0, 0, 0, 0])
    assert alignment_distance(shifted, PLANE, 25.0).item() == pytest.approx(7 * 25)
    slanted = PLANE + torch.tensor([3.0, 0, 4, 0, 0, 0, 0, 0, 0])
    assert alignment_distance(slanted, PLANE, 39.0).item() == pytest.approx(5 * 39)


def test_a_tilt_is_the_mean_of_its_offsets() -> None:
    tilted = PLANE + torch.tensor([0, -8.0, 0, 0, 16, 0, 0, 0, 0])  # offset from -8 to 8 across the image
    assert alignment_distance(tilted, PLANE, 25.0).item() == pytest.approx(4 * 25)


def test_distance_is_batched() -> None:
    planes = PLANE + torch.randn(2, 5, 9, dtype=torch.float64)
    distances = alignment_distance(planes, PLANE, 25.0)
    assert distances.shape == (2, 5)
    assert distances[1, 3] == alignment_distance(planes[1, 3], PLANE, 25.0)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_gradient_is_finite_even_at_distance_zero(offset: float) -> None:
    predicted = (PLANE + offset).requires_grad_()
    alignment_distance(predicted, PLANE, 25.0).backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()
    assert (predicted.grad != 0).any() == (offset != 0)


def test_metric_is_the_mean_over_all_batches() -> None:
    metric = AlignmentDistance(voxel_um=25.0)
    true = PLANE.float().repeat(5, 1)
    predicted = true.clone()
    predicted[:, 1] += torch.tensor([1.0, 2, 3, 4, 10])
    metric.update(predicted[:4], true[:4])
    metric.update(predicted[4:], true[4:])
    assert metric.compute().item() == pytest.approx(4 * 25)
    metric.reset()
    metric.update(true, true)
    assert metric.compute() == 0


def test_flip_runs_from_the_right_edge() -> None:
    moved = move(PLANE, similarity(PLANE, **pose(flip=True)))
    origin, across, down = PLANE.split(3)
    torch.testing.assert_close(moved, torch.cat([origin + across, -across, down]))


def test_shift_and_scale() -> None:
    moved = move(CORONAL, similarity(CORONAL, **pose(shift=(0.25, 0.5), scale=0.5)))
    # Half of the image, its centre a quarter of the width to the right and half the height down.
    expected = [480 - 0.5 * 512, 230, 337 - 0.75 * 384, -256, 0, 0, 0, 0, -192]
    torch.testing.assert_close(moved, torch.tensor(expected, dtype=torch.float64))


def test_rotation_keeps_lengths_and_the_right_angle() -> None:
    moved = move(CORONAL, similarity(CORONAL, **pose(angle=math.pi / 2)))
    # The old direction down is now to the right, and keeps the length of the width.
    expected = torch.tensor([0.0, 0, -512, 384, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(moved[3:], expected)


def test_flipping_back_and_mirroring_twice_change_nothing() -> None:
    flip = similarity(PLANE, **pose(flip=True))
    torch.testing.assert_close(move(move(PLANE, flip), flip), PLANE)
    torch.testing.assert_close(mirror(mirror(PLANE, 228.0), 228.0), PLANE)


numbers = st.floats(-1, 1, width=32)
vectors = st.tuples(numbers, numbers, numbers).filter(lambda v: math.hypot(*v) > 0.1)


@st.composite
def planes(draw: st.DrawFn) -> Tensor:
    """Any plane whose U and V are at right angles, as those of real sections are."""
    origin, across, other = (torch.tensor(draw(vectors), dtype=torch.float64) for _ in range(3))
    down = torch.linalg.cross(across, other)
    if down.norm() < 0.01:
        down = torch.linalg.cross(across, torch.eye(3, dtype=across.dtype)[across.abs().argmin()])
    down = 100 * draw(st.floats(0.5, 4)) * down / down.norm()
    return torch.cat([500 * origin, 300 * across, down])


poses = st.builds(
    pose,
    angle=st.floats(-3.2, 3.2),
    scale=st.floats(0.5, 2),
    shift=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    flip=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(plane=planes(), how=poses)
def test_image_and_plane_move_together(plane: Tensor, how: dict) -> None:
    """An image whose pixels are their own atlas positions, warped, shows the positions of the moved plane."""
    size = 16
    affine = similarity(plane, **how)
    image = positions(plane, size, size).permute(2, 0, 1)
    warped = warp(image[None], affine[None])[0].permute(1, 2, 0)
    expected = positions(move(plane, affine), size, size)
    # Only inside the old image: beyond its outermost pixel centres the border is repeated.
    unit = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 1, 0], dtype=torch.float64)
    source = positions(move(unit, affine), size, size)[..., :2]
    inside = ((source > 0.5 / size) & (source < 1 - 0.5 / size)).all(dim=-1)
    torch.testing.assert_close(warped[inside], expected[inside], rtol=1e-9, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(plane=planes(), how=poses)
def test_a_similarity_keeps_right_angles_and_scales_lengths(plane: Tensor, how: dict) -> None:
    moved = move(plane, similarity(plane, **how))
    for start in (3, 6):
        length = plane[start : start + 3].norm() * how["scale"]
        torch.testing.assert_close(moved[start : start + 3].norm(), length)
    cosine = torch.dot(moved[3:6], moved[6:]) / moved[3:6].norm() / moved[6:].norm()
    assert abs(cosine) < 1e-6


@settings(max_examples=30, deadline=None)
@given(plane=planes(), offset=planes(), how=poses)
def test_moving_both_planes_by_a_flip_keeps_their_distance(plane: Tensor, offset: Tensor, how: dict) -> None:
    flip = similarity(plane, **pose(flip=True))
    near = plane + 0.01 * offset
    before, after = (
        alignment_distance(near, plane, 25.0),
        alignment_distance(move(near, flip), move(plane, flip), 25.0),
    )
    torch.testing.assert_close(before, after)
