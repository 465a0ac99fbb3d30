"""Pictures of image generators for the report: images by epoch, and the way from noise to image."""

import lightning as L
import torch
from torch import Tensor

from results.picture import Picture
from trainables.image_grid import png_grid
from trainables.mnist.diffusion import Diffusion
from trainables.mnist.gan import Gan
from trainables.mnist.image_loaders import ImageLoaders

COLUMNS, ROWS = 12, 4  # of a sheet of images
MOMENTS = 10  # shown of the way from noise to image
IMAGES = 6  # of which the way is shown
SEED = 1  # of the images on a sheet
IMAGE_PX = 56  # approximate width of an image


def by_epoch(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """Images of a GAN from the same noise at several epochs, and a sheet beside real images."""
    assert isinstance(module, Gan) and isinstance(data, ImageLoaders)
    kept = [
        (epoch, images[:, 0] / 255)
        for epoch, images in zip(module.kept_epochs, module.snapshots, strict=True)
        if images.any()  # training has reached the epoch
    ]
    pictures = []
    if kept:
        epochs = ", ".join(str(epoch) for epoch, _ in kept)
        caption = f"A row is an epoch, from top to bottom {epochs}; a column is one draw of noise."
        pictures.append(Picture("Images by epoch.", caption, png=png([[*images] for _, images in kept])))
    return [*pictures, *sheets(module, data)]


def from_noise(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """The way of some images from noise, and a sheet beside real images."""
    assert isinstance(module, Diffusion) and isinstance(data, ImageLoaders)
    states = list(module.path(IMAGES, SEED))
    chosen = [states[step] for step in torch.linspace(0, len(states) - 1, MOMENTS).round().int().tolist()]
    rows = [[state[number, 0] for state in chosen] for number in range(IMAGES)]
    caption = f"A row is an image: from noise, left, by {len(states) - 1} steps to the right."
    return [Picture("From noise to image.", caption, png=png(rows)), *sheets(module, data)]


def sheets(module: Gan | Diffusion, data: ImageLoaders) -> list[Picture]:
    """A sheet of generated images and one of validation images."""
    real, _ = data.images("val")[: COLUMNS * ROWS]
    return [
        Picture(
            "Generated images.", "Drawn at random, not selected.", png=sheet(module.generate(len(real), SEED))
        ),
        Picture("Validation images.", "For comparison.", png=sheet(real)),
    ]


def sheet(images: Tensor) -> bytes:
    """Images (N, 1, H, W) in lines, as PNG."""
    return png([[*line] for line in images[:, 0].split(COLUMNS)])


def png(rows: list[list[Tensor]]) -> bytes:
    """A grid of images (H, W), enlarged to about IMAGE_PX."""
    return png_grid(rows, max(1, IMAGE_PX // rows[0][0].shape[-1]))
