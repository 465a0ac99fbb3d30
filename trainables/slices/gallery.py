"""What the report shows of a slice regressor: sections beside the volume, cut where it says they lie."""

import lightning as L
import torch
from torch import Tensor

from results.picture import Picture
from trainables.image_grid import sheet
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes.cutting import cut

SECTIONS = 6
SIZE = 128  # pixels of an image, about


def placed(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """The validation sections with the largest and the smallest errors.

    Below each the volume as it is cut at the predicted plane and at the true one, where the volume is known.
    """
    assert isinstance(data, SliceData)
    with torch.no_grad():
        parts = [(images, planes, module(images)) for images, planes in data.val_dataloader()]
    images, planes, found = (torch.cat(column) for column in zip(*parts, strict=True))
    errors = alignment_distance(found, planes, float(data.facts()["voxel_um"]))
    order = errors.argsort()
    return [
        shown("Largest errors.", order.flip(0)[:SECTIONS], images, planes, found, errors, data),
        shown("Smallest errors.", order[:SECTIONS], images, planes, found, errors, data),
    ]


def shown(
    title: str, rows: Tensor, images: Tensor, planes: Tensor, found: Tensor, errors: Tensor, data: SliceData
) -> Picture:
    """Sections side by side, with their cuts below."""
    size = images.shape[-1]
    lines = [[*images[rows, 0]]]
    volume = data.volume()
    caption = f"From left to right, {', '.join(f'{error:,.0f}' for error in errors[rows])} µm away."
    if volume is not None:
        lines += [[*cut(volume, where[rows], size)[:, 0]] for where in (found, planes)]
        caption += " Above the sections; below them the volume cut where the model says, then where they lie."
    return Picture(title, caption, png=sheet(lines, max(1, SIZE // size)))
