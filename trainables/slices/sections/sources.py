"""Sources of sections: cut from volumes, or the user's own, each divided into training, validation and test.

The fixed cuts of a split are made when they are first read. A real section belongs to one split only; so does
a whole brain if there are at least three. The volume of real sections (`series`) is built from the training
sections; validation and test use the real sections that are not in it.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from trainables.slices.options import (
    REAL_SOURCES,
    Sizes,
    SourceOptions,
    parse_sizes,
    parse_source_options,
)
from trainables.slices.planes import quicknii
from trainables.slices.planes.families import family_covering
from trainables.slices.sections import anchored
from trainables.slices.sections.anchored import Sections
from trainables.slices.sections.split import SPLITS, split_sources
from trainables.slices.volumes import files, phantom
from trainables.slices.volumes.appearance import add_artifacts, one_thread
from trainables.slices.volumes.cutting import Volume, cut_stained
from trainables.slices.volumes.series import series_volume
from trainables.training.batches import seeded

Images = np.ndarray[Any, Any]  # uint8 (N, S, S)
Batch = tuple[Tensor, Tensor]  # images float32 (B, 1, S, S) in [0, 1], planes float32 (B, 9) in voxels


class SectionSet(NamedTuple):
    """Fixed sections: the `rows` (M,) of images (N, S, S) and planes (N, 9)."""

    images: Images
    planes: Tensor
    rows: Tensor

    def take(self, indices: Tensor) -> Batch:
        """The sections at `indices` (B,) among the rows, which repeat beyond their end."""
        rows = self.rows[indices % len(self.rows)]
        return torch.from_numpy(self.images[rows.numpy()])[:, None].float() / 255, self.planes[rows]


class Source(ABC):
    """Sections of one kind. `real`: its validation and test sections are photographs."""

    real: bool
    options: SourceOptions
    voxel_um: float
    midline: float | None
    target: str  # the name of the atlas in QuickNII's files

    @abstractmethod
    def sections(self, split: str) -> SectionSet:
        """The fixed sections of a split. If each epoch trains on new cuts, those of training are a sample."""

    @abstractmethod
    def references(self) -> list[SectionSet]:
        """All fixed training sections: the candidates of the nearest-neighbour baseline."""

    @abstractmethod
    def training_batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        """The sections at `indices` (B,) of an epoch: fixed ones, repeated as needed, or as many new cuts."""

    @abstractmethod
    def volume(self) -> Volume | None:
        """The volume that pictures show, if there is one."""


@final
class VolumeSource(Source):
    """Sections cut at random planes from `brains`, in equal numbers from each."""

    real = False

    def __init__(
        self,
        brains: Sequence[Volume],
        options: SourceOptions,
        sizes: Sizes,
        seed: int,
        target: str,
    ) -> None:
        self.brains, self.options, self.sizes = tuple(brains), options, sizes
        self.seed, self.target = seed, target
        self.voxel_um, self.midline = brains[0].voxel_um, brains[0].midline
        self._sets: dict[str, SectionSet] = {}

    def sections(self, split: str) -> SectionSet:
        if split not in self._sets:  # so the test split is cut only for tests
            generator = seeded(self.seed, SPLITS.index(split))
            images, planes = self._cut(getattr(self.sizes, split), generator)
            self._sets[split] = SectionSet(images[:, 0].numpy(), planes, torch.arange(len(planes)))
        return self._sets[split]

    def references(self) -> list[SectionSet]:
        return [self.sections("train")]

    def training_batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        if not self.options.cuts_each_epoch:
            return self.sections("train").take(indices)
        with one_thread():
            images, planes = self._cut(len(indices), generator)
            return images.float() / 255, planes

    def _cut(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images uint8 (count, 1, S, S) and planes (count, 9)."""
        quotient, remainder = divmod(count, len(self.brains))
        parts = []
        for index, brain in enumerate(self.brains):
            planes = brain.family.draw(quotient + (index < remainder), self.options.angle, generator)
            images = cut_stained(brain, planes, self.sizes.image_size, self.options.dark, generator)
            if self.options.artifacts.any:
                grey = images.float() / 255
                grey, planes = add_artifacts(grey, planes, self.options.artifacts, brain.midline, generator)
                images = (255 * grey + 0.5).to(torch.uint8)
            parts.append((images, planes))
        return torch.cat([images for images, _ in parts]), torch.cat([planes for _, planes in parts])

    def volume(self) -> Volume:
        return self.brains[0]


@final
class AnchoredSource(Source):
    """The user's own sections. Artifacts are added to training sections only."""

    real = True

    def __init__(self, loaded: Sections, options: SourceOptions, rows: Mapping[str, Tensor]) -> None:
        self.loaded, self.options, self.rows = loaded, options, dict(rows)
        self.voxel_um, self.midline, self.target = loaded.voxel_um, loaded.midline, loaded.target
        self.planes = torch.from_numpy(loaded.planes).float()

    def sections(self, split: str) -> SectionSet:
        return SectionSet(self.loaded.images, self.planes, self.rows[split])

    def references(self) -> list[SectionSet]:
        return [self.sections("train")]

    def training_batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        images, planes = self.sections("train").take(indices)
        if self.options.artifacts.any:
            return add_artifacts(images, planes, self.options.artifacts, self.midline, generator)
        return images, planes

    def volume(self) -> None:
        return None


