"""SliceData: batches of sections and their planes."""

import functools
from typing import Any

import lightning
import torch
from torch import Tensor

from trainables.slices.options import SIZE_KEYS, SOURCE_KEYS
from trainables.slices.planes import geometry
from trainables.slices.planes.targets import mean_and_std, target_named
from trainables.slices.sections.augment import augmented
from trainables.slices.sections.nearest import nearest_section
from trainables.slices.sections.sources import Batch, SectionSet, Source, make_sources
from trainables.slices.volumes.cutting import Volume
from trainables.training.batches import Batches


class SliceData(lightning.LightningDataModule):
    """Sections and planes in three splits.

    `source`: `phantom` cuts sections from a drawn brain, `volume` from the user's volume in the file `root`
    (`orientation`, `voxel_um`: see volumes/files.py), `atlas` from BrainGlobe's atlas `name`; `quicknii`
    reads the anchored images in the folder `root` (`voxel_um` if they name no known atlas), `series` cuts
    from the volume that such images form. `train`, `val` and `test` are the numbers of cut sections; real
    sections are split by `seed`. `family` and `angle` (degrees) set the distribution of planes; `damage`,
    `dark`, `hemi` and `turned` are shares of sections (see volumes/appearance.py). With `fresh` each epoch
    trains on new cuts. `sources` mixes several sources, each a mapping of these options and a `weight`; if
    some are real sections, only these validate and test.
    `augment` is the strength of the augmentation of training sections. `batch_seed` (default: `seed`)
    determines the order of batches and their augmentation.
    Raises ValueError with one line if an option is invalid or the data can't be used.
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
        voxel_um: Any = None,
        batch_seed: int | None = None,
        name: str | None = None,
        orientation: str | None = None,
        family: str | None = None,
        angle: float = 3.0,
        damage: float = 0.0,
        dark: float = 0.06,
        hemi: float = 0.0,
        turned: float = 0.0,
        fresh: bool | None = None,
        sources: Any = None,
        parametrisation: str = "numbers",
    ) -> None:
        arguments = dict(locals())
        super().__init__()
        options = {key: arguments[key] for key in ("sources", *SOURCE_KEYS, *SIZE_KEYS) if key in arguments}
        self.sources = make_sources(options, seed)
        self.parametrisation = parametrisation
        self.options_text = repr(options)  # packs compare data modules by their plain attributes
        self.image_size, self.count, self.seed = image_size, train, seed
        self.batch_size, self.augment = batch_size, augment
        self.batch_seed = seed if batch_seed is None else batch_seed

    @property
    def licence(self) -> str | None:
        """The licence of the sections; None if it is unknown."""
        if any(source.options.source != "phantom" for source in self.sources):
            return None
        return "MIT: the phantom is part of Ladder, drawn from tables, and contains no images of a brain"

    @property
    def target(self) -> str:
        """The atlas of the planes, by its name in QuickNII's files."""
        return max(source.target for source in self.sources)

    @property
    def midline(self) -> float | None:
        """The x of the plane of symmetry, if all sources share one."""
        midlines = {source.midline for source in self.sources}
        return midlines.pop() if len(midlines) == 1 else None

    def volume(self) -> Volume | None:
        """The volume that pictures show: a whole brain, otherwise one of real sections, otherwise None."""
        brains = sorted(self.sources, key=lambda source: source.real)
        return next((volume for source in brains if (volume := source.volume())), None)

    def facts(self) -> dict[str, Any]:
        """Statistics of the training set for a learner, and the errors of two baselines.

        `target_mean`, `target_std` (count,): of the training planes' numbers (see planes/targets.py);
        `mean_plane` (9,); `voxel_um`. Mean alignment distances over the validation set, in µm: `baseline`,
        of always predicting the mean training plane, and `nearest`, of predicting the plane of the most
        similar training section.
        """
        return dict(_facts(self.sources, self.count, self.parametrisation))

    def plane_range(self) -> tuple[Tensor, Tensor]:
        """The minimum and maximum of each of the nine numbers over the training planes: (9,) each."""
        planes = _training_planes(self.sources, self.count)
        return planes.amin(dim=0), planes.amax(dim=0)

    def train_dataloader(self) -> Batches:
        bounds = torch.tensor([0, *_quotas(self.sources, self.count)]).cumsum(0)

        def fetch(indices: Tensor, generator: torch.Generator) -> Batch:
            parts = []
            for source, low, high in zip(self.sources, bounds[:-1], bounds[1:], strict=True):
                if len(own := indices[(indices >= low) & (indices < high)] - low):
                    parts.append(source.training_batch(own, generator))
            images, planes = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
            if not self.augment:
                return images, planes
            return augmented(images, planes, self.augment, self.midline, generator)

        # Batch norm fails on a last batch of one section.
        return self._batches(fetch, int(bounds[-1]), shuffle=True, drop_last=True)

    def val_dataloader(self) -> Batches:
        return self._evaluation_batches("val")

    def test_dataloader(self) -> Batches:
        return self._evaluation_batches("test")

    def predict_dataloader(self) -> Batches:
        return self._evaluation_batches("val")

    def _evaluation_batches(self, split: str) -> Batches:
        sets = _evaluation_sets(self.sources, split)

        def fetch(indices: Tensor, generator: torch.Generator) -> Batch:
            return _take(sets, indices)

        return self._batches(fetch, _size(sets))

    def _batches(self, fetch: Any, count: int, **options: bool) -> Batches:
        def epoch() -> int:
            return self.trainer.current_epoch if self.trainer else 0

        return Batches(fetch, count, self.batch_size, seed=self.batch_seed, epoch=epoch, **options)


