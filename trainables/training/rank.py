"""One of the processes of a training on several devices, which does the tasks of its parent."""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from spaces.lane import Report
from spaces.messages import describe, keep_place
from trainables import given, pytorch_lightning
from trainables.training.memory import free_memory, importing, keep_memory


@dataclass(frozen=True)
class Task:
    """What all ranks do at the same time. `call` is pickled: given objects, a function, its arguments."""

    path: tuple[str, ...]  # sys.path
    folder: str  # the current one
    port: int  # of the store where the ranks meet
    call: bytes


@dataclass(frozen=True)
class Failure:
    """The exception of a rank."""

    error: BaseException
    traceback: str
    time: float  # when it was raised, by time.monotonic


Message = Report | Failure | None  # None: the task is done


def main(descriptor: int) -> None:
    """Does one task after the other, until the connection with this file descriptor ends."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    pytorch_lightning.alias()
    keep_memory()
    connection = Connection(descriptor)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        for message in messages(task):
            connection.send(message)
        free_memory()


def end_with_parent() -> None:
    """Kills this process and its children when standard input ends, which the parent holds open."""
    os.read(sys.stdin.fileno(), 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def messages(task: Task) -> Iterator[Message]:
    """The reports of a task, if this is rank 0, then None at its end or a Failure."""
    sys.path[:] = task.path
    os.chdir(task.folder)
    os.environ["MASTER_PORT"] = str(task.port)
    try:
        with importing():
            objects, function, arguments = pickle.loads(task.call)
        given.give(objects)
        for report in function(*arguments):
            if os.environ["LOCAL_RANK"] == "0":
                yield report
        yield None
    except BaseException as error:  # raised again in the parent
        yield failure(error)


def failure(error: BaseException) -> Failure:
    """The exception for another process, with its traceback as text."""
    now, text = time.monotonic(), "".join(traceback.format_exception(error))
    keep_place(error)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # its class can't be pickled, or made again from its arguments
        error = RuntimeError(describe(error)).with_traceback(error.__traceback__)
        keep_place(error)
    return Failure(error, text, now)
