"""The Ray cluster of a search: one of its own on this machine, or one that is joined.

A cluster of its own is closed: each port is bound to 127.0.0.1, and the dashboard asks for a token. Other
clusters on the machine, and what dead ones have left behind, make no difference to it.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import final

import psutil
import ray
from ray.exceptions import AuthenticationError

from spaces.messages import one_line

OBJECT_STORE_BYTES = 256 * 2**20  # reports are small; data and checkpoints travel by file
VITAL = ("gcs_server", "raylet")
CHECK_SECONDS = 1.0
PATIENCE_SECONDS = 5.0


def connect() -> str | None:
    """Joins the cluster at RAY_ADDRESS, or starts one on this machine; returns the dashboard's address.

    Raises ValueError if there is no cluster to join, or it refuses this process.
    """
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            context = ray.init(logging_level=logging.WARNING)
        except (ConnectionError, AuthenticationError, RuntimeError) as error:
            raise ValueError(
                f"Ray's cluster at {address} can't be joined: {one_line(error)} (cluster=... or RAY_ADDRESS)"
            ) from error
    else:
        context = ray.init(
            address="local",
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
        )
    return context.dashboard_url and f"http://{context.dashboard_url}"


@final
class Guard(threading.Thread):
    """Interrupts this process when a vital process of its own cluster dies; `cause` then says which.

    Ray itself waits for a minute, and then ends the process without a word. A process that waits for Ray
    hears no interrupt: after PATIENCE_SECONDS `abandon` is called with the cause, and the process ends.
    """

    def __init__(self, abandon: Callable[[str], object]) -> None:
        super().__init__(name="ray guard", daemon=True)
        self.abandon = abandon
        self.cause: str | None = None
        self.ended = threading.Event()
        self.children = psutil.Process().children(recursive=True)
        self.vital = [process for process in self.children if process.name() in VITAL]

    def run(self) -> None:
        while not self.ended.wait(CHECK_SECONDS):
            for process in self.vital:
                if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                    self.cause = f"Ray's process {process.name()} has died"
                    os.kill(os.getpid(), signal.SIGTERM)
                    if not self.ended.wait(PATIENCE_SECONDS):
                        self.end()
                        self.abandon(self.cause)
                        os._exit(1)
                    return

    def end(self) -> None:
        """No further checks. Of a cluster that is broken all processes are killed."""
        self.ended.set()
        if self.cause:
            for process in self.children:
                if process.is_running():
                    process.kill()
