"""A formula for tests of many nodes: each job writes down where it ran, and leaves and needs checkpoints."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from search.core.job import Job
from spaces.lane import Report
from tests.formula import Formula


@dataclass(frozen=True)
class Placed:
    """The formula; `folder` is shared by all nodes. No job goes on before each of the `nodes` has one.

    A job adds a line to `jobs`: its trial, its first and last epoch, and the node. If there is a pipe `stop`,
    one job after the first five writes its node into it, and trains no further.
    """

    folder: str
    nodes: int

    def __call__(self, job: Job) -> Iterator[Report]:
        import ray

        folder, (lane,) = Path(self.folder), job.lanes
        assert lane.start is None or (folder / lane.start).exists(), "the last checkpoint is not here"
        node = ray.get_runtime_context().get_node_id()
        (folder / f"node-{node}").touch()
        while len(list(folder.glob("node-*"))) < self.nodes:
            threading.Event().wait(0.05)
        if job.number > 5 and take(folder / "stop", folder / "taken"):
            (folder / "taken").write_text(node)
            threading.Event().wait()
        yield from Formula()(job)
        (folder / job.checkpoint).parent.mkdir(exist_ok=True)
        (folder / job.checkpoint).touch()
        with open(folder / "jobs", "a") as file:
            file.write(f"{lane.number} {job.first} {job.last} {node}\n")


def take(path: Path, target: Path) -> bool:
    """Renames a pipe, which only one process can do; returns whether this one did."""
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return False
    return True


def placed(folder: Path) -> list[tuple[int, int, int, str]]:
    """The jobs that have finished: trial, first and last epoch, node."""
    rows = [line.split() for line in (folder / "jobs").read_text().splitlines()]
    return [(int(trial), int(first), int(last), node) for trial, first, last, node in rows]
