"""Epochs of packs whose steps are compiled, and of the same packs whose steps are not, in turns on the CPU.

    python -m benchmarks.compiled DATA [--lanes 16,64] [--epochs 8] [--turns 3] [--only Net]

DATA is a folder of IDX files, such as MNIST's t10k files. The packs are those of the space mnist_classifier
with its default network, and of the plain modules of `search_speed --foreign`, in jobs of one thread. Prints
the medians over the turns: seconds of an epoch with its validation, once the code is there, as it is and
compiled; their ratio in each turn; and the seconds that the first epoch with the compiler took longer.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path

import torch

from benchmarks import foreign
from search.config.run_config import RunConfig, resolve
from search.engines.train_job import training_setup
from search.runs.preflight import prepare
from spaces.lane import Lane
from trainables.training.packs import compiling
from trainables.training.setup import Setup
from trainables.training.train import train

ROW = "| {:14} | {:>5} | {:>12} | {:>12} | {:>18} | {:>11} |"


def epochs(config: RunConfig, lanes: int, count: int, pays_from: float) -> list[float]:
    """Seconds of each epoch of a job of so many lanes, which differ in their learning rate."""
    setup = replace(Setup(**training_setup(config)), seed=1)
    default = {**config.space.default(), "dropout": 0.2}
    own = [Lane(number, {**default, "lr": 1e-3 * (1 + number / lanes)}, number) for number in range(lanes)]
    with tempfile.TemporaryDirectory() as folder, compiling_from(pays_from):
        return [report.seconds for report in train(setup, own, 0, count, f"{folder}/x.safetensors")]


@contextmanager
def compiling_from(seconds: float) -> Iterator[None]:
    """In the block, steps are compiled once they have taken so many seconds; earlier code is forgotten."""
    before = compiling.PAYS_FROM
    compiling.COMPILED.clear()
    compiling.PAYS_FROM = seconds
    try:
        yield
    finally:
        compiling.PAYS_FROM = before


def row(name: str, config: RunConfig, lanes: int, count: int, turns: int) -> str:
    """The row of a pack."""
    plain, compiled, ratios, first = [], [], [], []
    for _ in range(turns):
        before = epochs(config, lanes, count, inf)
        after = epochs(config, lanes, count, 0.0)
        plain.append(statistics.median(before[1:]))
        compiled.append(statistics.median(after[1:]))
        ratios.append(compiled[-1] / plain[-1])
        first.append(after[0] - before[0])
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    seconds = (f"{statistics.median(times):.2f}" for times in (plain, compiled))
    return ROW.format(name, lanes, *seconds, spread, f"{first[0]:.1f}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--lanes", default="16,64")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    packs = ("classifier", *foreign.MODULES)
    parser.add_argument("--only", nargs="+", choices=packs, default=packs)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(ROW.format("pack", "lanes", "s, as it is", "s, compiled", "ratio", "compilation"))
    print(ROW.format(*["---"] * 6))
    with tempfile.TemporaryDirectory() as folder:
        spaces = {"classifier": ["space=mnist_classifier", "data=idx", f"data.root={options.data}"]}
        for name, module in foreign.MODULES.items():
            file = Path(folder) / f"{name}.yaml"
            file.write_text(module.space(options.data))
            spaces[name] = [f"space={file}"]
        for name in options.only:
            overrides = spaces[name]
            config, _ = prepare(resolve([*overrides, "engine=local", "trials=1", f"epochs={options.epochs}"]))
            for lanes in map(int, options.lanes.split(",")):
                print(row(name, config, lanes, options.epochs, options.turns), flush=True)


if __name__ == "__main__":
    main()
