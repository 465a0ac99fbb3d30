"""Signals during a run: the first is never lost, the second ends the process at once."""

import os
import signal
import subprocess
import sys

import pytest

from search.runs import interrupts
from tests.search.command import ROOT


class Careless:
    """Python drops what a destructor raises."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def terminal():
    """The two ends of a pipe."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_is_raised_again(terminal):
    with pytest.raises(KeyboardInterrupt), interrupts.interruptible("", terminal[1]):
        interrupts.check()
        Careless()
        interrupts.check()
    assert b"once more ends it at once" in os.read(terminal[0], 1000)


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_a_signal_raises_and_the_handlers_of_before_return(terminal, number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interrupts.interruptible("", terminal[1]):
        signal.raise_signal(number)
    assert signal.getsignal(number) is before
    with interrupts.interruptible("", terminal[1]):
        interrupts.check()  # a new block knows nothing of the last one


SECOND = """
import signal
from search.runs.interrupts import interruptible
with interruptible("last words", 1):
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGINT)
"""


def test_a_second_signal_ends_the_process_at_once():
    ended = subprocess.run(
        [sys.executable, "-c", SECOND], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (interrupts.EXIT_CODE, "")
    assert ended.stdout.endswith("last words")
