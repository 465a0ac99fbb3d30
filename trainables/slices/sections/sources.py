"""Where sections come from: cut from volumes, or the user's own; and which of them train, validate and test.

A cut section is made when it is asked for; a real one is on one side of the split only, and so is, of three
brains or more, each brain. A volume of real sections (`series`) is made of those that train, and what
validates and tests it is real sections that are not in it.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.slices.options import REAL, Wanted, wanted
from trainables.slices.planes import quicknii
from trainables.slices.planes.families import family_around
from trainables.slices.sections import anchored
from trainables.slices.sections.anchored import Sections
from trainables.slices.sections.split import SPLITS, split_sources
from trainables.slices.volumes import files as volumes
from trainables.slices.volumes import phantom
from trainables.slices.volumes.appearance import one_thread, worn
from trainables.slices.volumes.cutting import Volume, photographed
from trainables.slices.volumes.series import series_volume
from trainables.training.batches import seeded

Images = np.ndarray[Any, Any]  # uint8 (N, S, S)
Batch = tuple[Tensor, Tensor]  # images float32 (B, 1, S, S) in [0, 1], planes float32 (B, 9) in voxels


class Kept(NamedTuple):
    """Sections that stay the same: those of `rows`."""

    images: Images
    planes: Tensor
    rows: Tensor

    def take(self, places: Tensor) -> Batch:
        chosen = self.rows[places]
        return torch.from_numpy(self.images[chosen.numpy()])[:, None].float() / 255, self.planes[chosen]


class Source(ABC):
    """Sections of one kind. `real`: they are photographs; `fresh`: every epoch trains on others."""

    real: bool
    fresh: bool
    wanted: Wanted
    voxel_um: float
    midline: float | None
    target: str  # the atlas, by the name that goes into QuickNII's files

    @abstractmethod
    def kept(self, split: str) -> Kept:
        """The sections of a split; for training those that stand for it where every epoch has others."""

    @abstractmethod
    def known(self) -> list[Kept]:
        """All sections to train on that stay the same: what a new one may be compared with."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Sections to train on that no one has seen. Only where `fresh`."""

    @abstractmethod
    def volume(self) -> Volume | None:
        """What is cut, for pictures."""


