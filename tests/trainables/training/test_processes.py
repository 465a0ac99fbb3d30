"""Processes that train together end together."""

import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from spaces.lane import Lane, ProcessDied
from spaces.messages import describe_with_place
from tests.trainables.training import ranks, several
from trainables.training.processes import Ranks, end_idle, in_processes
from trainables.training.rank import failure
from trainables.training.setup import Setup
from trainables.training.train import train

ROOT = Path(__file__).parents[3]
SECONDS = 20  # for the system to end a process


@pytest.fixture
def children():
    """Processes of this one, and theirs, that the test has started."""
    end_idle()
    others = psutil.Process().children(recursive=True)
    return lambda: [one for one in psutil.Process().children(recursive=True) if one not in others]


@pytest.fixture
def two(children):
    started = Ranks(2)
    yield started
    started.end()


def test_one_process_is_this_one():
    assert next(in_processes(1, ranks.pids)).metrics == {os.getpid(): {}}


def test_children_end_with_the_processes(two, children):
    """Such as the workers of a loader."""
    (child,) = next(two.run(ranks.one_has_a_child)).metrics
    family = children()
    assert {process.pid for process in family} >= {child}
    assert len(family) == 3
    two.end()
    assert not psutil.wait_procs(family, SECONDS)[1]


def test_a_killed_process_is_no_fault_of_the_trial(two):
    with pytest.raises(ProcessDied, match="ended with SIGKILL"):
        list(two.run(ranks.one_is_killed))
    assert not two.fit(2)


def test_a_child_of_a_killed_process_hides_nothing_and_ends_too(two):
    reports = two.run(ranks.one_is_killed_with_a_child)
    (child,) = map(psutil.Process, next(reports).metrics)
    with pytest.raises(ProcessDied, match="ended with SIGKILL"):
        next(reports)
    assert not psutil.wait_procs([child], SECONDS)[1]


def test_none_outlives_a_killed_parent():
    command = [sys.executable, "-m", ranks.__name__]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        family = psutil.Process(parent.pid).children(recursive=True)
        assert {process.pid for process in family} >= {child}
        assert len(family) == 3
        parent.send_signal(signal.SIGKILL)
        assert not psutil.wait_procs(family, SECONDS)[1]


def test_an_error_that_no_other_process_can_make_keeps_its_text_and_place():
    class Own(Exception):
        pass

    with pytest.raises(Own) as error:
        raise Own("of this function")
    described = describe_with_place(pickle.loads(pickle.dumps(failure(error.value))).error)
    assert re.fullmatch(
        r"RuntimeError: Own: of this function \(test_processes.py:\d+, in test_an.*\)", described
    )


@pytest.mark.slow
def test_the_first_error_is_raised_with_its_place_and_ends_all(tmp_path, children):
    """The other process raises as well, because its connection breaks."""
    module, data = (f"{several.__name__}:{name}" for name in ("BrokenAtOne", "Line"))
    setup = Setup(module, data, {}, seed=0, epochs=1, objective="val_loss", devices=2)
    with pytest.raises(LookupError) as error:
        list(train(setup, [Lane(0, {"lr": 0.1}, 0)], 0, 1, str(tmp_path / "c.safetensors")))
    assert describe_with_place(error.value).startswith("LookupError: this process is broken (")
    assert not children()
