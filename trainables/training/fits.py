"""make_fits(...): the Fits of the lanes of a job: one pack, and the lanes that Lightning trains alone."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from spaces.lane import Lane
from trainables.learner import Learner
from trainables.projects.parts import Parts
from trainables.training.build import make_parts
from trainables.training.fit import Fit
from trainables.training.kept_data import release
from trainables.training.packs.lane_callbacks import callbacks_of, left_out_note, without_left_out
from trainables.training.packs.learner_lane import LearnerLane
from trainables.training.packs.module_lane import ModuleLane, continues
from trainables.training.packs.pack import Pack, PackFit
from trainables.training.packs.packable import LIMITS, pack_error, passed
from trainables.training.packs.verify import BATCHES, verify_error
from trainables.training.setup import Setup
from trainables.training.single import SingleFit

verified: dict[tuple[object, ...], str | None] = {(Learner,): None}
"""By kind of parts, the answers of `verify_error` in this process."""


def make_fits(setup: Setup, lanes: list[Lane], files: Path) -> tuple[list[Fit], str | None]:
    """The Fits of these lanes, and a note if some are trained alone, or without callbacks of their Trainer.

    Callbacks of a module that is no Learner may write to a folder in `files`.
    """
    parts = verified_parts(setup, lanes, files)
    reasons = {lane.number: alone_reason(setup, parts[lane.number]) for lane in lanes}
    fits: list[Fit] = []
    together = [
        lane for lane in lanes if not (reasons[lane.number] or goes_on_alone(lane, parts[lane.number]))
    ]
    for members in packs_of(together, parts):
        fits.append(pack_fit(setup, members, {lane.number: parts[lane.number] for lane in members}))
    for lane in lanes:
        if lane not in together:
            fits.append(single_fit(setup, lane, parts[lane.number], folder_of(lane, files)))
    notes = [reasons[lane.number] or left_out_note(parts[lane.number].trainer) for lane in lanes]
    return fits, next(filter(None, notes), None)


def packs_of(lanes: list[Lane], parts: Mapping[int, Parts]) -> list[list[Lane]]:
    """The lanes by the arguments of their Trainer: a pack has one."""
    packs: dict[str, list[Lane]] = {}
    for lane in lanes:
        packs.setdefault(trainer_key(parts[lane.number]), []).append(lane)
    return list(packs.values())


def verified_parts(setup: Setup, lanes: list[Lane], files: Path) -> dict[int, Parts]:
    """The parts of each lane. A kind of them that is new to this process is verified first.

    Raises any exception of a module's first steps.
    """

    def make() -> dict[int, Parts]:
        return {lane.number: make_parts(setup, lane, folder_of(lane, files)) for lane in lanes}

    parts = make()
    unknown = False
    for lane in lanes:
        of_lane = parts[lane.number]
        if static_reason(of_lane) is None and kind(setup, of_lane) not in verified:
            verified[kind(setup, of_lane)] = verify(setup, replace(lane, start=None))
            unknown = True
    if unknown:
        release()  # the first steps may have changed the data
        parts = make()
    return parts


def folder_of(lane: Lane, files: Path) -> Path:
    """The folder of a lane's callbacks."""
    return files / f"trial-{lane.number:05}"


def goes_on_alone(lane: Lane, parts: Parts) -> bool:
    """Whether the lane goes on from a checkpoint of Lightning's own loop, or does not go on: it has ended."""
    if lane.start is None or isinstance(parts.module, Learner):
        return False
    return not continues(Path(lane.start), lane.number)


def static_reason(parts: Parts) -> str | None:
    """The reason why parts can't be in a pack, as far as it is seen without a step."""
    assert parts.data is not None
    return pack_error(parts.module, parts.data, parts.trainer)


def kind(setup: Setup, parts: Parts) -> tuple[object, ...]:
    """What verified parts have in common."""
    module = parts.module
    if isinstance(module, Learner):
        return (Learner,)
    return (
        *(setup.trainable, type(module), type(parts.data)),
        *(module.automatic_optimization, trainer_key(parts)),
    )


def trainer_key(parts: Parts) -> str:
    """A key of the Trainer's arguments, with the kinds of callbacks: each lane has its own."""
    kinds = sorted(type(one).__name__ for one in callbacks_of(parts.trainer))
    return repr(sorted({**parts.trainer, "callbacks": kinds}.items()))


def alone_reason(setup: Setup, parts: Parts) -> str | None:
    """The reason why verified parts are trained alone; None if a pack trains them as Lightning does."""
    reason = static_reason(parts) or verified[kind(setup, parts)]
    return reason and f"no packs: {setup.trainable} is trained trial by trial, for {reason}"


def verify(setup: Setup, lane: Lane) -> str | None:
    """The reason why a pack does not train the lane as Lightning does; None if it does."""

    def alone(folder: Path) -> Fit:
        parts = make_parts(setup, lane, folder)
        parts = replace(parts, trainer=without_left_out(parts.trainer))
        return single_fit(setup, lane, parts, folder, BATCHES)

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
        devices=setup.devices,
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
                measure=setup.measure,
                trusts=setup.trusts,
            )
            mixed_precision = False  # unless the space asks for it (trainer.precision)
    # The faster of the two ways differs from measurement to measurement, and their results in the last bits.
    batched = False if setup.deterministic else setup.batched
    pack = Pack(
        packed,
        {lane.number: lane.start for lane in lanes},
        epochs=setup.epochs,
        batched=batched,
        limits={name: options[name] for name in LIMITS if options.get(name) is not None},
    )
    return PackFit(
        pack,
        dropout_seed=lanes[0].seed,
        mixed_precision=mixed_precision,
        measure=setup.measure,
        options=passed(options),
    )


def batch_seed(setup: Setup) -> int:
    """Seed of the order of batches, of the run or of a confirmation."""
    return setup.seed if setup.batch_seed is None else setup.batch_seed
