"""Pictures of a slice regressor for the report: sections, with the volume cut at the predicted planes."""

import lightning as L
import torch
from torch import Tensor

from results.picture import Picture
from trainables.image_grid import png_grid
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes.cutting import cut

SECTIONS = 6
SIZE = 128  # approximate pixels a side of an image


def placed(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """The validation sections with the largest and the smallest errors.

    If `data` has a volume, it is shown below each section, cut at the predicted and at the true plane.
    """
    assert isinstance(data, SliceData)
    with torch.no_grad():
        batches = [(images, planes, module(images)) for images, planes in data.val_dataloader()]
    images, true, predicted = (torch.cat(column) for column in zip(*batches, strict=True))
    errors = alignment_distance(predicted, true, float(data.facts()["voxel_um"]))
    order = errors.argsort()
    return [
        picture(title, images[rows], predicted[rows], true[rows], errors[rows], data)
        for title, rows in (
            ("Largest errors.", order.flip(0)[:SECTIONS]),
            ("Smallest errors.", order[:SECTIONS]),
        )
    ]


def picture(
    title: str, images: Tensor, predicted: Tensor, true: Tensor, errors: Tensor, data: SliceData
) -> Picture:
    """Sections (N, 1, S, S) in a row; below, the volume cut at their predicted and true planes (N, 9)."""
    size = images.shape[-1]
    lines = [[*images[:, 0]]]
    volume = data.volume()
    caption = f"From left to right, {', '.join(f'{error:,.0f}' for error in errors)} µm away."
    if volume is not None:
        lines += [[*cut(volume, planes, size)[:, 0]] for planes in (predicted, true)]
        caption += " Top: the sections; below: the volume cut at the predicted planes, then at the true ones."
    return Picture(title, caption, png=png_grid(lines, max(1, SIZE // size)))
