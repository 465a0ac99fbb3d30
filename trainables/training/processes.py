"""Trains in several processes of this machine, the ranks of Lightning's strategies for several devices.

Lightning's own launchers run the user's script again, or pickle module and trainer. A job has no script, and
modules need not be picklable. So the processes get plain values, make module and data themselves (rank.py),
and learn from the variables of Lightning's default environment that they have been started. They stay for
the next job, because each takes seconds to import PyTorch.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]
from typing import Any, ClassVar, final

import cloudpickle
import psutil
import torch
from torch.distributed import TCPStore

from spaces.lane import ProcessDied, Report
from trainables import given
from trainables.training.devices import in_group
from trainables.training.rank import Failure, Message, Task

HOST = "127.0.0.1"
LOOK_SECONDS = 1.0  # between looks at silent processes: a child of a dead one may keep its pipe open
CAUSE_SECONDS = 1.0  # after a failure, for another that was its cause
START = "import sys; sys.path[:] = {path!r}; from trainables.training.rank import main; main({descriptor})"


def in_processes(count: int, function: Callable[..., Iterator[Report]], *arguments: Any) -> Iterator[Report]:
    """Yields what `function(*arguments)` yields at rank 0 of `count` processes; one is this process itself.

    All ranks run the function. An exception in one of them ends them all and is raised here; so does the
    death of one, which raises ProcessDied. They also end when this process dies, whatever kills it.
    """
    if count == 1:
        yield from function(*arguments)
        return
    ranks = Ranks.idle.pop() if Ranks.idle else Ranks(count)
    if not ranks.fit(count):
        ranks.end()
        ranks = Ranks(count)
    try:
        yield from ranks.run(in_group, torch.are_deterministic_algorithms_enabled(), function, *arguments)
    except BaseException:  # GeneratorExit too: the caller wants no further epoch
        ranks.end()
        raise
    Ranks.idle.append(ranks)


def end_idle() -> None:
    """Ends the processes that wait for a next job."""
    while Ranks.idle:
        Ranks.idle.pop().end()


@final
class Rank:
    """One process, in a session of its own: it ends with its data workers, and Ctrl-C is not for it."""

    def __init__(self, number: int, count: int) -> None:
        self.connection, theirs = Pipe()
        threads = max(1, torch.get_num_threads() // count)
        own = {"LOCAL_RANK": number, "NODE_RANK": 0, "MASTER_ADDR": HOST, "OMP_NUM_THREADS": threads}
        # The store is that of this process, not of rank 0, so its port is never free for others to take.
        own |= {"TORCHELASTIC_USE_AGENT_STORE": True, "TORCHELASTIC_RESTART_COUNT": 0}
        loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
        self.process = subprocess.Popen(
            [sys.executable, "-c", START.format(path=sys.path, descriptor=theirs.fileno())],
            env={**loopback, **os.environ, **{name: str(value) for name, value in own.items()}},
            stdin=subprocess.PIPE,  # its end tells the process that this one is gone
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()

    @property
    def gone(self) -> bool:
        """Whether the process has ended. It is not waited for, so that `end` can still name its children."""
        if self.process.returncode is not None:
            return True
        return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_ZOMBIE)

    def send(self, task: Task) -> None:
        """Begins a task. Raises ProcessDied if the process is gone."""
        try:
            self.connection.send(task)
        except OSError as error:
            raise self.death() from error

    def receive(self) -> Message:
        """The next message; waits for it. Raises ProcessDied if the process is gone."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self.death() from error
        return message

    def death(self) -> ProcessDied:
        """The process, whose connection is broken, is gone or about to be."""
        self.end()
        code = self.process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ProcessDied(f"one of its processes ended with {how} (see run.log)")

    def end(self) -> None:
        """Kills the process with its children."""
        self.connection.close()
        if self.process.returncode is None:  # else its number may be that of another process by now
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


@final
class Ranks:
    """`count` processes that train together."""

    idle: ClassVar[list["Ranks"]] = []  # of the last job, for the next one

    def __init__(self, count: int) -> None:
        self.ranks = [Rank(number, count) for number in range(count)]

    def fit(self, count: int) -> bool:
        """Whether these are as many, and all live."""
        return len(self.ranks) == count and not any(rank.gone for rank in self.ranks)

    def end(self) -> None:
        """Kills all processes."""
        for rank in self.ranks:
            rank.end()

    def run(self, function: Callable[..., Iterator[Report]], *arguments: Any) -> Iterator[Report]:
        """Yields what the function yields at rank 0; after an exception the processes are of no further use.

        Raises as `in_processes`.
        """
        store = new_store()
        call = cloudpickle.dumps((given.OBJECTS, function, arguments))
        task = Task(tuple(sys.path), os.getcwd(), store.port, call)
        for rank in self.ranks:
            rank.send(task)
        busy = set(self.ranks)
        while busy:
            for rank, message in received(busy, LOOK_SECONDS):
                if isinstance(message, Failure):
                    first = cause(message, busy - {rank})
                    raise first.error from RemoteTraceback(first.traceback)
                if isinstance(message, Report):
                    yield message
                else:
                    busy.remove(rank)


def received(ranks: Collection[Rank], seconds: float) -> list[tuple[Rank, Message]]:
    """The next message of each rank that has one, after so many seconds at most.

    Raises ProcessDied if one of them is gone.
    """
    ready = wait([rank.connection for rank in ranks], seconds)
    for rank in ranks:
        if rank.connection not in ready and rank.gone:
            raise rank.death()
    return [(rank, rank.receive()) for rank in ranks if rank.connection in ready]


def cause(failure: Failure, others: Collection[Rank]) -> Failure:
    """The first failure of all ranks: that of one makes the others fail, whose connection to it breaks.

    Raises ProcessDied if one of the others is gone.
    """
    failures, silent, until = [failure], set(others), time.monotonic() + CAUSE_SECONDS
    while silent and (left := until - time.monotonic()) > 0:
        for rank, message in received(silent, left):
            if not isinstance(message, Report):
                silent.remove(rank)
            if isinstance(message, Failure):
                failures.append(message)
    return min(failures, key=lambda failure: failure.time)


def new_store() -> TCPStore:
    """A store where the ranks of a task meet, at a free port of this machine that nobody else reaches."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        return TCPStore(HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=server.detach())