class Cuts(Source):
    """Sections cut at random planes from volumes, from each as often as from the others."""

    real = False

    def __init__(
        self,
        brains: Sequence[Volume],
        one: Wanted,
        image_size: int,
        seed: int,
        counts: Mapping[str, int],
        target: str,
    ) -> None:
        self.brains, self.wanted, self.image_size, self.target = tuple(brains), one, image_size, target
        self.seed, self.counts = seed, dict(counts)
        self.voxel_um, self.midline = brains[0].voxel_um, brains[0].midline
        self.fresh = one.cuts_anew
        self._kept: dict[str, Kept] = {}

    def kept(self, split: str) -> Kept:
        if split not in self._kept:  # the test split is not cut before it is asked for
            generator = seeded(self.seed, SPLITS.index(split))
            images, planes = self._cut(self.counts[split], generator)
            self._kept[split] = Kept(images[:, 0].numpy(), planes, torch.arange(len(planes)))
        return self._kept[split]

    def known(self) -> list[Kept]:
        return [self.kept("train")]

    @one_thread()
    def draw(self, count: int, generator: torch.Generator) -> Batch:
        images, planes = self._cut(count, generator)
        return images.float() / 255, planes

    def _cut(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images uint8 (count, 1, S, S) and planes."""
        share, more = divmod(count, len(self.brains))
        parts = []
        for number, brain in enumerate(self.brains):
            planes = brain.family.draw(share + (number < more), self.wanted.angle, generator)
            images = photographed(brain, planes, self.image_size, self.wanted.dark, generator)
            if self.wanted.wear.any:
                grey, planes = worn(images.float() / 255, planes, self.wanted.wear, brain.midline, generator)
                images = (255 * grey + 0.5).to(torch.uint8)
            parts.append((images, planes))
        return torch.cat([images for images, _ in parts]), torch.cat([planes for _, planes in parts])

    def volume(self) -> Volume:
        return self.brains[0]


class Real(Source):
    """The user's sections as they are. What trains may be worn; what validates and tests never is."""

    real, fresh = True, False

    def __init__(self, loaded: Sections, one: Wanted, rows: Mapping[str, Tensor]) -> None:
        self.loaded, self.wanted, self.rows = loaded, one, dict(rows)
        self.voxel_um, self.midline, self.target = loaded.voxel_um, loaded.midline, loaded.target
        self.planes = torch.from_numpy(loaded.planes).float()

    def kept(self, split: str) -> Kept:
        return Kept(self.loaded.images, self.planes, self.rows[split])

    def known(self) -> list[Kept]:
        return [self.kept("train")]

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        raise AssertionError("real sections are not drawn")

    def volume(self) -> None:
        return None


class Stack(Source):
    """Cuts from volumes of the real sections that train; the held-out ones validate and test."""

    real = True

    def __init__(self, real: Real, cuts: Cuts) -> None:
        self.held_out, self.cuts = real, cuts
        self.wanted, self.fresh = cuts.wanted, cuts.fresh
        self.voxel_um, self.midline, self.target = real.voxel_um, real.midline, real.target

    def kept(self, split: str) -> Kept:
        return self.cuts.kept("train") if split == "train" else self.held_out.kept(split)

    def known(self) -> list[Kept]:
        return [*self.cuts.known(), *self.held_out.known()]

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        return self.cuts.draw(count, generator)

    def volume(self) -> Volume:
        return self.cuts.volume()


def make_sources(options: Mapping[str, Any], seed: int, anew: bool = False) -> tuple[Source, ...]:
    """The sources that `options` (SliceData's arguments) ask for. Raises ValueError.

    They are made once a process; with `anew` from the files as they are now.
    """
    if anew:
        _sources.cache_clear()
    counts = tuple((split, options.get(split, default)) for split, default in COUNTS.items())
    return _sources(wanted(options), options.get("image_size", 64), seed, counts)


COUNTS = {"train": 256, "val": 128, "test": 128}


@functools.lru_cache(maxsize=4)
def _sources(
    asked: tuple[Wanted, ...], image_size: int, seed: int, counts: tuple[tuple[str, int], ...]
) -> tuple[Source, ...]:
    loaded = {one: load(one, image_size) for one in asked if one.source in REAL}
    rows = split_sources(loaded, seed)
    made: list[Source] = []
    for one in asked:
        if one.source in REAL:
            real = Real(loaded[one], one, rows[one])
            made.append(
                real if one.source == "quicknii" else _stack(real, one, image_size, seed, dict(counts))
            )
        else:
            brain, target = _volume(one, image_size)
            made.append(Cuts([brain], one, image_size, seed, dict(counts), target))
    _check_alike(made)
    return tuple(made)


def load(one: Wanted, image_size: int) -> Sections:
    """The real sections of a source."""
    assert not isinstance(one.voxel_um, tuple)
    return anchored.load(one.path(), image_size, one.voxel_um)


def _volume(one: Wanted, image_size: int) -> tuple[Volume, str]:
    """What a source is cut from, and the name of its atlas."""
    if one.source == "atlas":
        assert one.name is not None
        brain = volumes.atlas(one.name, image_size, one.family)
        return brain, _name(brain) or one.name
    if one.source == "volume":
        brain = volumes.read(one.path(), image_size, one.family, one.orientation, one.voxel_um)
        return brain, _name(brain) or one.path().name
    brain = phantom.volume(image_size)
    if one.family not in (None, brain.family.name):
        family = family_around(brain.tensor[0], brain.shape, one.family, half=True)
        brain = replace(brain, family=family)
    return brain, phantom.TARGET


def _name(brain: Volume) -> str | None:
    """The atlas whose frame a volume fills, if we know one."""
    for name, atlas in quicknii.ATLASES.items():
        if (brain.shape, brain.voxel_um) == (atlas.shape, atlas.voxel_um):
            return f"{name}.cutlas"
    return None


def _stack(real: Real, one: Wanted, image_size: int, seed: int, counts: Mapping[str, int]) -> Stack:
    """Volumes of the brains that train, their sections decoded as finely as the volumes are."""
    fine = load(one, max(128, image_size))
    train = real.rows["train"].numpy()
    known = quicknii.atlas(fine.target)
    brains = []
    for series in np.unique(fine.series[train]):
        rows = train[fine.series[train] == series]
        planes = torch.from_numpy(fine.planes[rows]).float()
        images = torch.from_numpy(fine.images[rows]).float() / 255
        shape = known.shape if known else _reach(planes)
        brain = series_volume(images, planes, shape, fine.voxel_um, fine.midline, image_size)
        if one.family not in (None, brain.family.name):
            half = fine.midline is not None
            brain = replace(brain, family=family_around(brain.tensor[0], brain.shape, one.family, half))
        brains.append(brain)
    return Stack(real, Cuts(brains, one, image_size, seed, counts, real.target))


def _reach(planes: Tensor) -> tuple[float, float, float]:
    """A frame that holds all sections, where the atlas is not known."""
    origin, across, down = planes.split(3, dim=1)
    x, y, z = torch.cat([origin, origin + across, origin + down, origin + across + down]).amax(dim=0).tolist()
    return max(x, 1.0), max(y, 1.0), max(z, 1.0)


def _check_alike(made: Sequence[Source]) -> None:
    """Planes of several sources count in the same voxels. Raises ValueError."""
    sizes = {round(source.voxel_um, 3) for source in made}
    if len(sizes) > 1:
        raise ValueError(
            f"data.sources has voxels of {', '.join(f'{size:g}' for size in sorted(sizes))} µm, but planes "
            "must count in the same ones; take sources of one atlas"
        )
    for source in made:
        if source.wanted.hemi and source.midline is None:
            raise ValueError(
                f"data.hemi={source.wanted.hemi:g} needs the middle of the brain, which is not known of "
                f"{source.target or 'these anchorings'}; set data.hemi=0"
            )
