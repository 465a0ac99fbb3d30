"""The Ray cluster of a search: one of its own on this machine, or one that is joined.

A cluster of its own is closed: each port is bound to 127.0.0.1, and the dashboard asks for a token. Other
clusters on the machine, and what dead ones have left behind, make no difference to it.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import final

import psutil
import ray
from ray import exceptions

from search.engines import ray_join

OBJECT_STORE_BYTES = 256 * 2**20  # reports are small; data and checkpoints travel by file
DEATHS = (  # of a worker, of its node, or of a result on the way from there
    exceptions.RayActorError,
    exceptions.OutOfMemoryError,
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.ObjectLostError,
    exceptions.ActorPlacementGroupRemoved,
    exceptions.ActorUnschedulableError,
)
VITAL = ("gcs_server", "raylet")
CHECK_SECONDS = 1.0
PATIENCE_SECONDS = 5.0


def connect(shows_output: bool) -> str | None:
    """Joins the cluster at RAY_ADDRESS, or starts one on this machine; returns the address of its dashboard.

    `shows_output`: whether this process prints the output of its workers.

    Raises ValueError if there is no cluster to join, or it refuses this process.
    """
    if address := ray_join.wanted():
        context = ray_join.join(address, shows_output)
    else:
        context = ray.init(
            address="local",
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=shows_output,
        )
    return context.dashboard_url and f"http://{context.dashboard_url}"


@final
class Guard(threading.Thread):
    """Interrupts this process when a part of Ray that it needs dies; `cause` then says which.

    Ray itself waits for a minute, and then ends the process without a word. A process that waits for Ray
    hears no interrupt: after PATIENCE_SECONDS `abandon` is called with the cause, and the process ends.
    """

    def __init__(self, abandon: Callable[[str], object]) -> None:
        super().__init__(name="ray guard", daemon=True)
        self.abandon = abandon
        self.cause: str | None = None
        self.ended = threading.Event()
        self.children = psutil.Process().children(recursive=True)
        names = [(process.name(), process) for process in self.children]
        self.vital = [(name, process) for name, process in names if name in VITAL]
        self.joined = None if self.vital else ray_join.Parts()

    def run(self) -> None:
        while not self.ended.wait(CHECK_SECONDS) and ray.is_initialized():
            if name := self.gone():
                self.cause = f"Ray's process {name} has died"
                os.kill(os.getpid(), signal.SIGTERM)
                if not self.ended.wait(PATIENCE_SECONDS):
                    self.end()
                    self.abandon(self.cause)
                    os._exit(1)
                return

    def gone(self) -> str | None:
        """The part that has died; None if all are there."""
        if self.joined:
            return self.joined.gone()
        return next((name for name, process in self.vital if has_ended(process)), None)

    def end(self) -> None:
        """No further checks. Of a cluster of its own that is broken all processes are killed."""
        self.ended.set()
        if self.cause and self.vital:
            processes = {*self.children, *psutil.Process().children(recursive=True)}
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is gone, or waits for its parent to take note of its end."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
