"""Ray clusters as another user of this machine would run them, in processes of their own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
PATIENCE_SECONDS = 20.0
SMALL = ["--object-store-memory=100000000", "--dashboard-agent-listen-port=0"]


def alone(**more: str) -> dict[str, str]:
    """The environment of a process that knows no cluster, has no token, and no settings of another Ray."""
    return {key: value for key, value in os.environ.items() if not key.startswith("RAY_")} | more


@contextmanager
def head(*options: str, **environment: str) -> Iterator[tuple[str, int]]:
    """Runs `ray start --head`; gives the address of the cluster and the process that keeps it running."""
    # The names of its sockets must be short.
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        port = () if any(option.startswith("--port=") for option in options) else ("--port=0",)
        start = [*RAY, "start", "--head", "--block", f"--temp-dir={folder}", *SMALL, *port, *options]
        pipe = subprocess.PIPE
        with subprocess.Popen(start, env=alone(**environment), stdout=pipe, text=True) as process:
            assert process.stdout
            try:
                yield next(line.split("'")[1] for line in process.stdout if "--address=" in line), process.pid
            finally:
                parts = psutil.Process(process.pid).children(recursive=True)
                process.terminate()
                try:
                    process.communicate(timeout=PATIENCE_SECONDS)
                except subprocess.TimeoutExpired:  # Ray now and then does not hear it
                    for part in (*parts, process):
                        with suppress(psutil.NoSuchProcess):
                            part.kill()
                for left in psutil.process_iter(["cmdline"]):  # of nodes that an autoscaler has begun
                    if any(f"={folder}/" in word for word in left.info["cmdline"] or ()):
                        left.kill()
