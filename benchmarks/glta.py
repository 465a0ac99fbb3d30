"""Accuracy on sections of a real brain, for models that trained on every other section of it.

    python -m benchmarks.glta FOLDER [--trials 10] [--epochs 36] [--train 512] [--image-size 64] [KEY=VALUE]

FOLDER holds the GLTa series (28 coronal sections of a mouse and `glta.json`, from DeepSlice's examples). A
search trains on cuts of the phantom, on the sections at even positions of the list, and on cuts of the volume
made from these. It ranks its trials by other cuts of the two volumes. The sections at odd positions are then
predicted by: the mean of the training planes; the most similar even section; the most similar cut; the best
model of the search; the median of its five best models; and by most of these with refinement (the plane is
moved until the cut of the even sections' volume looks like the section). Each prediction is made without
propagation, with propagation over the series, and with propagation given the section thickness, which a
laboratory knows.

Two more rows use the reference planes and tell how good the others can be: planes interpolated between those
of the even neighbours, and the reference planes refined.

The backbone is a small one, resnet10t, so that the search takes 10 to 15 minutes on two idle cores. Overrides
are those of a search, such as `backbone=legacy_xception`.

One brain, whose neighbouring sections were in training, proves little: it shows that the whole way from real
sections to planes works, not what a new brain, stain or laboratory would get.
"""

import argparse
import functools
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from results.store import open_run
from search.after.models import load, ranked_models
from search.config.run_config import resolve
from search.runs.run import start
from trainables.slices.options import Sizes, SourceOptions
from trainables.slices.planes import quicknii
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.predict.predictor import predict_planes
from trainables.slices.predict.propagate import propagate
from trainables.slices.predict.refine import refine_planes
from trainables.slices.sections import anchored
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.nearest import nearest_section
from trainables.slices.sections.sources import AnchoredSource, Source, VolumeSource
from trainables.slices.volumes import phantom
from trainables.slices.volumes.series import series_volume

WEIGHTS = {"phantom": 1.0, "series": 4.0, "quicknii": 3.0}
ANGLE = 2.0  # standard deviation of the tilt of cuts, in degrees
MEMBERS = 5  # of the ensemble
THICKNESS_UM = 50.0  # of the series, from one section number to the next
TARGET_RATIO = 0.5  # of the nearest section's median distance
EVEN, ODD = slice(0, None, 2), slice(1, None, 2)


class EvenSections(SliceData):
    """Cuts of the phantom, cuts of the volume of every other section under `root`, and these sections.

    Other cuts of the two volumes validate. `data=series` would hold out one of the fourteen sections for
    that, too few to rank by.
    """

    def __init__(self, root: str, image_size: int, seed: int, **options: Any) -> None:
        super().__init__(image_size=image_size, seed=seed, **options)
        self.sources = even_sources(root, image_size, seed, self.count)


@functools.cache
def even_sources(root: str, image_size: int, seed: int, train: int) -> tuple[Source, ...]:
    """The sources of EvenSections, made once per process."""
    series = load_series(root, max(128, image_size))
    atlas = quicknii.atlas(series.target)
    assert atlas is not None, "GLTa's atlas is known"
    brain = series_volume(
        series.images[EVEN], series.planes[EVEN], atlas.shape, atlas.voxel_um, atlas.midline, image_size
    )
    sizes = Sizes(image_size, train=train, val=64, test=64)
    volumes = {"phantom": phantom.volume(image_size), "series": brain}
    options = {
        name: SourceOptions(source=name, root=root, angle=ANGLE, fresh=name in volumes, weight=weight)
        for name, weight in WEIGHTS.items()
    }
    cuts = [
        VolumeSource([volume], options[name], sizes, seed, series.target) for name, volume in volumes.items()
    ]
    none = torch.arange(0)
    rows = {"train": torch.arange(len(series.planes))[EVEN], "val": none, "test": none}
    sections = AnchoredSource(anchored.load(root, image_size), options["quicknii"], rows)
    sections.real = False  # or they alone would validate
    return (*cuts, sections)


class Series(NamedTuple):
    """The sections of GLTa in the order of the list."""

    images: Tensor  # (N, S, S) in [0, 1]
    planes: Tensor  # (N, 9), in voxels
    numbers: np.ndarray  # (N,)
    voxel_um: float
    target: str


def load_series(root: str, image_size: int) -> Series:
    """The series with images of `image_size` pixels."""
    sections = anchored.load(root, image_size)
    numbers = {section.filename: section.nr for section in quicknii.read(Path(root) / "glta.json").sections}
    return Series(
        images=torch.from_numpy(np.array(sections.images)).float() / 255,
        planes=torch.from_numpy(sections.planes).float(),
        numbers=np.array([numbers[name] for name in sections.names]),
        voxel_um=sections.voxel_um,
        target=sections.target,
    )


