"""The nearest section: what one gets without any training, and what a model has to beat."""

import torch.nn.functional as F
from torch import Tensor

SIDE = 64  # pixels to which images are averaged first


def nearest_section(train_images: Tensor, train_planes: Tensor, images: Tensor) -> Tensor:
    """The planes (M, 9) of those of `train_images` (N, 1, S, S) that `images` (M, 1, S, S) are most like.

    Like is the normalised correlation of the pixels, so light and contrast do not count.
    """
    found = _normalised(images) @ _normalised(train_images).T
    return train_planes[found.argmax(dim=1)]


def _normalised(images: Tensor) -> Tensor:
    """(N, pixels) of mean 0 and length 1; 0 where an image is the same everywhere."""
    pixels = F.adaptive_avg_pool2d(images.float(), min(SIDE, images.shape[-1])).flatten(1)
    return F.normalize(pixels - pixels.mean(dim=1, keepdim=True), dim=1)
