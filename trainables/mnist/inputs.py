"""Images to predict: an IDX file, an image, or a folder of images."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from trainables.mnist import idx
from trainables.mnist.nets import Shape

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read(source: Path, shape: Shape) -> tuple[list[str], Tensor]:
    """The names of the images at `source` and their grey values: bytes (N, 1, H, W).

    The images of an IDX file are named by their position, from 0; files by their name, in that order.
    Raises ValueError if there are none, or one has not the height and width of `shape`.
    """
    if not source.exists():
        raise ValueError(f"there is nothing at {source}; give an IDX file, an image, or a folder of images")
    if source.is_file() and source.suffix.lower() not in SUFFIXES:
        images = idx.read(source)
        if images.ndim != 3:
            raise ValueError(f"{source} has {images.ndim} dimensions, but images must have 3 (N, H, W)")
        check_size(source, images.shape[1:], shape)
        return [str(number) for number in range(len(images))], torch.tensor(images)[:, None]
    files = [source] if source.is_file() else sorted(source.iterdir())
    files = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not files:
        raise ValueError(
            f"{source} has no images ({', '.join(SUFFIXES)}); an IDX file is given by its own path"
        )
    return [path.name for path in files], torch.stack([grey(path, shape) for path in files])


def grey(path: Path, shape: Shape) -> Tensor:
    """The grey values of an image file, bytes (1, H, W)."""
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("L"))
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"{path} can't be read as an image: {error}") from error
    check_size(path, pixels.shape, shape)
    return torch.from_numpy(pixels)[None]


def check_size(path: Path, found: tuple[int, ...], shape: Shape) -> None:
    """Raises ValueError if an image of another size was found than models of `shape` take."""
    if found != shape[1:]:
        have, want = (" x ".join(map(str, size)) for size in (found, shape[1:]))
        raise ValueError(f"{path} is {have} pixels, but the model was trained on {want}; resize it")
