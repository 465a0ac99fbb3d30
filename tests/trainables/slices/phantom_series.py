"""Series of phantom sections with their anchorings, written as a user's files."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from trainables.slices.volumes import phantom
from trainables.slices.volumes.cutting import cut
from trainables.training.batches import seeded


def upright(depths: Iterable[Any] | torch.Tensor) -> torch.Tensor:
    """Upright coronal planes (N, 9) at depths in voxels."""
    return torch.tensor([[481.5, float(depth), 340, -507, 0, 0, 0, 0, -385] for depth in depths])


def random_series(folder: Path, count: int = 10, target: str = phantom.TARGET) -> Path:
    """Stained sections of 48 pixels at random planes, named s000.png and so on."""
    planes = phantom.random_planes(count, seeded(count))
    return write_series(folder, phantom.cut(planes, 48, seeded(0)), planes, "s", target)


def even_series(folder: Path, count: int = 20) -> Path:
    """Clean sections of 128 pixels at evenly spaced depths, named b_s000.png and so on."""
    planes = upright(torch.linspace(60, 420, count))
    images = (255 * cut(phantom.volume(128), planes, 128)).byte()
    return write_series(folder, images, planes, "b_s", phantom.TARGET)


def write_series(folder: Path, images: torch.Tensor, planes: torch.Tensor, prefix: str, target: str) -> Path:
    """Writes images uint8 (N, 1, S, S) as PNG and their planes (N, 9) as `brain.json`."""
    folder.mkdir(parents=True)
    slices = []
    for number, (image, plane) in enumerate(zip(images[:, 0], planes.tolist(), strict=True)):
        name, size = f"{prefix}{number:03}.png", len(image)
        Image.fromarray(image.numpy()).save(folder / name)
        slices.append({"filename": name, "anchoring": plane, "width": size, "height": size, "nr": number})
    (folder / "brain.json").write_text(json.dumps({"target": target, "slices": slices}))
    return folder


def edit_anchorings(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Changes `brain.json` of a series by `edit`, which changes its content in place."""
    content = json.loads((folder / "brain.json").read_text())
    edit(content)
    (folder / "brain.json").write_text(json.dumps(content))
