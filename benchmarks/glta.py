"""How well sections of a real brain are placed by models that saw every other section of it.

    python -m benchmarks.glta FOLDER [--trials 10] [--epochs 36] [--train 512] [--image-size 64]

FOLDER holds the GLTa series (28 coronal sections of a mouse and `glta.json`, from DeepSlice's examples). A
search trains on cuts of the phantom, on the sections at even positions of the list and on cuts of the volume
made from these, and ranks its trials by other cuts of the two volumes. The sections at odd positions are then
placed by: the mean of the training planes; the even section that each is most like; the most alike of the
cuts; the search's best model; and the median of its five best; and by most of these refined, that is moved
until the cut of the even sections' volume looks like the section. Each by itself, with propagation over the
series, and with propagation that is told the sections' thickness, which a laboratory knows.

Two more rows know the answer, and tell how good the others can be: the planes that lie between those of the
even neighbours, and the true planes refined.

The backbone is a small one, resnet10t, so that the search takes 10 to 15 minutes on two cores that have
nothing else to do; `backbone=legacy_xception` after the folder takes another.

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
from search.after.models import loaded, ranked
from search.config.run_config import resolve
from search.runs.run import start
from trainables.slices.options import Wanted
from trainables.slices.planes import quicknii
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.predict.predictor import planes_of
from trainables.slices.predict.propagate import propagate
from trainables.slices.predict.refine import refined
from trainables.slices.sections.anchored import anchored
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.nearest import nearest_section
from trainables.slices.sections.sources import COUNTS, Cuts, Real, Source
from trainables.slices.volumes import phantom
from trainables.slices.volumes.series import series_volume

WEIGHTS = {"phantom": 1.0, "series": 4.0, "quicknii": 3.0}
ANGLE = 2.0  # degrees by which cuts are tilted
MEMBERS = 5
THICKNESS_UM = 50.0  # of the series, from one section number to the next
WANTED = 0.5  # of the nearest section's median distance


class Shown(Real):
    """Real sections that only train: what judges is cuts."""

    real = False


class EvenSections(SliceData):
    """Cuts of the phantom and of the volume of every other section under `root`, and these sections too.

    Other cuts of the two volumes validate. `data=series` would keep one of the fourteen sections for that,
    too few to rank by.
    """

    def __init__(self, root: str, image_size: int, seed: int, **options: Any) -> None:
        super().__init__(image_size=image_size, seed=seed, **options)
        self.sources = _sources(root, image_size, seed, self.count)


@functools.cache
def _sources(root: str, image_size: int, seed: int, train: int) -> tuple[Source, ...]:
    images, planes, _, found = load(root, max(128, image_size))
    even = slice(0, None, 2)
    atlas = quicknii.atlas(found.target)
    assert atlas is not None, "GLTa's atlas is known"
    brain = series_volume(images[even], planes[even], atlas.shape, atlas.voxel_um, atlas.midline, image_size)
    counts = {**COUNTS, "train": train, "val": 64}
    volumes = {"phantom": phantom.volume(image_size), "series": brain}
    wanted = {
        name: Wanted(name, angle=ANGLE, fresh=name in volumes, weight=WEIGHTS[name]) for name in WEIGHTS
    }
    cuts = [
        Cuts([volume], wanted[name], image_size, seed, counts, found.target)
        for name, volume in volumes.items()
    ]
    none = torch.arange(0)
    rows = {"train": torch.arange(len(planes))[even], "val": none, "test": none}
    return (*cuts, Shown(anchored.load(root, image_size), wanted["quicknii"], rows))


def load(root: str, image_size: int) -> tuple[Tensor, Tensor, np.ndarray, anchored.Sections]:
    """Images (N, S, S) in [0, 1], planes (N, 9) and section numbers (N,), in the order of the list."""
    found = anchored.load(root, image_size)
    numbers = {section.filename: section.nr for section in quicknii.read(Path(root) / "glta.json").sections}
    images = torch.from_numpy(np.array(found.images)).float() / 255
    return images, torch.from_numpy(found.planes).float(), np.array([numbers[n] for n in found.names]), found


def search(
    root: str, storage: str, trials: int, epochs: int, train: int, image_size: int, more: list[str]
) -> Path:
    """A search of the space slice_reg on EvenSections; returns the run's folder."""
    size = [f"trials={trials}", f"epochs={epochs}", f"grace={max(1, epochs // 2)}", "eta=2"]
    data = [f"data.train={train}", f"data.image_size={image_size}"]
    params = ["param.lr.low=2e-4", "param.lr.high=2e-3", "param.schedule=cosine", "param.loss=distance"]
    config = resolve(
        [
            "space=slice_reg",
            f"storage={storage}",
            "name=glta",
            "backbone=resnet10t",
            *size,
            *data,
            *params,
            *more,
        ]
    )
    options = {"root": root, "image_size": image_size, "train": train}
    space = replace(config.space, data=f"{__spec__.name}:EvenSections", prepare=None, options=options)
    return start(replace(config, space=space)).folder


