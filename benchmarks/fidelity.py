"""Do small images rank configurations as large ones do? And what do they save?

    python -m benchmarks.fidelity [--trials 12] [--epochs 3]

Random configurations of slice_reg train on the phantom for so many epochs at 64 px and at the sizes of lower
rungs; printed are the seconds and Spearman's rank correlation of the objectives with those at 64 px.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from scipy.stats import spearmanr

from search.config import resolve
from search.fidelity import smaller
from search.run import setup
from trainables.train import Lane, Setup, train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = resolve(["space=slice_reg"])
    rng = random.Random(0)
    params = [config.space.default(), *(config.space.sample(rng) for _ in range(arguments.trials - 1))]
    full: list[float] = []
    print(f"{arguments.trials} configurations, epoch {arguments.epochs} of 9")
    for below in range(3):
        size = smaller(64, below)
        base = setup(config)
        plan = Setup(**{**base, "options": {**base["options"], "image_size": size}})
        began = time.perf_counter()
        values = [value(plan, index, one, arguments.epochs) for index, one in enumerate(params)]
        full = full or values
        print(
            f"{size} px: {time.perf_counter() - began:.0f} s, best {min(values):.0f} um, "
            f"rank correlation with 64 px {spearmanr(values, full).statistic:.2f}",
            flush=True,
        )


def value(plan: Setup, number: int, params: dict[str, object], epochs: int) -> float:
    """The objective after so many epochs."""
    with tempfile.TemporaryDirectory() as folder:
        lane = Lane(number, params, seed=number)
        *_, last = train(plan, [lane], 0, epochs, str(Path(folder) / "c.safetensors"))
    return last.metrics[number][plan.objective]


if __name__ == "__main__":
    main()
