"""Does a network learn a plane more easily as centre, directions and sizes than as QuickNII's nine numbers?

    python -m benchmarks.parametrisation [--seeds 3] [--epochs 9] [--image-size 64]

The known configuration of slice_reg trains on the phantom with `parametrisation=numbers` and `=frame`, for
the losses `mse` and `distance`, with the same sections, batches, epochs and seeds. Printed is the validation
distance.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from search.config.run_config import resolve
from search.runs.run import setup
from trainables.slices.planes.targets import TARGETS
from trainables.training.train import Lane, Setup, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in {"seeds": 3, "epochs": 9, "image-size": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"µm after {given.epochs} epochs at {given.image_size} px, seeds 0 to {given.seeds - 1}; their mean"
    )
    for loss in ("mse", "distance"):
        means = {}
        for name in TARGETS:
            values = [value(loss, name, seed, given.epochs, given.image_size) for seed in range(given.seeds)]
            means[name] = np.mean(values)
            cells = " ".join(f"{one:7,.0f}" for one in values)
            print(f"{loss:10}{name:10}{cells}   {means[name]:7,.0f}", flush=True)
        print(f"{loss:10}frame is at {means['frame'] / means['numbers']:.2f} of numbers")


def value(loss: str, parametrisation: str, seed: int, epochs: int, image_size: int) -> float:
    """The objective after the last epoch."""
    options = [f"parametrisation={parametrisation}", f"seed={seed}", f"data.image_size={image_size}"]
    config = resolve(["space=slice_reg", f"epochs={epochs}", *options])
    plan = Setup(**setup(config))
    with tempfile.TemporaryDirectory() as folder:
        lane = Lane(0, {**config.space.default(), "loss": loss}, seed=seed)
        *_, last = train(plan, [lane], 0, epochs, str(Path(folder) / "c.safetensors"))
    return last.metrics[0][plan.objective]


if __name__ == "__main__":
    main()
