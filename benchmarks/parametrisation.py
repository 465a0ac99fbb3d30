"""Comparison of the parametrisations of a plane: QuickNII's nine numbers, or centre, directions and sizes.

    python -m benchmarks.parametrisation [--seeds 3] [--epochs 9] [--image-size 64] [KEY=VALUE]

Trains the default configuration of slice_reg on the phantom with `parametrisation=numbers` and `=frame`, for
the losses `mse` and `distance`, with the same sections, batches, epochs and seeds. Prints the validation
distance. Overrides, such as backbone=resnet10t, are those of a search.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from search.config.run_config import resolve
from search.engines.train_job import training_setup
from spaces.lane import Lane
from trainables.slices.planes.targets import TARGETS
from trainables.training.setup import Setup
from trainables.training.train import train


def final_objective(loss: str, parametrisation: str, seed: int, epochs: int, overrides: list[str]) -> float:
    """The objective after the last epoch."""
    options = [f"parametrisation={parametrisation}", f"seed={seed}", f"epochs={epochs}", *overrides]
    config = resolve(["space=slice_reg", *options])
    setup = Setup(**training_setup(config))
    with tempfile.TemporaryDirectory() as folder:
        lane = Lane(0, {**config.space.default(), "loss": loss}, seed=seed)
        *_, last = train(setup, [lane], 0, epochs, str(Path(folder) / "checkpoint.safetensors"))
    return last.metrics[0][setup.objective]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in {"seeds": 3, "epochs": 9, "image-size": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("overrides", nargs="*", help="of the run configuration, as KEY=VALUE")
    args = parser.parse_intermixed_args(arguments)
    torch.set_num_threads(1)
    print(f"µm after {args.epochs} epochs at {args.image_size} px, seeds 0 to {args.seeds - 1}; mean")
    overrides = [f"data.image_size={args.image_size}", *args.overrides]
    for loss in ("mse", "distance"):
        means = {}
        for name in TARGETS:
            values = [final_objective(loss, name, seed, args.epochs, overrides) for seed in range(args.seeds)]
            means[name] = np.mean(values)
            cells = " ".join(f"{value:7,.0f}" for value in values)
            print(f"{loss:10}{name:10}{cells}   {means[name]:7,.0f}", flush=True)
        print(f"{loss:10}frame is at {means['frame'] / means['numbers']:.2f} of numbers")


if __name__ == "__main__":
    main()
