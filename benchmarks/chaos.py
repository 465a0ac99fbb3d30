"""Searches under faults: after each and at the end of the resumed search its files are checked.

    python -m benchmarks.chaos [--rounds 100] [--seed 0]            formulas in this machine's processes
    python -m benchmarks.chaos --engine ray [--rounds 20]           real training on Ray

A round draws a fault and its moment. On the local engine a process strikes at one of its own changes of the
run's folder (`faults/injection.py`), once or twice, and the search must end as one that was never disturbed.
On Ray the driver, a worker or a process of Ray is killed from outside. The table counts rounds by fault.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.faults import local, on_ray

ENGINES = {"local": local.rounds, "ray": on_ray.rounds}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=ENGINES, default="local")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    number = options.rounds or {"local": 100, "ray": 20}[options.engine]
    with tempfile.TemporaryDirectory(prefix="ladder-chaos-") as storage:
        results = ENGINES[options.engine](Path(storage), number, np.random.default_rng(options.seed))
        violations = table(results)
    if violations:
        sys.exit(f"{violations} violations")


def table(results: Iterator[tuple[str, list[str]]]) -> int:
    """Prints each violation as it comes, and a row per fault at the end; returns the number of violations."""
    rounds: dict[str, list[list[str]]] = {}
    for number, (fault, violations) in enumerate(results, 1):
        rounds.setdefault(fault, []).append(violations)
        for violation in violations:
            print(f"round {number}, {fault}: {violation}", flush=True)
    print(f"{'fault':24} {'rounds':>7} {'violations':>11}")
    for fault, own in sorted(rounds.items()):
        print(f"{fault:24} {len(own):7} {sum(map(len, own)):11}")
    every = [violation for own in rounds.values() for violations in own for violation in violations]
    print(f"{'all':24} {sum(map(len, rounds.values())):7} {len(every):11}")
    return len(every)


if __name__ == "__main__":
    main()
