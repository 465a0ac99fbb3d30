"""make_fits(...): the Fits of the lanes of a job: one pack, and the lanes that Lightning trains alone."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from spaces.lane import Lane
from trainables.learner import Learner
from trainables.projects.parts import Parts
from trainables.training import checkpoint
from trainables.training.build import make_parts
from trainables.training.fit import Fit
from trainables.training.packs.learner_lane import LearnerLane
from trainables.training.packs.module_lane import ModuleLane, was_packed
from trainables.training.packs.pack import Pack, PackFit
from trainables.training.packs.packable import LIMITS, pack_error, passed
from trainables.training.packs.verify import BATCHES, verify_error
from trainables.training.setup import Setup
from trainables.training.single import SingleFit

verified: dict[object, str | None] = {}
"""Answers of `verify_error` in this process, by the kinds of module and data, and the Trainer's arguments."""


def make_fits(setup: Setup, lanes: list[Lane], files: Path) -> tuple[list[Fit], str | None]:
    """The Fits of these lanes, and the reason if some are trained alone.

    Callbacks of a module that is no Learner may write to a folder in `files`.
    """
    together: dict[int, Parts] = {}
    fits: list[Fit] = []
    note = None
    for lane in lanes:
        folder = files / f"trial-{lane.number:05}"
        parts = make_parts(setup, lane, folder)
        reason = alone_reason(setup, lane, parts)
        if reason or began_alone(lane, parts):
            fits.append(single_fit(setup, lane, parts, folder))
            note = note or reason
        else:
            together[lane.number] = parts
    if together:
        packed = [lane for lane in lanes if lane.number in together]
        fits.insert(0, pack_fit(setup, packed, together))
    return fits, note


def began_alone(lane: Lane, parts: Parts) -> bool:
    """Whether the lane goes on from a checkpoint of Lightning's own loop."""
    if lane.start is None or isinstance(parts.module, Learner):
        return False
    return not was_packed(checkpoint.lane(Path(lane.start), lane.number))


def alone_reason(setup: Setup, lane: Lane, parts: Parts) -> str | None:
    """The reason why a module is trained alone, under Lightning; None if a pack trains it as Lightning does.

    Verified once in a process, by the first batches of the lane, with new weights.
    """
    assert parts.data is not None
    if isinstance(parts.module, Learner):
        return None
    if (reason := pack_error(parts.module, parts.data, parts.trainer)) is None:
        # Texts, as objects of a notebook cell may be defined anew under the same name.
        key = (setup.trainable, type(parts.module), type(parts.data), repr(sorted(parts.trainer.items())))
        if key not in verified:
            verified[key] = verify(setup, Lane(lane.number, lane.params, lane.seed))
        reason = verified[key]
    return reason and f"no packs: {setup.trainable} is trained trial by trial, for {reason}"


def verify(setup: Setup, lane: Lane) -> str | None:
    """The reason why a pack does not train the lane as Lightning does; None if it does."""

    def alone(folder: Path) -> Fit:
        return single_fit(setup, lane, make_parts(setup, lane, folder), folder, BATCHES)

    def packed(folder: Path) -> Fit:
        return pack_fit(setup, [lane], {lane.number: make_parts(setup, lane, folder)}, BATCHES)

    return verify_error(alone, packed, setup.ranking)


def single_fit(
    setup: Setup,
    lane: Lane,
    parts: Parts,
    folder: Path,
    limits: Mapping[str, int] = MappingProxyType({}),
) -> SingleFit:
    """A Fit of a lane that Lightning trains alone; `limits` are further arguments of the Trainer."""
    assert parts.data is not None
    return SingleFit(
        lane.number,
        parts.module,
        parts.data,
        start=lane.start,
        epochs=setup.epochs,
        batch_seed=batch_seed(setup),
        files=folder,
        options={**parts.trainer, **limits},
        measure=setup.measure,
        trusts=setup.trusts,
        pictures=setup.pictures,
    )


def pack_fit(
    setup: Setup,
    lanes: list[Lane],
    parts: Mapping[int, Parts],
    limits: Mapping[str, int] = MappingProxyType({}),
) -> PackFit:
    """A Fit of lanes that train as a pack; `parts` by their numbers, `limits` of the batches of an epoch."""
    options = {**next(iter(parts.values())).trainer, **limits}
    packed: dict[int, LearnerLane | ModuleLane] = {}
    mixed_precision = setup.mixed_precision
    for number, of_lane in parts.items():
        module, data = of_lane.module, of_lane.data
        assert data is not None
        if isinstance(module, Learner):
            packed[number] = LearnerLane(module, data)
            mixed_precision = mixed_precision and module.mixed_precision
        else:
            packed[number] = ModuleLane(
                module,
                data,
                data_key=id(data) if of_lane.data_key is None else of_lane.data_key,
                batch_seed=batch_seed(setup),
                options=of_lane.trainer,
                trusts=setup.trusts,
            )
            mixed_precision = False  # unless the space asks for it (trainer.precision)
    # The faster of the two ways differs from measurement to measurement, and their results in the last bits.
    batched = False if setup.deterministic else setup.batched
    pack = Pack(
        packed,
        epochs=setup.epochs,
        batched=batched,
        limits={name: options[name] for name in LIMITS if options.get(name) is not None},
    )
    return PackFit(
        pack,
        {lane.number: lane.start for lane in lanes},
        dropout_seed=lanes[0].seed,
        mixed_precision=mixed_precision,
        measure=setup.measure,
        options=passed(options),
    )


def batch_seed(setup: Setup) -> int:
    """Seed of the order of batches, of the run or of a confirmation."""
    return setup.seed if setup.batch_seed is None else setup.batch_seed
