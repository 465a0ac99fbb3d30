"""Do small images rank configurations as large ones do, and how much time do they save?

    python -m benchmarks.fidelity [--trials 12] [--epochs 3] [--seed 0] [OVERRIDES]

Trains random configurations of slice_reg on the phantom, at the image size of each rung, the last rung first.
Prints the seconds, and Spearman's rank correlation of the objectives with those at the size of the last rung.
The last line repeats that size with other initial weights: the correlation that chance leaves. Overrides are
those of a search, such as `backbone=resnet10t`.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr

from search.config.fidelity import rung_options
from search.config.run_config import resolve
from search.engines.train_job import training_setup
from spaces.lane import Lane
from trainables.training.setup import Setup
from trainables.training.train import train


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12, help="number of configurations")
    parser.add_argument("--epochs", type=int, default=3, help="of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the configurations")
    parser.add_argument("overrides", nargs="*", help="of the search, as KEY=VALUE")
    arguments = parser.parse_intermixed_args(argv)
    torch.set_num_threads(1)
    config = resolve(["space=slice_reg", *arguments.overrides])
    setup = training_setup(config)
    rng = random.Random(arguments.seed)
    configurations = [
        config.space.default(),
        *(config.space.sample(rng) for _ in range(arguments.trials - 1)),
    ]
    rungs = rung_options(("epochs", "image_size"), config.rungs, config.space.options)
    full_size, *smaller_sizes = [options["image_size"] for options in reversed(rungs)]
    full: list[float] = []
    print(f"{arguments.trials} configurations, epoch {arguments.epochs} of {config.epochs}")
    passes = [*((size, 0) for size in (full_size, *smaller_sizes)), (full_size, arguments.trials)]
    for size, first_seed in passes:
        sized = Setup(**{**setup, "options": {**setup["options"], "image_size": size}})
        start = time.perf_counter()
        values = [
            objective(sized, params, seed=first_seed + index, epochs=arguments.epochs)
            for index, params in enumerate(configurations)
        ]
        full = full or values
        print(
            f"{size} px: {time.perf_counter() - start:.0f} s, best {min(values):.0f} um, "
            f"rank correlation with {full_size} px {spearmanr(values, full).statistic:.2f}",
            flush=True,
        )


def objective(setup: Setup, params: Mapping[str, Any], *, seed: int, epochs: int) -> float:
    """The objective of a configuration after `epochs` epochs; `seed` is that of the initial weights."""
    with tempfile.TemporaryDirectory() as folder:
        lane = Lane(0, params, seed)
        *_, last = train(setup, [lane], 0, epochs, str(Path(folder) / "checkpoint.safetensors"))
    return last.metrics[0][setup.objective]


if __name__ == "__main__":
    main()
