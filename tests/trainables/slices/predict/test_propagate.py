"""Propagation: consistent series stay, errors are reduced, and bad sections are inferred."""

from typing import Any

import numpy as np
import pytest

from trainables.slices.predict.propagate import centres, fit_line, huber_regression, normals, propagate

Array = np.ndarray[Any, Any]
VOXEL_UM = 25.0
NORMAL = np.array([0.05, 0.99, -0.08]) / np.linalg.norm([0.05, 0.99, -0.08])


def exact(numbers: Array, voxels_a_number: float = 2.0, normal: Array = NORMAL) -> Array:
    """Parallel, evenly spaced planes; size and position within the plane change linearly with the number."""
    across = np.cross([0.0, 0.0, -1.0], normal)
    across /= np.linalg.norm(across)
    down = np.cross(normal, across)
    size = 1 + 0.001 * numbers[:, None]
    u, v = 500 * size * across, 380 * size * down
    sideways = 0.02 * numbers[:, None] * across
    centre = np.array([228.0, 200.0, 150.0]) + voxels_a_number * numbers[:, None] * normal + sideways
    return np.concatenate([centre - u / 2 - v / 2, u, v], axis=-1)


NUMBERS = np.array([3, 1, 4, 15, 9, 26, 5, 35, 8, 97, 93, 23])


@pytest.mark.parametrize("step", [2.0, -3.5])
@pytest.mark.parametrize("regular", [True, False])
def test_a_consistent_series_stays(step: float, regular: bool) -> None:
    planes = exact(NUMBERS, step)
    result = propagate(planes, NUMBERS, VOXEL_UM, regular=regular)
    np.testing.assert_allclose(result.planes, planes, atol=1e-6)
    np.testing.assert_allclose(np.abs(result.normal @ NORMAL), 1)
    assert result.thickness_um == pytest.approx(abs(step) * VOXEL_UM if regular else 0)


@pytest.mark.parametrize("normal", [[1.0, 0.1, 0.0], [-0.1, 0.05, 0.9], [0.0, -1.0, 0.02]])
def test_sections_may_be_cut_in_any_direction(normal: list[float]) -> None:
    unit = np.array(normal) / np.linalg.norm(normal)
    across = np.cross(unit, [0.3, 0.2, 0.9])
    u = np.tile(300 * across / np.linalg.norm(across), (9, 1))
    v = 200 * np.cross(unit, u) / 300
    planes = np.concatenate([4.0 * np.arange(9)[:, None] * unit + 100, u, v], axis=-1)
    result = propagate(planes, np.arange(9), VOXEL_UM)
    np.testing.assert_allclose(result.planes, planes, atol=1e-6)
    assert result.thickness_um == pytest.approx(100)


def test_angles_become_common_and_depths_even_without_moves_within_the_plane() -> None:
    draw = np.random.default_rng(0).normal
    numbers = np.arange(0, 100, 5)
    planes = exact(numbers)
    noisy = planes + draw(0, 6, planes.shape)
    result = propagate(noisy, numbers, VOXEL_UM)
    np.testing.assert_allclose(np.abs(normals(result.planes) @ result.normal), 1)
    depths = centres(result.planes) @ result.normal
    np.testing.assert_allclose(np.diff(depths, n=2), 0, atol=1e-9)
    np.testing.assert_allclose(np.abs(np.diff(depths) / 5) * VOXEL_UM, result.thickness_um)
    moves = centres(result.planes) - centres(noisy)
    np.testing.assert_allclose(np.cross(moves, result.normal), 0, atol=1e-9)
    sizes = np.linalg.norm(result.planes[:, 3:6], axis=1)
    np.testing.assert_allclose(sizes, np.linalg.norm(noisy[:, 3:6], axis=1))
    after, before = (np.abs((centres(p) - centres(planes)) @ NORMAL).mean() for p in (result.planes, noisy))
    assert after < 0.6 * before
    assert np.degrees(np.arccos(abs(result.normal @ NORMAL))) < 0.5


def test_a_given_thickness_is_kept_in_the_fitted_direction() -> None:
    planes = exact(NUMBERS, -2.0)
    result = propagate(planes, NUMBERS, VOXEL_UM, thickness_um=60.0)
    slope = fit_line(NUMBERS.astype(float), centres(result.planes) @ NORMAL)[1]
    assert slope * VOXEL_UM == pytest.approx(-60)
    assert result.thickness_um == 60
    middle = (centres(result.planes) - centres(planes)) @ NORMAL
    assert np.median(middle) == pytest.approx(0, abs=4)


