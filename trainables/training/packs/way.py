"""Whether a group is batched: only where that gives what each lane has alone, and is faster."""

import logging
from typing import Any

import torch

from trainables.training.kept_tensors import tensors
from trainables.training.latency import seconds
from trainables.training.packs.agreement import (
    compare_gradients,
    compare_logged,
    device_of,
    tolerance,
    unchanged,
)
from trainables.training.packs.compiling import compile_step
from trainables.training.packs.group import Group
from trainables.training.packs.lane import PackedLane, TrainBatch
from trainables.training.packs.logged import Logged
from trainables.training.packs.recording import record_step
from trainables.training.packs.update import Gradients
from trainables.training.precision import full_precision, without_tf32

logger = logging.getLogger(__name__)
TIMINGS = 3  # of each way to train; the shortest counts
RECORDED_FROM = 100  # batches; recording, and whether it pays, take as long as a few dozen steps
TRIED_FROM = 20  # batches of validation: the trial takes two, and on a CPU a tenth of each is saved
TRIED_BYTES = 1 << 26  # of a batch of validation, times the lanes; activations may be several times as large
VALIDATIONS = 2  # timed; the first one is also compared


def choose_way(group: Group, batch: TrainBatch, left: int, *, fixed: bool) -> None:
    """Sets `batched`, `records` and `compiled` of a group, from a batch, of which the job has `left`.

    The state of all lanes is as before. With `fixed` the time does not matter: the group trains batched if
    that is right, and nothing is recorded or compiled.
    """
    lane = group.first
    if len(group.lanes) == 1 and left < RECORDED_FROM:
        group.batched = False
        return
    try:
        with unchanged(group):
            verify(group, batch)
        if fixed:
            group.batched = True
            return
        with unchanged(group):
            batched = min(seconds(group.batched_gradients, batch) for _ in range(TIMINGS))
            alone = min(seconds(group.lane_gradients, lane, batch) for _ in range(TIMINGS))
    except Exception as error:  # the lanes may be able to train alone, or raise it then
        group.train_sequentially(error)
        return
    in_turns = alone * len(group.lanes)
    logger.info("%d lanes: %.2g s batched, %.2g s for a single lane", len(group.lanes), batched, alone)
    best = min(batched, in_turns)
    if group.recorder and left >= RECORDED_FROM:
        record_step(group, batch, best)
    if not group.records:
        compile_step(group, batch, best, left)
    group.batched = group.records or group.compiled or batched < in_turns


def worth_trying(group: Group, batch: Any, left: int) -> bool:
    """Whether to try batched validation where a job has `left` batches to validate: always on a GPU."""
    size = sum(tensor.nbytes for tensor in tensors(batch)) * len(group.lanes)
    return device_of(group).type != "cpu" or (left >= TRIED_FROM and size <= TRIED_BYTES)


def validate_first(group: Group, batch: Any, index: int, *, fixed: bool) -> None:
    """Validates each lane alone on a batch, and sets `group.validates_batched` from its values and the time.

    With `fixed` the time does not matter.
    """
    with without_tf32(device_of(group)):  # which may differ by more than the tolerance
        batched: list[Logged] = []
        try:
            with unchanged(group):
                attributes = attribute_values(group)
                times = [
                    seconds(lambda: batched.append(group.batched_validation(batch, index)))
                    for _ in range(1 if fixed else VALIDATIONS)
                ]
                if attribute_values(group) != attributes:
                    raise ValueError("the validation step changes attributes of its module")
        except Exception as error:  # the lanes may be able to alone, or raise it below
            group.validate_sequentially(error)
        alone: list[Logged] = []
        time = 0.0
        for row, lane in enumerate(group.lanes.values()):
            time += seconds(
                lambda row=row, lane=lane: alone.append(group.lane_validation(row, lane, batch, index))
            )
            group.val_values.add(alone[-1], row)
        if group.validates_batched is False:
            return
        try:
            for row, one in enumerate(alone):
                compare_logged(batched[0], one, row, tolerance(group))
        except ValueError as error:
            group.validate_sequentially(error)
            return
        group.validates_batched = fixed or min(times) < time
        logger.info("%d lanes: validated in %.2g s batched, %.2g s alone", len(alone), min(times), time)


def verify(group: Group, batch: TrainBatch) -> None:
    """Raises ValueError if the losses or the gradients of any lane are not those that it has alone."""
    device = device_of(group)
    # A GPU draws from a generator of its own.
    generators: list[Any] = [torch, *([] if device.type == "cpu" else [torch.get_device_module(device)])]
    with full_precision(device), without_tf32(device):
        before = [one.get_rng_state() for one in generators]
        attributes = attribute_values(group)
        gradients, logged = group.batched_gradients(batch, same_draws=True)
        if attribute_values(group) != attributes:
            raise ValueError("the training step changes attributes of its module")
        for row, lane in enumerate(group.lanes.values()):
            for one, state in zip(generators, before, strict=True):
                one.set_rng_state(state)  # each lane draws what the batched step has drawn
            alone = group.lane_gradients(lane, batch)
            compare_gradients(gradients, gradients_of(group, lane), row)
            compare_logged(logged, alone, row)
            lane.module.zero_grad()


def attribute_values(group: Group) -> dict[tuple[str, str], int]:
    """The identity of each attribute of the template's modules."""
    return {
        (name, key): id(value)
        for name, module in group.template.module.named_modules()
        for key, value in vars(module).items()
    }


def gradients_of(group: Group, lane: PackedLane) -> Gradients:
    """The gradients that the parameters of a lane now have. Raises ValueError if one has none."""
    gradients = {}
    for name in group.trained:
        own = lane.module.get_parameter(name).grad
        if own is None:  # an optimizer skips it; zero it would decay
            raise ValueError(f"{name} has no gradient alone")
        gradients[name] = own
    return gradients
