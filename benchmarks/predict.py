"""How fast sections are predicted, and that memory does not grow with their number.

    python -m benchmarks.predict [--sizes 64,512]

Phantom sections as PNG of 1024 x 670 pixels go through an Xception at 128 px, with and without pictures, each
case in a process of its own: sections a second once the model is loaded, and the process's peak memory. We
claim 20 sections/s on two cores, pictures included, and a peak that is the same for any number.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
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

SIZE, IMAGE = 128, (1024, 670)
DIFFERENT = 16  # images; the others are links to them


def make_sections(folder: Path, count: int) -> None:
    generator = seeded(0)
    images = phantom.cut(phantom.random_planes(DIFFERENT, generator), 670, generator)
    for number in range(count):
        path = folder / f"brain_s{number:05}.png"
        if number < DIFFERENT:
            Image.fromarray(images[number, 0].numpy()).convert("RGBA").resize(IMAGE).save(path)
        else:
            os.link(folder / f"brain_s{number % DIFFERENT:05}.png", path)


def predict(folder: str, pictures: bool, pipe: Connection) -> None:
    """Sends seconds and the peak memory in MiB."""
    keep_memory()
    data = SliceData(image_size=SIZE, train=32, val=8, test=8)
    module = SliceRegressor(**import_path.accepted_arguments(SliceRegressor, data.facts()))
    predictor = SlicePredictor([module.to(memory_format=torch.channels_last).eval()], data)
    options = {**predictor.options, "propagate": True, "overview": pictures}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        predictor.predict(Path(folder), Path(out), options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    pipe.send((time.perf_counter() - began, peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", default="64,512", help="numbers of sections")
    sizes = [int(size) for size in parser.parse_args().sizes.split(",")]
    context = multiprocessing.get_context("spawn")
    print(f"{'sections':>8}  {'pictures':8}  {'sections/s':>10}  {'peak MiB':>8}")
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            make_sections(Path(folder), count)
            for pictures in (False, True):
                ours, theirs = context.Pipe()
                process = context.Process(target=predict, args=(folder, pictures, theirs))
                process.start()
                seconds, peak = ours.recv()
                process.join()
                print(
                    f"{count:8}  {'yes' if pictures else 'no':8}  {count / seconds:10.1f}  {peak:8,}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
