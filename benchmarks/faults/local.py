"""Rounds on the local engine: a process that strikes at its own changes of the run's folder."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.faults.injection import KINDS, Fault
from benchmarks.faults.invariants import seen, trials, violations
from search.core.job import Trial

SEEDS = 4  # of searches; odd ones train in packs
TWICE = 0.3  # share of rounds with a second fault in the resumed search


def rounds(storage: Path, number: int, rng: np.random.Generator) -> Iterator[tuple[str, list[str]]]:
    """The fault and the violations of each round."""

    @cache
    def undisturbed(seed: int) -> tuple[list[Trial], int]:
        """The trials of a search without faults, and its changes of the folder."""
        folder = storage / f"undisturbed-{seed}"
        changes = int(search(folder, seed, None).stdout.splitlines()[-1])
        return trials(folder), changes

    for count in range(number):
        seed, kind = int(rng.integers(SEEDS)), KINDS[count % len(KINDS)]
        expected, changes = undisturbed(seed)
        faults = [Fault(kind, int(rng.integers(1, changes + 1)))]
        if rng.random() < TWICE:
            faults.append(Fault(KINDS[int(rng.integers(len(KINDS)))], int(rng.integers(1, changes + 1))))
        yield kind, list(round_of(storage / f"round-{count}", seed, faults, expected))


def round_of(folder: Path, seed: int, faults: list[Fault], expected: list[Trial]) -> Iterator[str]:
    """The violations of one round."""
    before = seen(folder)
    for fault in faults:
        ended = search(folder, seed, fault).returncode == 0
        for violation in violations(folder, before, ended=ended):
            yield f"after {fault}: {violation}"
        before = seen(folder)
    last = search(folder, seed, None)
    if last.returncode:
        yield f"after {faults} the search can't go on: {last.stderr.splitlines()[-1:]}"
        return
    for violation in violations(folder, before, ended=True):
        yield f"in the end after {faults}: {violation}"
    if alike(trials(folder)) != alike(expected):
        yield f"the search after {faults} differs from the undisturbed one"


def alike(trials: list[Trial]) -> list[Trial]:
    """The trials without their packs: one that failed is tried again as a whole after a kill."""
    return [replace(trial, seconds=0.0, checkpoint=None) for trial in trials]


def search(folder: Path, seed: int, fault: Fault | None) -> subprocess.CompletedProcess[str]:
    """Begins the run or goes on with it in a process of its own, with a fault or without."""
    command = [sys.executable, "-m", "benchmarks.faults.driver", str(folder), str(seed)]
    if fault:
        command += [fault.kind, str(fault.at)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
