"""Speed of predicting sections, and peak memory by their number.

    python -m benchmarks.predict [--sizes 64,512] [--pictures no,yes]

Predicts phantom sections, PNG files of 1024 x 670 pixels, with an Xception at 128 px, without and with
pictures. Each case has a process of its own. Prints sections per second, without loading the model, and the
peak memory of the process.

Targets: 20 sections/s on two cores, pictures included, and the same peak for any number of sections.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from PIL import Image

from trainables import import_path
from trainables.slices.predict.predictor import SlicePredictor
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes import phantom
from trainables.slices.xception import SliceRegressor
from trainables.training.batches import seeded
from trainables.training.memory import keep_memory

MODEL_SIZE, FILE_SIZE = 128, (1024, 670)  # pixels
DISTINCT = 16  # images that are drawn; further files are hard links to them


def make_sections(folder: Path, count: int) -> None:
    """Writes `count` section images into `folder`."""
    generator = seeded(0)
    distinct = min(count, DISTINCT)
    images = phantom.cut(phantom.random_planes(distinct, generator), FILE_SIZE[1], generator)
    for number in range(count):
        path = folder / f"brain_s{number:05}.png"
        if number < distinct:
            Image.fromarray(images[number, 0].numpy()).convert("RGBA").resize(FILE_SIZE).save(path)
        else:
            os.link(folder / f"brain_s{number % distinct:05}.png", path)


def predict(folder: str, pictures: bool, pipe: Connection) -> None:
    """Predicts the sections in `folder`; sends seconds and the peak memory in MiB."""
    keep_memory()
    data = SliceData(image_size=MODEL_SIZE, train=32, val=8, test=8)
    module = SliceRegressor(**import_path.accepted_arguments(SliceRegressor, data.facts()))
    predictor = SlicePredictor([module.to(memory_format=torch.channels_last).eval()], data)
    options = {**predictor.options, "propagate": True, "overview": pictures}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        predictor.predict(Path(folder), Path(out), options)
    seconds = time.perf_counter() - began
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", default="64,512", help="numbers of sections, separated by commas")
    parser.add_argument("--pictures", default="no,yes", help="without pictures, with pictures, or both")
    args = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    print(f"{'sections':>8}  {'pictures':8}  {'sections/s':>10}  {'peak MiB':>8}")
    for count in map(int, args.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            make_sections(Path(folder), count)
            for pictures in args.pictures.split(","):
                own_end, other_end = context.Pipe()
                process = context.Process(target=predict, args=(folder, pictures == "yes", other_end))
                process.start()
                seconds, peak = own_end.recv()
                process.join()
                print(f"{count:8}  {pictures:8}  {count / seconds:10.1f}  {peak:8,}", flush=True)


if __name__ == "__main__":
    main()
