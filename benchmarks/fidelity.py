"""Do small images rank configurations as large ones do? And what do they save?

    python -m benchmarks.fidelity [--trials 12] [--epochs 3] [--seed 0]

Random configurations of slice_reg train on the phantom for so many epochs at 64 px and at the sizes of lower
rungs; printed are the seconds and Spearman's rank correlation of the objectives with those at 64 px. The last
row is 64 px again with other initial weights: what chance leaves. Overrides follow: `backbone=resnet10t`.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from scipy.stats import spearmanr

from search.config.fidelity import smaller
from search.config.run_config import resolve
from search.runs.run import setup
from trainables.training.train import Lane, Setup, train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the configurations")
    parser.add_argument("overrides", nargs="*", help="of the search, as KEY=VALUE")
    arguments = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    config = resolve(["space=slice_reg", *arguments.overrides])
    rng = random.Random(arguments.seed)
    params = [config.space.default(), *(config.space.sample(rng) for _ in range(arguments.trials - 1))]
    full: list[float] = []
    print(f"{arguments.trials} configurations, epoch {arguments.epochs} of {config.epochs}")
    for below, first in ((0, 0), (1, 0), (2, 0), (0, arguments.trials)):
        size = smaller(64, below)
        base = setup(config)
        plan = Setup(**{**base, "options": {**base["options"], "image_size": size}})
        began = time.perf_counter()
        values = [value(plan, first + index, one, arguments.epochs) for index, one in enumerate(params)]
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
