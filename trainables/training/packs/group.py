"""A group: the lanes of a pack that have equal tensor shapes and see the same batches.

Their parameters are stored in one stack, of which the parameters of their modules are views: training the
stack trains the modules. A group trains *batched*, with one forward pass and gradient over all lanes
(`torch.func.vmap`), or *sequentially*, lane after lane; the same holds for its validation. `way.py` decides
which.
"""

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from spaces.messages import describe
from trainables.training.packs.gradient_pass import Pass, compiled_pass, gradient_pass, without_compiling
from trainables.training.packs.joint_update import JointUpdate
from trainables.training.packs.lane import PackedLane, Template, TrainBatch
from trainables.training.packs.logged import EpochValues, Logged, Rule
from trainables.training.packs.own_draws import States, after_a_pass_begins, put, states
from trainables.training.packs.recorded import Record, RecordedPass, recorder
from trainables.training.packs.stack import in_template, keep_views, stacked
from trainables.training.packs.stacked_update import stacked_update
from trainables.training.packs.steps import Steps
from trainables.training.packs.update import Gradients
from trainables.training.precision import full_precision

logger = logging.getLogger(__name__)
UNSTACKED = ("cpu", "mps")  # an update lane by lane is faster there, or double precision lacks


@final
class Group:
    """Lanes of equal likeness, by trial number.

    `batched` decides how they train and are validated; None: not yet decided. `stacked`: whether the
    optimizers of batched lanes are stepped as one; None: on a GPU. `record` records steps; None: on a GPU as
    CUDA graphs.
    """

    def __init__(
        self,
        lanes: Mapping[int, PackedLane],
        *,
        batched: bool | None = None,
        stacked: bool | None = None,
        record: Record | None = None,
    ) -> None:
        self.lanes, self.stacked = dict(lanes), stacked
        self.batched = self.validates_batched = batched
        self.recorder = record or recorder(next(self.first.module.parameters()).device)
        self.recorded: RecordedPass | None = None
        self.records = False  # whether recorded calls take the batched steps
        self.compiled = False  # whether compiled code does
        # The reason why they can't train batched.
        self.obstacle = "they optimize manually" if self.first.manual else None
        self.draws: list[States] = []  # of each lane that draws as alone, where lanes take turns
        self.restack()

    @property
    def first(self) -> PackedLane:
        """One of the lanes."""
        return next(iter(self.lanes.values()))

    def restack(self) -> None:
        """Stacks the parameters and buffers of the remaining lanes."""
        lanes = list(self.lanes.values())
        self.train_values, self.val_values = EpochValues(len(lanes)), EpochValues(len(lanes))
        self.metrics: Mapping[int, Mapping[str, float]] = {}
        self.made_steps: Steps | None = None
        self.templates: dict[bool, Template] = {}  # in training, and in evaluation
        self.recorded = None
        self.stack: dict[str, Tensor] = {}
        self.trained: dict[str, list[Tensor]] = {}  # the lanes' parameters that have gradients, by name
        if lanes[0].manual or (len(lanes) == 1 and not self._stacks_one()):
            self.batched = self.validates_batched = False  # such lanes keep their memory layout
            return
        self.stack = stacked(lanes)
        for name, parameter in lanes[0].module.named_parameters():
            if parameter.requires_grad:
                self.trained[name] = [lane.module.get_parameter(name) for lane in lanes]

    def _stacks_one(self) -> bool:
        """Whether a single lane has a stack: for recorded steps, and if that does not change its layout."""
        may = self.records or (self.recorder is not None and self.batched is None)
        return may and all(parameter.is_contiguous() for parameter in self.first.module.parameters())

    @property
    def template(self) -> Template:
        """Made when it is first needed, as the modules are then; their tensors go back to the stack.

        Raises ValueError if they do not fit any more.
        """
        mode = self.first.module.training
        if mode not in self.templates:
            lanes = list(self.lanes.values())
            keep_views(self.stack, lanes)
            self.templates[mode] = lanes[0].template(lanes)
        return self.templates[mode]

    def _hooks_called(self) -> None:
        if self.first.has_hooks:  # which may have changed the modules
            self.templates, self.recorded = {}, None

    @property
    def steps(self) -> Steps:
        """Made when the first one is taken: now the lanes are restored, and the way to train is decided."""
        if self.made_steps is None:
            lanes = list(self.lanes.values())
            record = self.recorder if self.records else None
            update = stacked_update(lanes, self.stack, self.trained, record) if self._stacks() else None
            self.made_steps = Steps(lanes, update or JointUpdate(lanes, self.trained))
        return self.made_steps

    def _stacks(self) -> bool:
        if not self.batched or self.stacked is not None:
            return bool(self.batched and self.stacked)
        return next(iter(self.stack.values())).device.type not in UNSTACKED

    def drop(self, numbers: frozenset[int]) -> None:
        """Removes the lanes with these numbers."""
        removed = numbers & self.lanes.keys()
        for number in removed:
            self.lanes.pop(number).module.zero_grad()  # frees the gradients
        if removed and self.lanes:
            self.restack()

    def begin_epoch(self) -> None:
        """Called before the first batch of each epoch."""
        self.draws = []
        for lane in self.lanes.values():
            lane.begin_epoch()
        self._hooks_called()

    def train(self, batches: Sequence[TrainBatch], epoch: int) -> None:
        """One step of every lane per batch; `batched` is decided."""
        if self.batched:
            for position, batch in enumerate(batches):
                try:
                    gradients, logged = self._gradients(batch)
                except Exception as error:  # the lanes take this step, or raise it, alone
                    self.train_sequentially(error)
                    self.train(batches[position:], epoch)
                    return
                self.train_values.add(logged)
                self.steps.update.add(gradients)
                self.steps.step(epoch + batch.share, batch.index, batch.last)
            return
        self._begin_draws()
        for row, lane in enumerate(self.lanes.values()):  # a CPU cache has room for one lane
            if self.draws:
                put(self.draws[row])
            for batch in batches:
                if lane.manual:
                    self.train_values.add(lane.manual_step(batch.content, batch.index), row)
                    continue
                self.train_values.add(self.lane_gradients(lane, batch), row)
                self.steps.step(epoch + batch.share, batch.index, batch.last, slice(row, row + 1))
            if self.draws:
                self.draws[row] = states()

    def _begin_draws(self) -> None:
        if self.first.same_draws and not self.draws:
            self.draws = [states()] * len(self.lanes)

    def train_sequentially(self, error: Exception) -> None:
        """Trains the lanes one after the other from now on, for they can't be batched."""
        self.batched, self.obstacle = False, describe(error)
        if self.made_steps is not None:
            self.made_steps.update.hand_out()
            self.made_steps = None
        logger.info("these lanes train sequentially: %s", self.obstacle)

    def lane_gradients(self, lane: PackedLane, batch: TrainBatch) -> Logged:
        """Adds the gradients of one lane to those of its parameters. Returns what the step has logged."""
        loss, logged = lane.loss(batch.content, batch.index)
        with full_precision(loss.device):  # autocast is for forward passes only
            (loss / lane.accumulate).backward()
        return logged

    def _gradients(self, batch: TrainBatch) -> tuple[Gradients, Logged]:
        """Those of a batched step: recorded or compiled, as long as that fits."""
        if self.records:
            try:
                if self.recorded is None and not batch.last:
                    self.record(batch)
                if self.recorded is not None and self.recorded.takes(batch.content):
                    return self.recorded.gradients(batch.content)
            except Exception as error:  # an attribute that has changed, or no memory
                self.records, self.recorded = False, None
                logger.info("these lanes train without recorded steps: %s", describe(error))
        if self.compiled:
            try:
                with without_compiling():
                    return self.batched_gradients(batch, of=compiled_pass())
            except Exception as error:  # a last batch that is smaller, or an attribute that has changed
                if not batch.last:
                    self.compiled = False
                    logger.info("these lanes train without compiled code: %s", describe(error))
        return self.batched_gradients(batch)

    def record(self, batch: TrainBatch) -> None:
        """Records the pass, for batches like this one.

        Raises any exception of it, and ValueError for what a recorded one can't take.
        """
        assert self.recorder
        self.recorded = RecordedPass(self.rehearse, batch.content, self.recorder)

    def rehearse(self, content: Any, index: Any) -> tuple[Gradients, Logged]:
        """The pass as it is recorded: `index` and the number of the step can't be read."""
        with self.template.steps_unread():
            return self.batched_gradients(TrainBatch(index, 0.0, content, last=False))

    def batched_gradients(
        self,
        batch: TrainBatch,
        same_draws: bool | None = None,
        *,
        of: Pass = gradient_pass,
    ) -> tuple[Gradients, Logged]:
        """The gradients of all lanes, and what their steps have logged, (lanes,) each, by this pass.

        `same_draws`: whether all lanes get the same random numbers; None: as the lanes say.
        Raises any exception of a module or an operation that can't be batched.
        """
        trained = {name: self.stack[name] for name in self.trained}
        others = {name: tensor for name, tensor in self.stack.items() if name not in trained}
        same = self.first.same_draws if same_draws is None else same_draws
        randomness = "same" if same else "different"
        accumulate = self.first.accumulate
        return of(self.template, batch.content, batch.index, accumulate, randomness, trained, others)

    def begin_validation(self, batches: Iterable[Any], validates: bool) -> None:
        """Called before the validation batches, if there are any (`validates`), when training is done.

        `batches` is another pass over the training batches; each is made once for all lanes, if any needs it.
        """
        for lane in self.lanes.values():
            batches, own = itertools.tee(batches)
            lane.begin_validation(own, validates)
        self._hooks_called()
        if validates and len(self.lanes) > 1:
            self._begin_draws()
            self.draws = [after_a_pass_begins(before) for before in self.draws]

    def validate(self, batch: Any, index: int) -> None:
        """Adds what each lane logs for this batch."""
        if self.validates_batched:
            try:
                self.val_values.add(self.batched_validation(batch, index))
                return
            except Exception as error:  # the lanes are validated, or raise it, alone
                self.validate_sequentially(error)
        for row, lane in enumerate(self.lanes.values()):
            self.val_values.add(self.lane_validation(row, lane, batch, index), row)

    def lane_validation(self, row: int, lane: PackedLane, batch: Any, index: int) -> Logged:
        """What the lane in a row logs for a validation batch, with the random numbers that it draws alone."""
        if len(self.lanes) == 1 or not self.draws:
            return lane.validate(batch, index)
        put(self.draws[row])
        logged = lane.validate(batch, index)
        self.draws[row] = states()
        return logged

    def validate_sequentially(self, error: Exception) -> None:
        """Validates the lanes one after the other from now on, for they can't be batched."""
        self.validates_batched = False
        logger.info("these lanes are validated sequentially: %s", describe(error))

    def batched_validation(self, batch: Any, index: int) -> Logged:
        """The values that the lanes log for a validation batch, (lanes,) each.

        Raises any exception of a module or an operation that can't be batched, and for random numbers: each
        lane would draw others than alone.
        """
        template = self.template
        rules: dict[str, Rule] = {}

        def values(stack: dict[str, Tensor]) -> dict[str, Tensor]:
            logged = functional_call(template, in_template(stack), (template.validate, batch, index))
            rules.update(logged.rules)
            return dict(logged.values)

        with torch.no_grad():
            return Logged(vmap(values, randomness="error")(self.stack), rules)

    def end_epoch(self) -> None:
        """Makes the `metrics` of the epoch."""
        rows = zip(self.train_values.take(), self.val_values.take(), strict=True)
        self.metrics = {
            number: lane.end_epoch({**train, **val})
            for (number, lane), (train, val) in zip(self.lanes.items(), rows, strict=True)
        }