def table(root: str, run: Path, image_size: int) -> None:
    images, planes, numbers, found = load(root, image_size)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    models = [loaded(model) for model in ranked(open_run(run))[:MEMBERS]]
    data: Any = models[0][1]
    cuts = data.sources[1].kept("train")
    seen, asked = images[even, None], images[odd, None]
    with torch.inference_mode():
        members = torch.stack([planes_of(module, asked) for module, _ in models]).double()
    near = nearest_section(seen, planes[even], asked)
    cut = nearest_section(*cuts.take(torch.arange(len(cuts.rows))), asked)
    count = f"the {len(models)} best"
    between = propagate(planes.numpy(), numbers, found.voxel_um, bad=np.arange(len(planes)) % 2 == 1).planes
    alike = data.sources[1].volume()
    rows = {
        "constant prediction": planes[even].mean(dim=0).repeat(len(asked), 1),
        "nearest section": near,
        "nearest of the cuts": cut,
        "the search's best": members[0],
        count: members.quantile(0.5, dim=0),
        "nearest section, refined": refined(alike, asked, near[None])[0],
        "nearest of the cuts, refined": refined(alike, asked, cut[None])[0],
        "the search's best, refined": refined(alike, asked, members[:1])[0],
        f"{count}, refined": refined(alike, asked, members)[0],
        "known: between neighbours": torch.from_numpy(between[odd]),
        "known: the truth, refined": refined(alike, asked, planes[odd][None])[0],
    }
    print(f"\n{len(asked)} sections, distance in µm: median and 90 %")
    print(f"{'':28}{'by itself':>16}{'propagated':>16}{f'{THICKNESS_UM:g} µm given':>16}")
    medians: dict[str, list[float]] = {}
    for name, predicted in rows.items():
        one = predicted.double()
        series = [
            torch.from_numpy(propagate(one.numpy(), numbers[odd], found.voxel_um, thickness_um=thick).planes)
            for thick in (None, THICKNESS_UM)
        ]
        distances = [alignment_distance(two, planes[odd].double(), found.voxel_um) for two in (one, *series)]
        medians[name] = [float(np.median(distance)) for distance in distances]
        cells = [f"{np.median(d):,.0f} {np.quantile(d, 0.9):7,.0f}" for d in distances]
        print(f"{name:28}" + "".join(f"{cell:>16}" for cell in cells))
    wanted = WANTED * medians["nearest section"][0]
    print(f"\nTo reach: {wanted:,.0f} µm, {WANTED} of the nearest section's median by itself. Propagated:")
    for name in (count, f"{count}, refined"):
        reached = medians[name][1]
        print(f"{name}: {reached:,.0f} µm, {'reached' if reached <= wanted else 'not reached'}")
    print("One brain, trained on its own neighbouring sections: it proves little about another.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="the GLTa series: images and glta.json")
    for name, value in {"trials": 10, "epochs": 36, "train": 512, "image-size": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--storage", help="where the run is kept (default: nowhere)")
    parser.add_argument("overrides", nargs="*", help="of the search, as KEY=VALUE")
    given = parser.parse_intermixed_args()
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
