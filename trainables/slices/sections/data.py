"""Sections and their planes for training, in batches."""

import functools
from typing import Any

import lightning
import torch
from torch import Tensor

from trainables.slices.options import KEYS, LOWEST
from trainables.slices.planes import geometry
from trainables.slices.planes.targets import spread, target_named
from trainables.slices.sections.augment import augmented
from trainables.slices.sections.nearest import nearest_section
from trainables.slices.sections.sources import Batch, Kept, Source, make_sources
from trainables.slices.volumes.appearance import worn
from trainables.slices.volumes.cutting import Volume
from trainables.training.batches import Batches


class SliceData(lightning.LightningDataModule):
    """Sections and planes in three splits.

    `source`: `phantom`, cut from a model of the brain; `volume`, from the user's own in the file `root`
    (`orientation`, `voxel_um`: see volume.py); `atlas`, from BrainGlobe's of that `name`; `quicknii`, the
    images and anchorings under `root` (`voxel_um` where these name no known atlas); `series`, cut from the
    volume that such images make. `train`, `val` and `test` count sections that are cut; real ones are split
    by `seed`. `family` and `angle` (degrees) say how planes lie; `damage`, `dark`, `hemi` and `turned` are
    shares of sections (see wear.py). With `fresh` each epoch trains on other cuts. `sources` mixes several,
    each a mapping of these options and a `weight`; where some are real sections, these alone validate.
    `augment` is the strength of the augmentation of training sections. `batch_seed` (`seed` without one)
    decides the order of batches and their augmentation.
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
        given = dict(locals())  # by the names of the arguments
        super().__init__()
        options = {key: given[key] for key in ("sources", *KEYS, *LOWEST) if key in given}
        self.sources = make_sources(options, seed)
        self.parametrisation = parametrisation
        self.asked = repr(options)  # text, by which lanes.py tells data apart
        self.image_size, self.count, self.seed = image_size, train, seed
        self.batch_size, self.augment = batch_size, augment
        self.batch_seed = seed if batch_seed is None else batch_seed

    @property
    def licence(self) -> str | None:
        """What the sections may be used under; None where that is not known."""
        if any(source.wanted.source != "phantom" for source in self.sources):
            return None
        return "MIT: the phantom is Ladder's own, drawn from tables, with no brain's images in it"

    @property
    def target(self) -> str:
        """The atlas that the planes lie in, by the name that goes into QuickNII's files."""
        return max(source.target for source in self.sources)

    @property
    def midline(self) -> float | None:
        """The x about which the brains of all sources mirror, if there is one."""
        midlines = {source.midline for source in self.sources}
        return midlines.pop() if len(midlines) == 1 else None

    def volume(self) -> Volume | None:
        """What is cut for pictures: a whole brain, else a volume of real sections; None if nothing is."""
        brains = sorted(self.sources, key=lambda source: source.real)
        return next((volume for source in brains if (volume := source.volume())), None)

    def facts(self) -> dict[str, Any]:
        """What a learner needs to know of the training set, and what it has to beat.

        `target_mean`, `target_std`: of the numbers that stand for the training planes (see targets.py);
        `mean_plane` (9,); `voxel_um`. Over the validation set, in µm of mean alignment distance: `baseline`,
        of always predicting the mean training plane; `nearest`, of predicting the plane of the most similar
        training section.
        """
        return dict(_facts(self.sources, self.count, self.parametrisation))

    def plane_range(self) -> tuple[Tensor, Tensor]:
        """The lowest and the highest of each of the nine numbers among the training planes: (9,) each."""
        planes = _training_planes(self.sources, self.count)
        return planes.amin(dim=0), planes.amax(dim=0)

    def train_dataloader(self) -> Batches:
        bounds = torch.tensor([0, *_quotas(self.sources, self.count)]).cumsum(0)

        def fetch(indices: Tensor, generator: torch.Generator) -> Batch:
            parts = []
            for source, low, high in zip(self.sources, bounds[:-1], bounds[1:], strict=True):
                if len(own := indices[(indices >= low) & (indices < high)] - low):
                    parts.append(_to_train(source, own, generator))
            images, planes = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
            if not self.augment:
                return images, planes
            return augmented(images, planes, self.augment, self.midline, generator)

        # Batch norm can't take a last batch of one section.
        return self._batches(fetch, int(bounds[-1]), shuffle=True, drop_last=True)

    def val_dataloader(self) -> Batches:
        return self._still("val")

    def test_dataloader(self) -> Batches:
        return self._still("test")

    def predict_dataloader(self) -> Batches:
        return self._still("val")

    def _still(self, split: str) -> Batches:
        sections = _judges(self.sources, split)

        def fetch(indices: Tensor, generator: torch.Generator) -> Batch:
            return _take(sections, indices)

        return self._batches(fetch, sum(len(kept.rows) for kept in sections))

    def _batches(self, fetch: Any, count: int, **how: bool) -> Batches:
        def epoch() -> int:
            return self.trainer.current_epoch if self.trainer else 0

        return Batches(fetch, count, self.batch_size, seed=self.batch_seed, epoch=epoch, **how)