def _quotas(sources: tuple[Source, ...], count: int) -> list[int]:
    """Sections of each source in an epoch: all of a single source; of several, `count` divided by weight."""
    if len(sources) == 1:
        return [len(sources[0].sections("train").rows)]
    total = sum(source.options.weight for source in sources)
    return [max(1, round(count * source.options.weight / total)) for source in sources]


def _evaluation_sets(sources: tuple[Source, ...], split: str) -> list[SectionSet]:
    """The sections of the validation or test split: only real ones if there are any."""
    real = [source for source in sources if source.real]
    return [source.sections(split) for source in real or sources]


def _size(sets: list[SectionSet]) -> int:
    return sum(len(fixed.rows) for fixed in sets)


def _take(sets: list[SectionSet], indices: Tensor) -> Batch:
    """The sections at ascending `indices` into the concatenated sets."""
    batches, start = [], 0
    for fixed in sets:
        own = indices[(indices >= start) & (indices < start + len(fixed.rows))] - start
        batches.append(fixed.take(own))
        start += len(fixed.rows)
    images, planes = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
    return images, planes


def _training_planes(sources: tuple[Source, ...], count: int) -> Tensor:
    """The planes of an epoch (N, 9); those of new cuts are represented by the planes of fixed ones."""
    parts = []
    for source, quota in zip(sources, _quotas(sources, count), strict=True):
        fixed = source.sections("train")
        parts.append(fixed.planes[fixed.rows[torch.arange(quota) % len(fixed.rows)]])
    return torch.cat(parts)


@functools.lru_cache(maxsize=4)
def _facts(sources: tuple[Source, ...], count: int, parametrisation: str) -> dict[str, Any]:
    """SliceData.facts, computed once a process for all trials."""
    planes = _training_planes(sources, count)
    target_mean, target_std = mean_and_std(planes, target_named(parametrisation))
    mean_plane = planes.mean(dim=0)
    validation = _evaluation_sets(sources, "val")
    images, true = _take(validation, torch.arange(_size(validation)))
    references = [fixed for source in sources for fixed in source.references()]
    nearest = nearest_section(*_take(references, torch.arange(_size(references))), images)
    voxel_um = sources[0].voxel_um
    return {
        "target_mean": target_mean,
        "target_std": target_std,
        "mean_plane": mean_plane,
        "voxel_um": voxel_um,
        "baseline": geometry.alignment_distance(mean_plane, true, voxel_um).mean().item(),
        "nearest": geometry.alignment_distance(nearest, true, voxel_um).mean().item(),
    }
