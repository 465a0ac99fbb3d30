"""How fast sections are cut, and how much of a training epoch that takes.

    python -m benchmarks.cutting [--size 128] [--root FOLDER]

Prints sections per second of one core's time (cutting runs in one thread; each worker of a search has its
own), in batches of 16 as training asks for them, of the phantom, of the phantom read as a volume's file would
be, and of a series (`--root`, a folder of images and anchorings, if given); plain, and worn
(damage 0.3, hemi and turned 0.2). Then the share of an epoch of Xception that goes into fresh cuts and their
augmentation.
To reach: 1,000 sections/s at 128 px on two cores, so 500 on each, and 10 % of an epoch.
"""

import argparse
import time
import warnings
from typing import Any

import torch

from trainables import import_path
from trainables.slices.options import Wanted
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.sources import Cuts, Source, make_sources
from trainables.slices.volumes import files, phantom
from trainables.training.batches import seeded
from trainables.training.memory import keep_memory

BATCH = 16
WEAR = {"damage": 0.3, "hemi": 0.2, "turned": 0.2}


def rate(source: Source, seconds: float = 3.0) -> float:
    """Sections per second of this thread's time, which other programs do not count in."""
    source.draw(BATCH, seeded(0))
    began, count = time.thread_time(), 0
    while (spent := time.thread_time() - began) < seconds:
        source.draw(BATCH, seeded(count))
        count += BATCH
    return count / spent


def as_file(image_size: int, **wear: float) -> Source:
    """The phantom as grey values in a frame of its own, such as a file would bring."""
    brain = phantom.volume(299)
    grey = cut_grey(brain.tensor)
    made = files.make("the phantom", grey, "psl", (100.0, 50.0, 50.0), image_size)
    return Cuts([made], Wanted(source="volume", **wear), image_size, 0, {}, "")


def cut_grey(layers: torch.Tensor) -> Any:
    ink = torch.tensordot(torch.tensor([0.2, 0.4, 0.05]), layers, dims=1)
    return (1 - ink).numpy()


def epoch(options: dict[str, Any]) -> tuple[float, float]:
    """Seconds of cutting and of training in one pass over the same batches."""
    data = SliceData(**options, batch_size=BATCH, augment=0.3)
    learner = import_path.build(import_path.load("trainables.slices.xception:SliceRegressor"), data.facts())
    learner.to(memory_format=torch.channels_last)
    optimizer = learner.configure_optimizers()
    cutting = training = 0.0
    for _ in range(2):  # the first pass warms up
        cutting = training = 0.0
        before = time.perf_counter()
        for batch in data.train_dataloader():
            cutting += time.perf_counter() - before
            before = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16):
                loss = learner.losses(batch).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            training += time.perf_counter() - before
            before = time.perf_counter()
    return cutting, training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--root")
    given = parser.parse_args()
    keep_memory()
    warnings.simplefilter("ignore")
    size = {"image_size": given.size, "train": 128, "val": 16}
    print(f"{given.size} px, batches of {BATCH}; sections per second of one core: plain, worn")
    for name in ("phantom", "volume", "series"):
        if name == "series" and not given.root:
            continue
        rates = []
        for wear in ({}, WEAR):
            if name == "volume":
                source = as_file(given.size, **wear)
            else:
                options = {"source": name, "root": given.root, "fresh": True, **size, **wear}
                source = make_sources(options, 0)[0]
            rates.append(rate(source))
        print(f"{name:8}" + "".join(f"{value:8,.0f}" for value in rates))
    for wear in ({}, WEAR):
        cutting, training = epoch({"source": "phantom", "fresh": True, **size, **wear})
        share = cutting / (cutting + training)
        print(f"an epoch of {size['train']} {'worn' if wear else 'plain'} sections: {share:.1%} is cutting")


if __name__ == "__main__":
    main()
