"""Sections and their planes for training: cut from the phantom, or the user's own."""

import functools
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from trainables.batches import Batches, seeded
from trainables.slices import geometry, phantom, sections

SPLITS = ("train", "val", "test")
Batch = tuple[Tensor, Tensor]  # images float32 (B, 1, S, S) in [0, 1], planes float32 (B, 9) in voxels
Images = np.ndarray[Any, Any]  # uint8 (N, S, S)


@functools.lru_cache(maxsize=8)
def _phantom(split: str, count: int, image_size: int, seed: int) -> tuple[Images, Tensor]:
    """Sections cut once and for all."""
    generator = seeded(seed, SPLITS.index(split))
    planes = phantom.random_planes(count, generator)
    return phantom.cut(planes, image_size, generator)[:, 0].numpy(), planes


@functools.lru_cache(maxsize=8)
def _quicknii(root: str, image_size: int, voxel_um: float | None) -> sections.Sections:
    return sections.load(root, image_size, voxel_um)


def split_rows(series: Images, seed: int) -> dict[str, Tensor]:
    """Deals sections to the splits, about 80/10/10 and at least one each: -> rows (int64) by split.

    `series` (N,) numbers each section's brain. With three brains or more, each goes to one split as a whole.
    """
    units = torch.from_numpy(np.unique(series, return_inverse=True)[1])
    if sections.warn_of_few_series(series):
        units = torch.arange(len(series))
    count = int(units.max()) + 1
    order = torch.randperm(count, generator=seeded(seed))
    few = max(1, round(count / 10))
    parts = order.split([count - 2 * few, few, few])
    return {split: torch.isin(units, part).nonzero()[:, 0] for split, part in zip(SPLITS, parts, strict=True)}


def augmented(
    images: Tensor, planes: Tensor, strength: float, midline: float | None, generator: torch.Generator
) -> Batch:
    """Turns, scales, shifts and flips images and planes together, and changes the light.

    Images (B, 1, S, S) in [0, 1], planes (B, 9), `strength` from 0 (nothing) to 1. A flipped section is a
    section through the mirrored brain, so its plane is mirrored in the atlas as well; without that, two
    images that look alike would have opposite planes. No flips where the atlas has no known midline.
    """
    count = len(images)
    draw = (2 * torch.rand(6, count, generator=generator) - 1) * strength
    shift = 0.08 * (2 * torch.rand(count, 2, generator=generator) - 1) * strength
    flip = (torch.rand(count, generator=generator) < 0.5) & (strength > 0 and midline is not None)
    affine = geometry.similarity(planes, 0.25 * draw[0], (0.15 * draw[1]).exp(), shift, flip)
    images, planes = geometry.warp(images, affine), geometry.move(planes, affine)
    if midline is not None:
        planes = torch.where(flip[:, None], geometry.mirror(planes, midline), planes)
    gamma, contrast, light = draw[2:5, :, None, None, None]
    images = images.clamp(min=1e-3) ** (0.4 * gamma).exp()
    images = 1 - (1 - images) * (0.3 * contrast).exp() - 0.05 * (1 + light) * strength
    images = images + 0.03 * strength * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), planes


class SliceData(lightning.LightningDataModule):
    """Sections and planes in three splits.

    `source="phantom"`: `train`, `val` and `test` sections, their planes and cuts fixed by `seed`.
    `source="quicknii"`: the images and anchorings under `root`, split by `seed`; `voxel_um` where the
    anchorings name no known atlas. `augment` is the strength of the augmentation of training sections.
    Raises ValueError with one line for arguments or data that can't be used.
    """

    def __init__(
        self,
        source: str = "phantom",
        root: str | None = None,
        image_size: int = 64,
        train: int = 256,
        val: int = 128,
        test: int = 128,
        seed: int = 0,
        batch_size: int = 16,
        augment: float = 0.5,
        voxel_um: float | None = None,
    ) -> None:
        super().__init__()
        sections.check(
            {"source": source, "root": root, "image_size": image_size, "voxel_um": voxel_um}
            | {"train": train, "val": val, "test": test}
        )
        self.source, self.root, self.image_size, self.voxel_um = source, root, image_size, voxel_um
        self.counts = {"train": train, "val": val, "test": test}
        self.seed, self.batch_size, self.augment = seed, batch_size, augment

    def _loaded(self) -> sections.Sections:
        return _quicknii(str(self.root), self.image_size, self.voxel_um)

    def _split(self, split: str) -> tuple[Images, Tensor, Tensor]:
        """All images, all planes, and which rows of them are the split's."""
        if self.source == "phantom":
            images, planes = _phantom(split, self.counts[split], self.image_size, self.seed)
            return images, planes, torch.arange(len(planes))
        loaded = self._loaded()
        return loaded.images, torch.from_numpy(loaded.planes).float(), self._rows[split]

    @functools.cached_property
    def _rows(self) -> dict[str, Tensor]:
        return split_rows(self._loaded().series, self.seed)

    @functools.cached_property
    def _atlas(self) -> tuple[float, float | None]:
        """Voxel size in µm and midline."""
        if self.source == "phantom":
            return phantom.VOXEL_UM, phantom.MIDLINE
        return self._loaded().voxel_um, self._loaded().midline

    def facts(self) -> dict[str, Any]:
        """What a learner needs to know of the training set, and what it has to beat.

        `target_mean`, `target_std`: tensors (9,) of the training planes; `voxel_um`; `baseline`: the mean
        alignment distance in µm, over the validation set, of always predicting the mean training plane.
        """
        _, planes, rows = self._split("train")
        mean, std = planes[rows].mean(dim=0), planes[rows].std(dim=0, correction=0)
        _, planes, rows = self._split("val")
        voxel_um, _ = self._atlas
        return {
            "target_mean": mean,
            "target_std": std.clamp(min=1.0),  # a number that hardly varies: not to be learned below a voxel
            "voxel_um": voxel_um,
            "baseline": geometry.alignment_distance(mean, planes[rows], voxel_um).mean().item(),
        }

    def _batches(self, split: str, augment: float = 0.0, shuffle: bool = False) -> Batches:
        images, planes, rows = self._split(split)
        _, midline = self._atlas

        def fetch(indices: Tensor, generator: torch.Generator) -> Batch:
            chosen = rows[indices]
            batch = torch.from_numpy(images[chosen.numpy()])[:, None].float() / 255, planes[chosen]
            return augmented(*batch, augment, midline, generator) if augment else batch

        return Batches(
            fetch,
            len(rows),
            self.batch_size,
            seed=self.seed,
            epoch=lambda: self.trainer.current_epoch if self.trainer else 0,
            shuffle=shuffle,
            drop_last=shuffle,  # batch norm can't take a last batch of one section
        )

    def train_dataloader(self) -> Batches:
        return self._batches("train", self.augment, shuffle=True)

    def val_dataloader(self) -> Batches:
        return self._batches("val")

    def test_dataloader(self) -> Batches:
        return self._batches("test")

    def predict_dataloader(self) -> Batches:
        return self._batches("val")
