"""own_draws(...): batches whose random numbers do not depend on the steps between them.

A DataLoader without workers draws from the global generators, as dropout does. Its batches would else
differ with the number of lanes that take a step between two of them.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

States = tuple[Any, ...]


def own_draws(batches: Iterator[Any]) -> Iterator[Any]:
    """Yields the batches; they are made with generators that go on from their states at the first one."""
    own = states()
    while True:
        outside = states()
        put(own)
        try:
            batch = next(batches)
        except StopIteration:
            return
        finally:
            own = states()
            put(outside)
        yield batch


def states() -> States:
    """The states of the generators of Python, NumPy and PyTorch, on the CPU and on the GPU in use."""
    of_gpu = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), of_gpu


def put(saved: States) -> None:
    """Puts the generators into these states."""
    of_python, of_numpy, of_torch, of_gpu = saved
    random.setstate(of_python)
    np.random.set_state(of_numpy)
    torch.set_rng_state(of_torch)
    if of_gpu is not None:
        torch.cuda.set_rng_state(of_gpu)


def after_a_pass_begins(before: States) -> States:
    """The states after a DataLoader has begun a pass, for which it draws a seed."""
    outside = states()
    put(before)
    torch.empty((), dtype=torch.int64).random_()
    after = states()
    put(outside)
    return after