@final
class SeriesSource(Source):
    """Cuts from volumes of the real training sections; the other real sections validate and test."""

    real = True

    def __init__(self, real: AnchoredSource, cuts: VolumeSource) -> None:
        self.anchored, self.cuts = real, cuts
        self.options = cuts.options
        self.voxel_um, self.midline, self.target = real.voxel_um, real.midline, real.target

    def sections(self, split: str) -> SectionSet:
        return self.cuts.sections("train") if split == "train" else self.anchored.sections(split)

    def references(self) -> list[SectionSet]:
        return [*self.cuts.references(), *self.anchored.references()]

    def training_batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        return self.cuts.training_batch(indices, generator)

    def volume(self) -> Volume:
        return self.cuts.volume()


def make_sources(options: Mapping[str, Any], seed: int, reload: bool = False) -> tuple[Source, ...]:
    """The sources of `options` (SliceData's arguments), made once a process unless `reload` is set.

    Raises ValueError with one line if an option is invalid, if a file is missing or can't be used, or if
    sources can't be mixed.
    """
    if reload:
        _sources.cache_clear()
    return _sources(parse_source_options(options), parse_sizes(options), seed)


@functools.lru_cache(maxsize=4)
def _sources(all_options: tuple[SourceOptions, ...], sizes: Sizes, seed: int) -> tuple[Source, ...]:
    loaded = {
        options: load(options, sizes.image_size) for options in all_options if options.source in REAL_SOURCES
    }
    rows = split_sources(loaded, seed)
    sources: list[Source] = []
    for options in all_options:
        if options.source in REAL_SOURCES:
            real = AnchoredSource(loaded[options], options, rows[options])
            sources.append(
                real if options.source == "quicknii" else _series_source(real, options, sizes, seed)
            )
        else:
            brain, target = _volume(options, sizes.image_size)
            sources.append(VolumeSource([brain], options, sizes, seed, target))
    _check_compatible(sources)
    return tuple(sources)


def load(options: SourceOptions, image_size: int) -> Sections:
    """The real sections of a source. Raises ValueError as `anchored.load` does."""
    assert not isinstance(options.voxel_um, tuple)
    return anchored.load(options.path(), image_size, options.voxel_um)


def _volume(options: SourceOptions, image_size: int) -> tuple[Volume, str]:
    """The volume of a source, and the name of its atlas."""
    if options.source == "atlas":
        assert options.name is not None
        brain = files.atlas(options.name, image_size, options.family)
        return brain, _atlas_name(brain) or options.name
    if options.source == "volume":
        path = options.path()
        brain = files.read(path, image_size, options.family, options.orientation, options.voxel_um)
        return brain, _atlas_name(brain) or path.name
    return _with_family(phantom.volume(image_size), options.family), phantom.TARGET


def _with_family(brain: Volume, name: str | None) -> Volume:
    """The volume, cut at planes of the family `name` (None: of its own)."""
    if name in (None, brain.family.name):
        return brain
    half = brain.midline is not None
    return replace(brain, family=family_covering(brain.tensor[0], brain.shape, name, half))


def _atlas_name(brain: Volume) -> str | None:
    """The known atlas that has the shape and voxel size of a volume."""
    for name, atlas in quicknii.ATLASES.items():
        if (brain.shape, brain.voxel_um) == (atlas.shape, atlas.voxel_um):
            return f"{name}.cutlas"
    return None


def _series_source(real: AnchoredSource, options: SourceOptions, sizes: Sizes, seed: int) -> SeriesSource:
    """A volume of each training brain, from its sections at 128 pixels or more."""
    fine = load(options, max(128, sizes.image_size))
    train = real.rows["train"].numpy()
    atlas = quicknii.atlas(fine.target)
    brains = []
    for series in np.unique(fine.series[train]):
        rows = train[fine.series[train] == series]
        planes = torch.from_numpy(fine.planes[rows]).float()
        images = torch.from_numpy(fine.images[rows]).float() / 255
        shape = atlas.shape if atlas else _bounding_shape(planes)
        brain = series_volume(images, planes, shape, fine.voxel_um, fine.midline, sizes.image_size)
        brains.append(_with_family(brain, options.family))
    return SeriesSource(real, VolumeSource(brains, options, sizes, seed, real.target))


def _bounding_shape(planes: Tensor) -> tuple[float, float, float]:
    """The shape of a frame that contains all sections, for an unknown atlas."""
    origin, across, down = planes.split(3, dim=1)
    x, y, z = torch.cat([origin, origin + across, origin + down, origin + across + down]).amax(dim=0).tolist()
    return max(x, 1.0), max(y, 1.0), max(z, 1.0)


def _check_compatible(sources: Sequence[Source]) -> None:
    """Raises ValueError if voxel sizes differ, or if hemispheres are to be removed without a midline."""
    voxels = {round(source.voxel_um, 3) for source in sources}
    if len(voxels) > 1:
        raise ValueError(
            f"data.sources has voxels of {', '.join(f'{size:g}' for size in sorted(voxels))} µm, but all "
            "planes must be in the same voxels; use sources of one atlas"
        )
    for source in sources:
        if source.options.hemi and source.midline is None:
            raise ValueError(
                f"data.hemi={source.options.hemi:g} needs the midline of the brain, which is unknown for "
                f"{source.target or 'these anchorings'}; set data.hemi=0"
            )
