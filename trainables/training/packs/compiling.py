"""When the batched step of a group is compiled: where that gives the same gradients, is faster, and pays.

Compiling takes some seconds for a small network and a minute for a large one. A process compiles a kind of
step when it has spent PAYS_FROM seconds in such steps, those of the coming job included. Compiled code serves
later jobs at once.
"""

import logging
from collections import defaultdict
from collections.abc import Hashable
from math import inf

import torch

from spaces.messages import describe
from trainables.training.kept_tensors import tensors
from trainables.training.latency import seconds
from trainables.training.packs.agreement import compare_passes, unchanged
from trainables.training.packs.gradient_pass import (
    compiled_pass,
    for_any_number_of_lanes,
    without_compiling,
)
from trainables.training.packs.group import Group
from trainables.training.packs.lane import TrainBatch
from trainables.training.packs.logged import Logged
from trainables.training.packs.update import Gradients

logger = logging.getLogger(__name__)
PAYS_FROM = 120.0  # seconds: compiling a small network takes 10 s and saves a fifth of a job on a CPU
MAX_CODES = 64  # that a process keeps; PyTorch's own limit is 8
TIMINGS = 3  # the shortest counts
SPENT: dict[Hashable, float] = defaultdict(float)  # seconds of this process in steps not compiled, by kind
COMPILED: set[Hashable] = set()  # kinds of which this process has code


def compile_step(group: Group, batch: TrainBatch, best: float, left: int) -> None:
    """Sets `group.compiled`. The state of all lanes is as before.

    `best` are the seconds of a step in the best way that is not compiled, `left` is the number of steps to
    come.
    """
    module = group.first.module
    kind = type(module), repr(module), tuple(tensor.shape for tensor in tensors(batch.content))
    if kind in COMPILED:
        with without_compiling():
            if succeeds(group, batch, best):
                return
    SPENT[kind] += best * left
    if SPENT[kind] < PAYS_FROM:
        return
    with torch._dynamo.config.patch(recompile_limit=MAX_CODES):
        if succeeds(group, batch, best):
            SPENT[kind] = 0.0
            COMPILED.add(kind)
        else:
            SPENT[kind] = -inf


def succeeds(group: Group, batch: TrainBatch, best: float) -> bool:
    """Sets and returns `group.compiled`: whether compiled passes are right and faster than `best` seconds."""
    group.compiled = False
    passes: list[tuple[Gradients, Logged]] = []
    for_any_number_of_lanes(group.stack.values())
    try:
        with unchanged(group):
            expected = group.batched_gradients(batch)
        with unchanged(group):
            times = [
                seconds(lambda: passes.append(group.batched_gradients(batch, of=compiled_pass())))
                for _ in range(1 + TIMINGS)
            ]
        compare_passes(group, passes[0], expected)
    except Exception as error:  # any of the compiler, which may be missing
        logger.info("%d lanes: not compiled: %s", len(group.lanes), describe(error))
        return False
    compilation, fastest = times[0], min(times[1:])
    logger.info(
        "%d lanes: compiled in %.2g s to %.2g s, not %.2g s", len(group.lanes), compilation, fastest, best
    )
    group.compiled = fastest < best
    return group.compiled
