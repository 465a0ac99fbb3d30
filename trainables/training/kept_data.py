"""Data that a worker keeps between trials and jobs, with `prepare_data` and `setup` done once.

Lightning calls both in every fit. The kept object is handed out as long as nothing of it has changed since
its last `setup`. A counter, a cache or a generator of its own that had moved on would make a trial depend on
those before it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from types import FunctionType, MethodType
from typing import Any, final

import lightning as L
import psutil
from lightning.pytorch.utilities.model_helpers import is_overridden

from trainables.seeding import seeded_setup
from trainables.training.fingerprint import fingerprint
from trainables.training.watched_trainer import WatchedTrainer

METHODS = (FunctionType, MethodType)
MAX_KEPT = 8  # configurations of data
# With these a data module expects to be used for one training.
OF_ONE_TRAINING = ("teardown", "state_dict", "load_state_dict", "on_exception")


@final
class Kept:
    """A data module whose `prepare_data` and `setup`, once for each stage, run at their first call only."""

    def __init__(self, key: Hashable, data: L.LightningDataModule) -> None:
        self.key, self.data = key, data
        self.done: set[Hashable] = set()
        self.mark: bytes | None = None  # fingerprint after the last call that ran
        prepare_data, setup = data.prepare_data, data.setup

        def prepare_once() -> None:
            self.once("prepare_data", prepare_data)

        def setup_once(stage: str) -> None:
            self.once(("setup", stage), setup, stage)

        data.prepare_data = prepare_once  # type: ignore[method-assign]
        data.setup = setup_once  # type: ignore[method-assign]
        _ = data.hparams  # an attribute that Lightning else adds at the first checkpoint

    def once(self, step: Hashable, method: Callable[..., object], *arguments: Any) -> None:
        """Calls the method if this step is not done. Where it raises, the data is kept no longer."""
        if step in self.done:
            return
        changed = self.changed()
        KEPT.pop(self.key, None)  # nobody else gets what is done by half
        watched, trainer = None, self.data.trainer
        if trainer is not None:  # a setup by what it reads of the module would be that of one trial
            watched = self.data.trainer = WatchedTrainer(trainer)  # type: ignore[assignment]
        try:
            method(*arguments)
        finally:
            self.data.trainer = trainer
        self.done.add(step)
        asked = watched is not None and watched.asked
        self.mark = None if changed or asked else state(self.data)
        if self.mark is not None:
            put(self)

    def changed(self) -> bool:
        """Whether the data is another one than after its last setup, or may be."""
        return bool(self.done) and (self.mark is None or state(self.data) != self.mark)


KEPT: OrderedDict[Hashable, Kept] = OrderedDict()
"""The data of this process by configuration, the latest used last."""


def kept_data(
    key: Hashable | None, seed: int, make: Callable[[], L.LightningDataModule]
) -> tuple[L.LightningDataModule, Hashable | None]:
    """The data of a configuration and its key, from which lanes that get the same data are told.

    The first call makes the data, later ones return the same object, without a trainer, until it has changed
    or 8 other configurations were used. It is made anew each time, and its key is None, where `key` is None
    and where it overrides `teardown`, `state_dict`, `load_state_dict` or `on_exception`. `seed` as in
    `seeded_setup`. Raises any exception of `make`.
    """
    release()
    if key is not None and key in KEPT:
        KEPT.move_to_end(key)
        return KEPT[key].data, key
    data = make()
    if key is None or any(is_overridden(name, data, L.LightningDataModule) for name in OF_ONE_TRAINING):
        return seeded_setup(data, seed), None
    put(Kept(key, data))
    return seeded_setup(data, seed), key


def put(one: Kept) -> None:
    """Keeps the data. Forgets the longest unused one of too many, and all others if memory is short."""
    memory = psutil.virtual_memory()
    if memory.available < memory.total / 2:
        KEPT.clear()
    KEPT[one.key] = one
    if len(KEPT) > MAX_KEPT:
        KEPT.popitem(last=False)


def release() -> None:
    """Frees the trainers of the last job, and forgets data that the job has changed; for use between jobs."""
    for one in list(KEPT.values()):
        if one.data.trainer is not None:  # else nothing has used it
            one.data.trainer = None
            if one.changed():
                del KEPT[one.key]


def forget() -> None:
    """Forgets all data: files may change between searches."""
    KEPT.clear()


def state(data: L.LightningDataModule) -> bytes | None:
    """The fingerprint of the data without its trainer and its replaced methods, as those of a test split."""
    own = {name: value for name, value in vars(data).items() if name != "trainer"}
    return fingerprint({n: value for n, value in own.items() if not isinstance(value, METHODS)})
