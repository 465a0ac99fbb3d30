"""How well sections of a real brain are placed by models that saw every other section of it.

    python -m benchmarks.glta FOLDER [--trials 10] [--epochs 12] [--train 512] [--image-size 96]

FOLDER holds the GLTa series (28 coronal sections of a mouse and `glta.json`, from DeepSlice's examples). A
search trains on cuts of the phantom and of a volume made from the sections at even positions of the list, and
ranks its trials by other cuts of the two. The sections at odd positions are then placed by: the mean of the
training planes; the even section that each is most like; the most alike of the cuts; the search's best model;
and the median of its five best. Each with and without propagation over the series.

One brain, whose neighbouring sections were trained on, proves little: it shows that the whole way from real
sections to planes works, not what a new brain, stain or laboratory would get.
"""

import argparse
import functools
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from results.store import open_run
from search.config import resolve
from search.found import loaded, ranked
from search.run import start
from trainables.slices import phantom, quicknii, sections
from trainables.slices.data import SliceData
from trainables.slices.geometry import alignment_distance
from trainables.slices.nearest import nearest_section
from trainables.slices.predict import planes_of
from trainables.slices.propagate import propagate
from trainables.slices.series import series_volume
from trainables.slices.sources import COUNTS, Cuts
from trainables.slices.wanted import Wanted

WEIGHTS = {"phantom": 1.0, "series": 3.0}
ANGLE = 2.0  # degrees by which cuts are tilted
MEMBERS = 5
WANTED = 0.5  # of the nearest section's median distance


class EvenSections(SliceData):
    """Cuts of the phantom and of the volume of every other section under `root`; the same two validate.

    Not `data=series`, which would keep one of the fourteen sections for validation: too few to rank by.
    """

    def __init__(self, root: str, image_size: int, seed: int, **options: Any) -> None:
        super().__init__(image_size=image_size, seed=seed, **options)
        self.sources = _sources(root, image_size, seed, self.count)


@functools.cache
def _sources(root: str, image_size: int, seed: int, train: int) -> tuple[Cuts, ...]:
    images, planes, _, found = load(root, max(128, image_size))
    even = slice(0, None, 2)
    atlas = quicknii.atlas(found.target)
    assert atlas is not None, "GLTa's atlas is known"
    brain = series_volume(images[even], planes[even], atlas.shape, atlas.voxel_um, atlas.midline, image_size)
    return tuple(
        Cuts(
            [volume],
            Wanted(name, angle=ANGLE, fresh=True, weight=WEIGHTS[name]),
            image_size,
            seed,
            {**COUNTS, "train": train, "val": 64},
            found.target,
        )
        for name, volume in {"phantom": phantom.volume(image_size), "series": brain}.items()
    )


def load(root: str, image_size: int) -> tuple[Tensor, Tensor, np.ndarray, sections.Sections]:
    """Images (N, S, S) in [0, 1], planes (N, 9) and section numbers (N,), in the order of the list."""
    found = sections.load(root, image_size)
    numbers = {section.filename: section.nr for section in quicknii.read(Path(root) / "glta.json").sections}
    images = torch.from_numpy(np.array(found.images)).float() / 255
    return images, torch.from_numpy(found.planes).float(), np.array([numbers[n] for n in found.names]), found


def search(
    root: str, storage: str, trials: int, epochs: int, train: int, image_size: int, more: list[str]
) -> Path:
    """A search of the space slice_reg on EvenSections; returns the run's folder."""
    size = [f"trials={trials}", f"epochs={epochs}", f"grace={max(1, epochs // 2)}", "eta=2"]
    data = [f"data.train={train}", f"data.image_size={image_size}"]
    params = ["param.lr.low=2e-4", "param.lr.high=2e-3", "param.schedule=cosine", "param.loss=[mse,l1]"]
    config = resolve(["space=slice_reg", f"storage={storage}", "name=glta", *size, *data, *params, *more])
    options = {"root": root, "image_size": image_size, "train": train}
    space = replace(config.space, data=f"{__spec__.name}:EvenSections", prepare=None, options=options)
    return start(replace(config, space=space)).folder


def table(root: str, run: Path, image_size: int) -> None:
    images, planes, numbers, found = load(root, image_size)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    models = [loaded(model) for model in ranked(open_run(run))[:MEMBERS]]
    data = models[0][1]
    assert isinstance(data, EvenSections)
    cuts = data.sources[1].kept("train")
    seen, asked = images[even, None], images[odd, None]
    with torch.inference_mode():
        members = torch.stack([planes_of(module, asked) for module, _ in models]).double()
    rows = {
        "constant prediction": planes[even].mean(dim=0).repeat(len(asked), 1),
        "nearest section": nearest_section(seen, planes[even], asked),
        "nearest of the cuts": nearest_section(*cuts.take(torch.arange(len(cuts.rows))), asked),
        "the search's best": members[0],
        f"the {len(models)} best": members.quantile(0.5, dim=0),
    }
    print(f"\n{len(asked)} sections, distance in µm   plain: median   90 %   propagated: median   90 %")
    medians = {}
    for name, predicted in rows.items():
        series = propagate(predicted.double().numpy(), numbers[odd], found.voxel_um).planes
        cells = []
        for one in (predicted.double(), torch.from_numpy(series)):
            distances = alignment_distance(one, planes[odd].double(), found.voxel_um).numpy()
            cells += [np.median(distances), np.quantile(distances, 0.9)]
        medians[name] = cells
        print(f"{name:27}   {cells[0]:13,.0f} {cells[1]:6,.0f}   {cells[2]:18,.0f} {cells[3]:6,.0f}")
    ratio = medians[f"the {len(models)} best"][2] / medians["nearest section"][0]
    print(
        f"\nThe ensemble, propagated, is at {ratio:.2f} of the nearest section's median (at most {WANTED})."
    )
    print("One brain, trained on its own neighbouring sections: it proves little about another.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="the GLTa series: images and glta.json")
    for name, value in {"trials": 10, "epochs": 12, "train": 512, "image-size": 96}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--storage", help="where the run is kept (default: nowhere)")
    parser.add_argument("overrides", nargs="*", help="of the search, as KEY=VALUE")
    given = parser.parse_args()
    root = str(Path(given.folder).resolve())
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        storage = given.storage or os.path.join(folder, "runs")
        size = given.image_size
        run = search(root, storage, given.trials, given.epochs, given.train, size, given.overrides)
        table(root, run, size)
    print(f"{time.perf_counter() - began:,.0f} s")


if __name__ == "__main__":
    main()
