"""Memory of a GPU from what its driver and PyTorch say."""

import pytest
import torch

from spaces.lane import DeviceMemory
from trainables.training.device_memory import device_memory, shares

GIB = 2**30


def test_the_shares_of_a_process_and_of_the_others():
    """Of 80 GiB, 60 are free: PyTorch holds 16 and held 20 before, the context and others have 4."""
    found = shares(free=60 * GIB, total=80 * GIB, reserved=16 * GIB, peak=20 * GIB)
    assert found == DeviceMemory(peak=0.25, outside=0.05)


def test_a_driver_that_counts_less_than_pytorch_holds_has_nothing_outside():
    assert shares(free=79 * GIB, total=80 * GIB, reserved=2 * GIB, peak=2 * GIB).outside == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_there_is_none():
    assert device_memory() is None