@pytest.mark.parametrize("regular", [True, False])
def test_bad_sections_are_inferred_from_their_neighbours(regular: bool) -> None:
    numbers = np.arange(10)
    planes = exact(numbers)
    damaged, bad = planes.copy(), np.zeros(10, dtype=bool)
    for row in (0, 4, 5, 9):  # both ends, and two in a row
        damaged[row], bad[row] = np.arange(9) * 100.0, True
    result = propagate(damaged, numbers, VOXEL_UM, bad=bad, regular=regular)
    inside = slice(1, 9)
    np.testing.assert_allclose(result.planes[inside], planes[inside], atol=1e-6)
    # At the ends, size and position within the plane come from the neighbour, the depth from the number.
    depths, true = centres(result.planes) @ NORMAL, centres(planes) @ NORMAL
    np.testing.assert_allclose(depths, true, atol=1e-6)
    np.testing.assert_allclose(result.planes[[0, 9], 3:], planes[[1, 8], 3:], atol=1e-6)


def test_a_few_outliers_do_not_turn_or_stretch_the_series() -> None:
    numbers = np.arange(0, 100, 4)
    planes = exact(numbers)
    disturbed = planes + np.random.default_rng(1).normal(0, 1, planes.shape)
    disturbed[[2, 11, 20], :3] += [[0, 150, 0], [0, -200, 0], [0, 180, 0]]
    disturbed[[5, 12], 7] += 150  # tilted by 21 degrees
    result = propagate(disturbed, numbers, VOXEL_UM)
    assert result.thickness_um == pytest.approx(50, rel=0.03)
    assert np.degrees(np.arccos(abs(result.normal @ NORMAL))) < 0.5
    assert np.abs((centres(result.planes) - centres(planes)) @ NORMAL).max() < 4


def test_the_middle_of_the_series_decides_the_angles() -> None:
    numbers = np.arange(21)
    tilted, straight = np.array([0.0, 1.0, 0.2]), np.array([0.0, 1.0, 0.0])
    planes = exact(numbers, normal=straight)
    ends = np.r_[0:6, 15:21]
    planes[ends] = exact(numbers, normal=tilted / np.linalg.norm(tilted))[ends]
    result = propagate(planes, numbers, VOXEL_UM)
    plain = np.array([huber_regression(np.ones((21, 1)), column)[0] for column in normals(planes).T])
    assert abs(result.normal[2]) < 0.7 * abs(plain[2])


def test_order_alone_keeps_gaps_and_makes_depths_monotonic() -> None:
    numbers = np.arange(6)
    planes = exact(numbers, 10.0)
    planes[3:, :3] += 60 * NORMAL  # lost sections that the numbers do not count
    planes[4, :3] -= 25 * NORMAL  # predicted in front of the section before it
    result = propagate(planes, numbers, VOXEL_UM, regular=False)
    depths = (centres(result.planes) - centres(planes)[0]) @ NORMAL
    assert (np.diff(depths) >= -1e-9).all()
    np.testing.assert_allclose(depths[[1, 2, 5]], [10, 20, 110], atol=1e-6)
    np.testing.assert_allclose(depths[3:5], (90 + 75) / 2, atol=1e-6)


def test_a_mirrored_section_is_treated_like_the_others() -> None:
    numbers = np.arange(8)
    planes = exact(numbers)
    planes[3, :3] += planes[3, 3:6]
    planes[3, 3:6] *= -1  # its normal points the other way
    result = propagate(planes, numbers, VOXEL_UM)
    np.testing.assert_allclose(result.planes, planes, atol=1e-6)


def test_invalid_series_and_thicknesses_are_refused() -> None:
    planes, numbers = exact(np.arange(4)), np.arange(4)
    with pytest.raises(ValueError, match="1 sections are good, but propagation needs 2"):
        propagate(planes, numbers, VOXEL_UM, bad=np.array([True, True, False, True]))
    with pytest.raises(ValueError, match="same number"):
        propagate(planes, np.array([0, 1, 1, 2]), VOXEL_UM)
    for thickness in (0.0, -50.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="thickness is"):
            propagate(planes, numbers, VOXEL_UM, thickness_um=thickness)
