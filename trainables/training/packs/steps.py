"""Steps: when the lanes of a group make a step of their optimizers, and what each lane does around it."""

from collections.abc import Sequence
from typing import final

from trainables.training.packs.lane import PackedLane
from trainables.training.packs.update import ALL, Update


@final
class Steps:
    """The steps of lanes, whose optimizers `update` steps."""

    def __init__(self, lanes: Sequence[PackedLane], update: Update) -> None:
        self.lanes, self.update = lanes, update

    def step(self, progress: float, index: int, last: bool, rows: slice = ALL) -> None:
        """One step of the optimizers in these rows, after `progress` epochs and batch number `index`.

        None if the lanes accumulate gradients, and neither this batch completes them nor is it the `last` of
        the epoch.
        """
        lanes = self.lanes[rows]
        if (index + 1) % lanes[0].accumulate and not last:
            return
        for lane in lanes:
            lane.before_step(progress)
        self.update.step(rows)
        for lane in lanes:
            lane.after_step(index)
