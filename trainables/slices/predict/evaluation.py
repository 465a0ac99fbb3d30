"""Predicted planes beside planes that are known: distances, what is wrong with each, and a plot of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.predict.propagate import centres, normals

Array = np.ndarray[Any, Any]
SIZE = (960, 480)  # of the plot, in pixels
MARGIN = (60, 36, 20, 60)  # left, top, right, bottom
LEAST = 0.1  # mm that an axis spans
INK, GRID_INK, GOOD, BEYOND = "#222222", "#dddddd", "#1f5fa8", "#c4541a"


@dataclass(frozen=True)
class Errors:
    """What separates predicted from true planes, one number a section; arrays (N,)."""

    distance_um: Array  # the alignment distance
    depth_um: Array  # how far the centre lies from the true plane, along its normal; signed
    cut_degrees: Array  # the angle between the planes
    turn_degrees: Array  # how much the image is turned in its plane; signed


def errors(predicted: Array, true: Array, voxel_um: float) -> Errors:
    """Planes (N, 9) and (N, 9), in voxels. Depths count along the normals' largest component."""
    distance = alignment_distance(torch.from_numpy(predicted), torch.from_numpy(true), voxel_um).numpy()
    normal = upright(normals(true))
    cos = np.abs((normals(predicted) * normal).sum(axis=-1))
    across, down = true[:, 3:6], np.cross(normal, true[:, 3:6])
    turned = np.arctan2((predicted[:, 3:6] * down).sum(axis=-1), (predicted[:, 3:6] * across).sum(axis=-1))
    return Errors(
        distance_um=distance,
        depth_um=voxel_um * ((centres(predicted) - centres(true)) * normal).sum(axis=-1),
        cut_degrees=np.degrees(np.arccos(cos.clip(0, 1))),
        turn_degrees=np.degrees(turned),
    )


def upright(vectors: Array) -> Array:
    """Vectors (..., 3), each with the sign that makes its largest component positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=-1)[..., None], axis=-1)
    signed: Array = vectors * np.sign(largest)
    return signed


def said(found: Errors) -> str:
    """The errors in one line."""
    distance = found.distance_um
    depth, turn = (np.median(np.abs(values)) for values in (found.depth_um, found.turn_degrees))
    return (
        f"{len(distance)} sections of known plane: distance median {np.median(distance):,.0f} µm, "
        f"90 % within {np.quantile(distance, 0.9):,.0f} µm; depth off by {depth:,.0f} µm, "
        f"cut by {np.median(found.cut_degrees):.1f}°, turn by {turn:.1f}° (medians)"
    )


def plot(depths_um: Array, distances_um: Array, extrapolated: Array, path: Path) -> None:
    """Draws the distance (N,) of each section over its true depth (N,) along the brain's axis, as PNG.

    Sections beyond the range of the training planes, `extrapolated` (N,) bool, are hollow. The dashed line
    is the median.
    """
    left, top, right, bottom = MARGIN
    image = Image.new("RGB", SIZE, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    x_ticks = ticks(depths_um.min() / 1000, depths_um.max() / 1000)
    y_ticks = ticks(0.0, distances_um.max() / 1000)

    def place(depth_mm: float, distance: float) -> tuple[float, float]:
        x = (depth_mm - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        y = distance / y_ticks[-1]
        return left + x * (SIZE[0] - left - right), SIZE[1] - bottom - y * (SIZE[1] - top - bottom)

    for value in x_ticks:
        draw.line([place(value, 0), place(value, y_ticks[-1])], GRID_INK)
        x, y = place(value, 0)
        draw.text((x, y + 8), f"{value:g}", INK, font, anchor="mt")
    for value in y_ticks:
        draw.line([place(x_ticks[0], value), place(x_ticks[-1], value)], GRID_INK)
        x, y = place(x_ticks[0], value)
        draw.text((x - 8, y), f"{value:g}", INK, font, anchor="rm")
    draw.text((SIZE[0] / 2, SIZE[1] - 12), "true depth along the brain's axis, mm", INK, font, anchor="mb")
    draw.text((8, 4), "distance, mm (dashed: median; hollow: beyond the training planes)", INK, font)
    middle, start = float(np.median(distances_um)) / 1000, left
    while start < SIZE[0] - right:
        y = place(x_ticks[0], middle)[1]
        draw.line([(start, y), (start + 6, y)], INK)
        start += 12
    for depth, distance, beyond in zip(depths_um / 1000, distances_um / 1000, extrapolated, strict=True):
        x, y = place(depth, distance)
        box, ink = (x - 5, y - 5, x + 5, y + 5), BEYOND if beyond else GOOD
        draw.ellipse(box, None if beyond else ink, ink, 2)
    image.save(path)


def ticks(low: float, high: float) -> Array:
    """About six round numbers from at most `low` to at least `high`, and to LEAST beyond `low`."""
    high = max(high, low + LEAST)
    rough = (high - low) / 5
    power = 10 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    found: Array = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    return found