def search(
    root: str, storage: str, trials: int, epochs: int, train: int, image_size: int, overrides: list[str]
) -> Path:
    """A search of the space slice_reg on EvenSections; returns the run's folder."""
    config = resolve(
        [
            "space=slice_reg",
            f"storage={storage}",
            "name=glta",
            "backbone=resnet10t",
            f"trials={trials}",
            f"epochs={epochs}",
            f"grace={max(1, epochs // 2)}",
            "eta=2",
            f"data.train={train}",
            f"data.image_size={image_size}",
            "param.lr.low=2e-4",
            "param.lr.high=2e-3",
            "param.schedule=cosine",
            "param.loss=distance",
            *overrides,
        ]
    )
    options = {"root": root, "image_size": image_size, "train": train}
    space = replace(config.space, data="benchmarks.glta:EvenSections", prepare=None, options=options)
    return start(replace(config, space=space)).folder


def predictions(series: Series, run: Path) -> dict[str, Tensor]:
    """Planes (M, 9) of the odd sections by method; see the module's head."""
    models = [load(model) for model in ranked_models(open_run(run))[:MEMBERS]]
    data: Any = models[0][1]
    _, volume_source, _ = data.sources
    volume, cuts = volume_source.volume(), volume_source.sections("train")
    even, odd = series.images[EVEN, None], series.images[ODD, None]
    with torch.inference_mode():
        members = torch.stack([predict_planes(module, odd) for module, _ in models]).double()
    nearest = nearest_section(even, series.planes[EVEN], odd)
    cut_images, cut_planes = cuts.take(torch.arange(len(cuts.rows)))
    nearest_cut = nearest_section(cut_images, cut_planes, odd)
    is_odd = np.arange(len(series.planes)) % 2 == 1
    between = propagate(series.planes.numpy(), series.numbers, series.voxel_um, bad=is_odd).planes[ODD]

    def refined(*starts: Tensor) -> Tensor:
        return refine_planes(volume, odd, torch.stack(starts))[0]

    return {
        "constant prediction": series.planes[EVEN].mean(dim=0).repeat(len(odd), 1),
        "nearest section": nearest,
        "nearest of the cuts": nearest_cut,
        "best model": members[0],
        "ensemble": members.quantile(0.5, dim=0),
        "nearest section, refined": refined(nearest),
        "nearest of the cuts, refined": refined(nearest_cut),
        "best model, refined": refined(members[0]),
        "ensemble, refined": refined(*members),
        "reference: between neighbours": torch.from_numpy(between),
        "reference, refined": refined(series.planes[ODD]),
    }


def print_table(series: Series, rows: dict[str, Tensor]) -> None:
    """Prints the distances from the reference planes by method, and the comparison with the target."""
    reference, numbers = series.planes[ODD].double(), series.numbers[ODD]
    print(f"\n{len(reference)} sections, distance in µm: median and 90 %")
    print(f"{'':30}{'by itself':>16}{'propagated':>16}{f'{THICKNESS_UM:g} µm given':>16}")
    medians: dict[str, list[float]] = {}
    for name, predicted in rows.items():
        planes = predicted.double()
        series_planes = [
            torch.from_numpy(
                propagate(planes.numpy(), numbers, series.voxel_um, thickness_um=thickness).planes
            )
            for thickness in (None, THICKNESS_UM)
        ]
        distances = [alignment_distance(p, reference, series.voxel_um) for p in (planes, *series_planes)]
        medians[name] = [float(np.median(distance)) for distance in distances]
        cells = [f"{np.median(d):,.0f} {np.quantile(d, 0.9):7,.0f}" for d in distances]
        print(f"{name:30}" + "".join(f"{cell:>16}" for cell in cells))
    target = TARGET_RATIO * medians["nearest section"][0]
    print(f"\nTarget: {target:,.0f} µm, {TARGET_RATIO} of the nearest section's median. Propagated:")
    for name in ("ensemble", "ensemble, refined"):
        median = medians[name][1]
        print(f"{name}: {median:,.0f} µm, {'reached' if median <= target else 'not reached'}")
    print("One brain, trained on its own neighbouring sections: it proves little about another.")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="the GLTa series: images and glta.json")
    for name, value in {"trials": 10, "epochs": 36, "train": 512, "image-size": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--storage", help="folder that keeps the run (default: a temporary one)")
    parser.add_argument("overrides", nargs="*", help="of the search, as KEY=VALUE")
    args = parser.parse_intermixed_args(arguments)
    root = str(Path(args.folder).resolve())
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        storage = args.storage or os.path.join(folder, "runs")
        size = args.image_size
        run = search(root, storage, args.trials, args.epochs, args.train, size, args.overrides)
        series = load_series(root, size)
        print_table(series, predictions(series, run))
    print(f"{time.perf_counter() - began:,.0f} s")


if __name__ == "__main__":
    main()
