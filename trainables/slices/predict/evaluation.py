"""Predicted planes compared with reference planes: error measures, a summary line and a plot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.predict.propagate import centres, normals

Array = np.ndarray[Any, Any]
PLOT_SIZE = (960, 480)  # pixels
MARGIN = (60, 36, 20, 60)  # left, top, right, bottom
MIN_SPAN_MM = 0.1  # smallest range of an axis
TEXT_COLOUR, GRID_COLOUR = "#222222", "#dddddd"
INSIDE_COLOUR, EXTRAPOLATED_COLOUR = "#1f5fa8", "#c4541a"


@final
@dataclass(frozen=True)
class PlaneErrors:
    """Errors of predicted planes, one value per section; arrays (N,)."""

    distance_um: Array  # alignment distance
    depth_um: Array  # signed distance of the centre from the reference plane, along its normal
    cut_degrees: Array  # angle between the planes
    turn_degrees: Array  # signed rotation within the plane


def plane_errors(predicted: Array, reference: Array, voxel_um: float) -> PlaneErrors:
    """Compares planes (N, 9) with reference planes (N, 9), both in voxels.

    The sign of a depth error follows the largest component of the reference plane's normal.
    """
    distance = alignment_distance(torch.from_numpy(predicted), torch.from_numpy(reference), voxel_um).numpy()
    normal = with_positive_main_axis(normals(reference))
    cos = np.abs((normals(predicted) * normal).sum(axis=-1))
    across, down = reference[:, 3:6], np.cross(normal, reference[:, 3:6])
    turn = np.arctan2((predicted[:, 3:6] * down).sum(axis=-1), (predicted[:, 3:6] * across).sum(axis=-1))
    return PlaneErrors(
        distance_um=distance,
        depth_um=voxel_um * ((centres(predicted) - centres(reference)) * normal).sum(axis=-1),
        cut_degrees=np.degrees(np.arccos(cos.clip(0, 1))),
        turn_degrees=np.degrees(turn),
    )


def with_positive_main_axis(vectors: Array) -> Array:
    """Vectors (..., 3), negated where the component of largest magnitude is negative."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=-1)[..., None], axis=-1)
    signed: Array = vectors * np.sign(largest)
    return signed


def summary(errors: PlaneErrors) -> str:
    """The errors in one line."""
    distance = errors.distance_um
    depth, turn = (np.median(np.abs(values)) for values in (errors.depth_um, errors.turn_degrees))
    return (
        f"{len(distance)} sections with a reference plane: distance median {np.median(distance):,.0f} µm, "
        f"90 % within {np.quantile(distance, 0.9):,.0f} µm; median errors: depth {depth:,.0f} µm, "
        f"cut {np.median(errors.cut_degrees):.1f}°, turn {turn:.1f}°"
    )


def plot(depths_um: Array, distances_um: Array, extrapolated: Array, path: Path) -> None:
    """Plots each section's distance (N,) over its reference depth (N,) along the brain's axis, as PNG.

    Sections outside the range of the training planes, `extrapolated` (N,) bool, are drawn hollow. The
    dashed line is the median distance.
    """
    left, top, right, bottom = MARGIN
    image = Image.new("RGB", PLOT_SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    x_ticks = ticks(depths_um.min() / 1000, depths_um.max() / 1000)
    y_ticks = ticks(0.0, distances_um.max() / 1000)

    width, height = PLOT_SIZE[0] - left - right, PLOT_SIZE[1] - top - bottom

    def position(depth_mm: float, distance_mm: float) -> tuple[float, float]:
        x = (depth_mm - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        y = distance_mm / y_ticks[-1]
        return left + x * width, top + (1 - y) * height

    for value in x_ticks:
        draw.line([position(value, 0), position(value, y_ticks[-1])], GRID_COLOUR)
        x, y = position(value, 0)
        draw.text((x, y + 8), f"{value:g}", TEXT_COLOUR, font, anchor="mt")
    for value in y_ticks:
        draw.line([position(x_ticks[0], value), position(x_ticks[-1], value)], GRID_COLOUR)
        x, y = position(x_ticks[0], value)
        draw.text((x - 8, y), f"{value:g}", TEXT_COLOUR, font, anchor="rm")
    title_x = "reference depth along the brain's axis, mm"
    draw.text((PLOT_SIZE[0] / 2, PLOT_SIZE[1] - 12), title_x, TEXT_COLOUR, font, anchor="mb")
    title_y = "distance, mm (dashed: median; hollow: outside the range of the training planes)"
    draw.text((8, 4), title_y, TEXT_COLOUR, font)
    y = position(x_ticks[0], float(np.median(distances_um)) / 1000)[1]
    for start in range(left, PLOT_SIZE[0] - right, 12):
        draw.line([(start, y), (start + 6, y)], TEXT_COLOUR)
    for depth, distance, outside in zip(depths_um / 1000, distances_um / 1000, extrapolated, strict=True):
        x, y = position(depth, distance)
        colour = EXTRAPOLATED_COLOUR if outside else INSIDE_COLOUR
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), None if outside else colour, colour, 2)
    image.save(path)


def ticks(low: float, high: float) -> Array:
    """About six round numbers that cover `low` to `high`, and at least MIN_SPAN_MM from `low` on."""
    high = max(high, low + MIN_SPAN_MM)
    rough_step = (high - low) / 5
    power = 10 ** np.floor(np.log10(rough_step))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough_step)
    values: Array = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    return values