def _to_train(source: Source, places: Tensor, generator: torch.Generator) -> Batch:
    """As many sections as there are `places` in the source's part of an epoch."""
    if source.fresh:
        return source.draw(len(places), generator)
    kept = source.kept("train")
    images, planes = kept.take(places % len(kept.rows))
    if source.real and source.wanted.wear.any:  # cuts are worn already
        return worn(images, planes, source.wanted.wear, source.midline, generator)
    return images, planes


def _quotas(sources: tuple[Source, ...], count: int) -> list[int]:
    """How many sections of an epoch each source gives: one alone all it has, several by weight `count`."""
    if len(sources) == 1:
        return [len(sources[0].kept("train").rows)]
    total = sum(source.wanted.weight for source in sources)
    return [max(1, round(count * source.wanted.weight / total)) for source in sources]


def _judges(sources: tuple[Source, ...], split: str) -> list[Kept]:
    """The sections that validate or test: real ones alone, where there are any."""
    real = [source for source in sources if source.real]
    return [source.kept(split) for source in real or sources]


def _take(parts: list[Kept], indices: Tensor) -> Batch:
    """The sections at `indices`, counted through all parts, in their order."""
    batches, start = [], 0
    for kept in parts:
        own = indices[(indices >= start) & (indices < start + len(kept.rows))] - start
        batches.append(kept.take(own))
        start += len(kept.rows)
    images, planes = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
    return images, planes


def _training_planes(sources: tuple[Source, ...], count: int) -> Tensor:
    """The planes of an epoch (N, 9); of sources that cut anew, those of the sections that stand for them."""
    parts = []
    for source, quota in zip(sources, _quotas(sources, count), strict=True):
        kept = source.kept("train")
        parts.append(kept.planes[kept.rows[torch.arange(quota) % len(kept.rows)]])
    return torch.cat(parts)


@functools.lru_cache(maxsize=4)
def _facts(sources: tuple[Source, ...], count: int, parametrisation: str) -> dict[str, Any]:
    """See SliceData.facts; worked out once a process, not for every trial."""
    planes = _training_planes(sources, count)
    numbers_mean, numbers_std = spread(planes, target_named(parametrisation))
    mean = planes.mean(dim=0)
    judges = _judges(sources, "val")
    images, truth = _take(judges, torch.arange(sum(len(kept.rows) for kept in judges)))
    known = [kept for source in sources for kept in source.known()]
    nearest = nearest_section(*_take(known, torch.arange(sum(len(kept.rows) for kept in known))), images)
    voxel_um = sources[0].voxel_um
    return {
        "target_mean": numbers_mean,
        "target_std": numbers_std,
        "mean_plane": mean,
        "voxel_um": voxel_um,
        "baseline": geometry.alignment_distance(mean, truth, voxel_um).mean().item(),
        "nearest": geometry.alignment_distance(nearest, truth, voxel_um).mean().item(),
    }
