"""Reads images to predict from an IDX file, an image file, or a folder of image files."""

from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from spaces.messages import one_line
from trainables.mnist import idx
from trainables.mnist.nets import Shape

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read(source: Path, shape: Shape) -> tuple[list[str], Tensor]:
    """Names and grey values, bytes (N, 1, H, W), of the images at `source`.

    Images of an IDX file are named by their index, from 0; image files are sorted and named by file name.
    Raises ValueError if there is no image, or one cannot be read or differs from `shape` in size.
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
    """Grey values of an image file, bytes (1, H, W). Raises ValueError if unreadable or of another size."""
    try:
        with Image.open(path) as image:
            check_size(path, (image.height, image.width), shape)  # before it is unpacked, however large it is
            return torch.from_numpy(np.array(image.convert("L")))[None]
    except WrongSize:
        raise
    except Exception as error:  # Pillow's own errors have no common class
        raise ValueError(f"{path} can't be read as an image: {one_line(error)}") from error


@final
class WrongSize(ValueError):
    """An image has not the size of the model's input."""


def check_size(path: Path, size: tuple[int, ...], shape: Shape) -> None:
    """Raises WrongSize if `size` is not the height and width of `shape`, the input of the model."""
    if size != shape[1:]:
        actual, expected = (" x ".join(map(str, pair)) for pair in (size, shape[1:]))
        raise WrongSize(f"{path} is {actual} pixels, but the model was trained on {expected}; resize it")
