"""Ctrl-C and SIGTERM during a run: the first ends it in order, the second at once.

Python drops an exception that a signal raises in a destructor or in a callback of C code. So the first signal
is remembered, and `check` raises it again before the next job.
"""

import os
import signal
import types
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_CODE = 130
FIRST = "\ninterrupted: the run ends in order; once more ends it at once\n"
received = False
"""Whether a signal has come. Of the process, as signals are."""


@contextmanager
def interruptible(last_words: str, terminal: int) -> Iterator[None]:
    """In the block SIGINT and SIGTERM raise KeyboardInterrupt. A second one prints the last words and exits.

    `terminal` is the file descriptor for the messages. For the main thread.
    """
    global received
    received = False

    def interrupt(signum: int, frame: types.FrameType | None) -> None:
        global received
        if received:
            os.write(terminal, last_words.encode())
            os._exit(EXIT_CODE)
        received = True
        os.write(terminal, FIRST.encode())
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """Raises KeyboardInterrupt if a signal has come."""
    if received:
        raise KeyboardInterrupt
