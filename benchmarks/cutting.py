"""Speed of cutting sections, and its share of a training epoch.

    python -m benchmarks.cutting [--size 128] [--root FOLDER] [--seconds 3] [--train 128]

Prints sections per second of one core's time, in batches of 16 as in training: of the phantom, of the phantom
read as a volume file, and of a series (`--root`: a folder of images and anchorings). Cutting runs in one
thread; each worker of a search has its own. Each source is measured without and with artifacts (damage 0.3,
hemi and turned 0.2), for `--seconds` each. Then prints the share of an epoch of Xception (`--train` sections)
that is spent on cutting and augmentation.

Targets: 1,000 sections/s at 128 px on two cores, so 500 on each; at most 10 % of an epoch.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from typing import Any

import torch

from trainables import import_path
from trainables.slices.options import Sizes, SourceOptions
from trainables.slices.sections.data import SliceData
from trainables.slices.sections.sources import Source, VolumeSource, make_sources
from trainables.slices.volumes import files, phantom
from trainables.training.batches import seeded
from trainables.training.memory import keep_memory
from trainables.training.precision import has_bf16

BATCH = 16
ARTIFACTS = {"damage": 0.3, "hemi": 0.2, "turned": 0.2}


def rate(source: Source, seconds: float) -> float:
    """Sections per second of this thread's CPU time, which excludes the time of other programs."""
    indices = torch.arange(BATCH)
    source.training_batch(indices, seeded(0))
    began, count = time.thread_time(), 0
    while (spent := time.thread_time() - began) < seconds:
        source.training_batch(indices, seeded(count))
        count += BATCH
    return count / spent


def phantom_as_file(image_size: int, **artifacts: Any) -> Source:
    """The phantom as grey values in another orientation and voxel size, as a file would hold it."""
    brain = phantom.volume(299)
    stain = torch.tensordot(torch.tensor([0.2, 0.4, 0.05]), brain.tensor, dims=1)
    volume = files.from_array("the phantom", (1 - stain).numpy(), "psl", (100.0, 50.0, 50.0), image_size)
    return VolumeSource([volume], SourceOptions(source="volume", **artifacts), Sizes(image_size), 0, "")


def epoch_seconds(options: dict[str, Any]) -> tuple[float, float]:
    """Seconds of cutting and of training in one epoch, after an epoch of warm-up."""
    data = SliceData(**options, batch_size=BATCH, augment=0.3)
    learner = import_path.build(import_path.load("trainables.slices.xception:SliceRegressor"), data.facts())
    learner.to(memory_format=torch.channels_last)
    optimizer = learner.configure_optimizers()
    cutting = training = 0.0
    for _ in range(2):
        cutting = training = 0.0
        before = time.perf_counter()
        for batch in data.train_dataloader():
            cutting += time.perf_counter() - before
            before = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16()):  # as a search does
                loss = learner.losses(batch).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            training += time.perf_counter() - before
            before = time.perf_counter()
    return cutting, training


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--root", help="a folder of registered sections, for the source series")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement of speed")
    parser.add_argument("--train", type=int, default=128, help="sections of an epoch")
    args = parser.parse_args(arguments)
    keep_memory()
    warnings.simplefilter("ignore")
    shared = {"image_size": args.size, "train": args.train, "val": 16, "fresh": True}
    print(f"{args.size} px, batches of {BATCH}; sections per second of one core: plain, with artifacts")
    for name in ("phantom", "volume", "series"):
        if name == "series" and not args.root:
            continue
        rates = []
        for artifacts in ({}, ARTIFACTS):
            if name == "volume":
                source = phantom_as_file(args.size, **artifacts)
            else:
                source = make_sources({"source": name, "root": args.root, **shared, **artifacts}, 0)[0]
            rates.append(rate(source, args.seconds))
        print(f"{name:8}" + "".join(f"{value:8,.0f}" for value in rates))
    for artifacts in ({}, ARTIFACTS):
        cutting, training = epoch_seconds({"source": "phantom", **shared, **artifacts})
        kind = "with artifacts" if artifacts else "plain"
        share = cutting / (cutting + training)
        print(f"an epoch of {args.train} sections, {kind}: {share:.1%} is cutting")


if __name__ == "__main__":
    main()
