"""Nearest-neighbour baseline: the plane of the most similar training section, without any training."""

import torch.nn.functional as F
from torch import Tensor

SIDE = 64  # pixels to which images are averaged


def nearest_section(train_images: Tensor, train_planes: Tensor, images: Tensor) -> Tensor:
    """The planes (M, 9) of the training sections most similar to `images` (M, 1, S, S).

    `train_images` (N, 1, S, S), `train_planes` (N, 9). Similarity is the normalised correlation of pixels,
    so brightness and contrast do not matter.
    """
    similarity = _normalised(images) @ _normalised(train_images).T
    return train_planes[similarity.argmax(dim=1)]


def _normalised(images: Tensor) -> Tensor:
    """Pixels (N, pixels) of mean 0 and length 1; 0 for a constant image."""
    pixels = F.adaptive_avg_pool2d(images.float(), min(SIDE, images.shape[-1])).flatten(1)
    return F.normalize(pixels - pixels.mean(dim=1, keepdim=True), dim=1)
