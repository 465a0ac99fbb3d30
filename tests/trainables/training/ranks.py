"""What the processes of several devices do in tests, without PyTorch: they start fast."""

import os
import signal
import subprocess
import sys
import threading

from spaces.lane import Report


def pids():
    """Reports the process in place of a training, and in an endless second epoch nothing."""
    yield Report(1, 0.0, {os.getpid(): {}})
    threading.Event().wait()


def one_is_killed():
    """The process of rank 1 is killed in the first epoch, as one that needs too much memory."""
    if os.environ["LOCAL_RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    yield from pids()


def one_is_killed_with_a_child():
    """Rank 0 reports a process that has its connection as well, as a forked worker of a loader, and dies."""
    if os.environ["LOCAL_RANK"] == "1":
        threading.Event().wait()
    child = os.fork()
    if not child:
        signal.pause()
    yield Report(1, 0.0, {child: {}})
    os.kill(os.getpid(), signal.SIGKILL)


def one_has_a_child():
    """Reports a process that rank 0 has started, as a loader does."""
    if os.environ["LOCAL_RANK"] == "1":
        threading.Event().wait()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield Report(1, 0.0, {child.pid: {}})
    threading.Event().wait()


if __name__ == "__main__":  # a process that others kill
    from trainables.training.processes import Ranks

    reports = Ranks(2).run(one_has_a_child)
    print(*next(reports).metrics, flush=True)
    threading.Event().wait()
