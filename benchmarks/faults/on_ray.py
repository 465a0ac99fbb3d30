"""Rounds on Ray with real training: a process is killed from outside, and the search is resumed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from benchmarks.faults.invariants import seen, violations

VICTIMS = ("worker", "driver", "raylet", "gcs_server", "terminate")
SPACE, SIZES = "mnist_classifier", ("trials=24", "epochs=9", "lanes=1")
RESULTS = 20  # of about 35 of the search
POLL_SECONDS = 0.02
WAIT_SECONDS = 300.0


def rounds(storage: Path, number: int, rng: np.random.Generator) -> Iterator[tuple[str, list[str]]]:
    """The victim and the violations of each round."""
    for count in range(number):
        victim = VICTIMS[count % len(VICTIMS)]
        results = int(rng.integers(1, RESULTS))
        yield victim, list(round_of(storage, f"round-{count}", victim, results))


def round_of(storage: Path, name: str, victim: str, results: int) -> Iterator[str]:
    """The violations of one round; the victim dies when the journal has so many results."""
    folder = storage / name
    start = [
        sys.executable,
        "-m",
        "search",
        "run",
        f"space={SPACE}",
        f"name={name}",
        f"storage={storage}",
        *SIZES,
    ]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(start, stdout=quiet, stderr=quiet) as driver:
        struck, end = False, time.monotonic() + WAIT_SECONDS
        while driver.poll() is None and time.monotonic() < end:
            if not struck and finished(folder) >= results:
                struck = strike(driver, victim)
            time.sleep(POLL_SECONDS)
        driver.kill()
    code = driver.returncode
    before = seen(folder)
    if not struck:
        yield f"no {victim} was there to be killed"
    if victim == "worker" and code:
        yield f"the death of a worker ended the search with code {code}"
    for violation in violations(folder, before, ended=code == 0):
        yield f"after the kill: {violation}"
    if code == 0:
        return
    again = [sys.executable, "-m", "search", "resume", str(folder)]
    ended = subprocess.run(again, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    if ended.returncode:
        yield f"the search can't go on: {ended.stderr.splitlines()[-1:]}"
        return
    for violation in violations(folder, before, ended=True):
        yield f"in the end: {violation}"


def finished(folder: Path) -> int:
    """The number of results in the journal of a search, which may not have begun."""
    journal = folder / "study.log"
    return journal.read_text().count('"user_attr":{"rung/') if journal.exists() else 0


def strike(driver: subprocess.Popen[bytes], victim: str) -> bool:
    """Kills the victim; returns whether it was there."""
    if victim in ("driver", "terminate"):
        driver.send_signal(signal.SIGKILL if victim == "driver" else signal.SIGTERM)
        return True
    title = {"worker": "ray::mnist_classifier trial", "raylet": "raylet", "gcs_server": "gcs_server"}[victim]
    for process in psutil.Process(driver.pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            if title in (line if victim == "worker" else process.name()):
                process.kill()
                return True
        except psutil.NoSuchProcess:
            continue
    return False
