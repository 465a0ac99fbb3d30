"""When the batched step of a group is recorded: where that gives the same gradients, and is faster."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spaces.messages import describe
from trainables.training.dataset_tensors import generator_states
from trainables.training.latency import seconds
from trainables.training.packs.agreement import compare_passes, device_of, unchanged
from trainables.training.packs.group import Group
from trainables.training.packs.lane import TrainBatch
from trainables.training.packs.recorded import Unread

logger = logging.getLogger(__name__)
TIMINGS = 3  # the shortest counts
WORTH = 0.9  # of the time of other ways: a recorded step keeps its memory


def record_step(group: Group, batch: TrainBatch, best: float) -> None:
    """Sets `group.records`. The state of all lanes is as before.

    `best` are the seconds of a step in the best way that is not recorded. Lanes that add up the gradients of
    several batches are not recorded, for a recorded pass overwrites them.
    """
    group.records, fastest = False, 0.0
    if group.first.accumulate > 1:
        return
    try:
        with unchanged(group), as_recorded(group):
            expected = group.rehearse(batch.content, Unread())
        with unchanged(group):
            group.record(batch)
            recorded = group.recorded
            assert recorded
            compare_passes(group, recorded.gradients(batch.content), expected)
        with unchanged(group):
            fastest = min(seconds(recorded.gradients, batch.content) for _ in range(TIMINGS))
    except Exception as error:  # any of the module, or of the graph
        logger.info("%d lanes: not recorded: %s", len(group.lanes), describe(error))
    else:
        logger.info("%d lanes: recorded in %.2g s, not %.2g s", len(group.lanes), fastest, best)
        group.records = fastest < WORTH * best
    if not group.records:
        group.recorded = None


@contextmanager
def as_recorded(group: Group) -> Iterator[None]:
    """In the block it is an error to wait for the GPU, or to draw random numbers on the CPU.

    Raises RuntimeError for the first, ValueError for the second.
    """
    on_gpu = device_of(group).type == "cuda"
    before = generator_states()
    if on_gpu:
        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if on_gpu:
            torch.cuda.set_sync_debug_mode(mode)
    first = 0 if on_gpu else 1  # PyTorch's generator, from which dropout on the CPU draws
    if generator_states()[first:] != before[first:]:
        raise ValueError("the training step draws random numbers on the CPU")
