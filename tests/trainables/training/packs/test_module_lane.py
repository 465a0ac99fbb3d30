"""Packs of any LightningModule: each lane trains as under Lightning alone, or the reason is said."""

from dataclasses import replace

import pytest

from spaces.lane import Lane
from trainables.training import checkpoint
from trainables.training.build import make_parts
from trainables.training.fits import alone_reason, make_fits, pack_fit, packs_of, single_fit, verified_parts
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup
from trainables.training.train import train

EPOCHS = 2


def setup_of(name, data="DigitsDataModule", **changes):
    module, data = f"tests.foreign.variety:{name}", f"tests.foreign.loaders:{data}"
    setup = Setup(module, data, {}, seed=3, epochs=EPOCHS, objective="val_loss")
    return replace(setup, **changes)


def lanes(name, **params):
    takes_alpha = {"alpha": 0.0} if name in ("ReadsAlpha", "ReadsAlphaLate") else {}
    return [
        Lane(number, {"lr": lr, **{key: number / 10 for key in takes_alpha}, **params}, seed=number)
        for number, lr in enumerate((1e-2, 3e-3, 1e-3))
    ]


def alone(setup, lane, folder):
    """The metrics of each epoch under Lightning alone."""
    fit = single_fit(setup, lane, make_parts(setup, lane, folder), folder)
    return [dict(report.metrics[lane.number]) for report in run_fit(fit, setup.ranking, 0, EPOCHS, None)]


def together(setup, three, folder):
    """The metrics of each epoch by lane, and the groups of the pack."""
    (fit,), note = make_fits(setup, three, folder)
    assert note is None
    return [report.metrics for report in run_fit(fit, setup.ranking, 0, EPOCHS, None)], fit.pack.groups


def assert_equal(one, other, rel=2e-4):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=rel, abs=1e-6), name


BATCHED = [
    "Base",
    "Anneals",
    "Reassigns",
    "StepSchedule",
    "OneCycle",
    "Plateau",
    "ConvNet",
    "Embedded",
    "Rms",
    "Logs",
]
VALIDATED_ALONE = ["Logs", "Metrics", "StepMetrics"]  # they keep outputs, or have metrics of torchmetrics
SEQUENTIAL = ["Metrics", "StepMetrics", "ReadsAlpha", "KeepsOutputs", "UnusedHead"]


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", [*BATCHED, *SEQUENTIAL])
def test_a_lane_trains_as_lightning_trains_it_alone(name, batched, tmp_path):
    setup = setup_of(name, batched=batched)
    epochs, (group,) = together(setup, lanes(name), tmp_path)
    assert group.batched == (batched and name in BATCHED), group.obstacle
    assert (group.obstacle is not None) == (batched and name in SEQUENTIAL)
    assert group.validates_batched == (batched and name not in VALIDATED_ALONE)
    for lane in lanes(name):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])


@pytest.mark.parametrize("batched", [True, False])
def test_a_lane_is_validated_with_the_random_numbers_that_it_draws_alone(batched, tmp_path):
    setup = setup_of("DrawsInValidation", batched=batched)
    epochs, (group,) = together(setup, lanes("DrawsInValidation"), tmp_path)
    assert (group.batched, group.validates_batched) == (batched, False)
    for lane in lanes("DrawsInValidation"):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate_grad_batches": 5},
        {"gradient_clip_val": 0.1},
        {"gradient_clip_val": 0.001, "gradient_clip_algorithm": "value"},
        {"limit_train_batches": 0.5, "limit_val_batches": 1},
    ],
)
@pytest.mark.parametrize("batched", [True, False])
def test_arguments_of_the_trainer_hold_for_each_lane(options, batched, tmp_path):
    setup = setup_of("OneCycle", batched=batched, trainer=options)
    epochs, (group,) = together(setup, lanes("OneCycle"), tmp_path)
    assert group.batched == batched
    for lane in lanes("OneCycle"):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])
    plain, _ = together(setup_of("OneCycle", batched=batched), lanes("OneCycle"), tmp_path)
    assert plain[-1][0]["val_loss"] != pytest.approx(epochs[-1][0]["val_loss"], rel=1e-3)


@pytest.mark.parametrize("name", ["OneCycle", "Plateau", "ConvNet", "Rms", "Metrics", "StepMetrics", "Noise"])
def test_a_pause_changes_nothing(name, tmp_path):
    setup = setup_of(name, batched=name != "Noise")  # vmap draws as the number of its lanes wants
    whole = list(train(setup, lanes(name), 0, 2, str(tmp_path / "whole.safetensors")))
    list(train(setup, lanes(name), 0, 1, str(tmp_path / "first.safetensors")))
    rest = [replace(lane, start=str(tmp_path / "first.safetensors")) for lane in lanes(name)]
    (last,) = train(setup, rest, 1, 2, str(tmp_path / "last.safetensors"))
    for lane in rest:
        assert_equal(whole[-1].metrics[lane.number], last.metrics[lane.number])
    # A pack of other lanes goes on as well.
    (last,) = train(setup, rest[2:], 1, 2, str(tmp_path / "alone.safetensors"))
    if name != "Noise":
        assert_equal(whole[-1].metrics[2], last.metrics[2])


def test_schedules_go_on_where_the_search_has_more_epochs(tmp_path):
    (lane, *_) = lanes("OneCycle")
    whole = list(train(setup_of("OneCycle", epochs=4), [lane], 0, 4, str(tmp_path / "whole.safetensors")))
    list(train(setup_of("OneCycle", epochs=2), [lane], 0, 2, str(tmp_path / "short.safetensors")))
    longer = replace(lane, start=str(tmp_path / "short.safetensors"))
    further = list(train(setup_of("OneCycle", epochs=4), [longer], 2, 4, str(tmp_path / "c.safetensors")))
    rates = [report.metrics[0]["lr"] for report in (*whole[2:], *further)]
    assert rates[:2] == pytest.approx(rates[2:])


@pytest.mark.parametrize("batched", [True, False])
def test_the_first_hook_sees_the_weights_of_the_checkpoint(batched, tmp_path):
    setup = setup_of("Base", batched=batched, trainable="tests.foreign.teacher:Teacher")
    for lane in lanes("Base"):
        expected = []
        for first in range(2):
            out = tmp_path / f"alone-{lane.number}-{first}.safetensors"
            fit = single_fit(setup, lane, make_parts(setup, lane, tmp_path), tmp_path)
            expected += run_fit(fit, setup.ranking, first, first + 1, out)
            lane = replace(lane, start=str(out))
        together = lanes("Base")
        for first in range(2):
            out = tmp_path / f"pack-{first}.safetensors"
            (report,) = train(setup, together, first, first + 1, str(out))
            assert_equal(expected[first].metrics[lane.number], report.metrics[lane.number])
            together = [replace(one, start=str(out)) for one in together]
    assert expected[0].metrics[lane.number]["first"] != expected[1].metrics[lane.number]["first"]


@pytest.mark.parametrize("name", ["Metrics", "StepMetrics"])
def test_a_metric_that_steps_update_is_named(name, tmp_path):
    _, (group,) = together(setup_of(name, batched=True), lanes(name), tmp_path)
    assert "a step updates the metric " in group.obstacle


def test_a_module_finds_itself_at_its_trainer(tmp_path):
    """As in the optimizers of lightning-hydra-template."""
    setup = setup_of("OfTrainersModel", batched=True)
    epochs, (group,) = together(setup, lanes("OfTrainersModel"), tmp_path)
    assert group.batched
    for lane in lanes("OfTrainersModel"):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])


def test_a_step_that_reads_a_differing_attribute_later_goes_on_lane_by_lane(tmp_path):
    setup = setup_of("ReadsAlphaLate", batched=True)
    epochs, (group,) = together(setup, lanes("ReadsAlphaLate"), tmp_path)
    assert "alpha" in group.obstacle
    for lane in lanes("ReadsAlphaLate"):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])


@pytest.mark.parametrize(
    "name, options, reason",
    [
        ("Stops", {}, "sets trainer.should_stop"),
        ("Counts", {}, "under Lightning alone"),
        ("Base", {"max_steps": 5}, "trainer.max_steps=5"),
        ("Base", {"precision": "64-true"}, "trainer.precision"),
    ],
)
def test_the_reason_why_a_module_trains_alone_is_said(name, options, reason, tmp_path):
    setup = setup_of(name, trainer=options)
    (lane, *_) = lanes(name)
    assert reason in alone_reason(setup, verified_parts(setup, [lane], tmp_path)[0])


@pytest.mark.parametrize(
    "name, data",
    [
        ("Base", "SamplerData"),
        ("Base", "WorkersData"),
        ("TrainsOnly", "TrainData"),
        ("TrainsOnly", "DigitsDataModule"),
    ],
)
def test_loaders_of_other_kinds_give_the_same_batches(name, data, tmp_path):
    setup = setup_of(name, data, batched=True)
    epochs, _ = together(setup, lanes(name), tmp_path)
    for lane in lanes(name):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])


def test_a_loader_without_a_length_is_named(tmp_path):
    setup = setup_of("Base", "StreamData")
    parts = verified_parts(setup, lanes("Base")[:1], tmp_path)[0]
    assert "the loader of train_dataloader has no length" in alone_reason(setup, parts)


def test_a_lane_that_began_alone_goes_on_alone(tmp_path):
    setup = setup_of("Base", epochs=3)
    first, second, _ = lanes("Base")
    fit = single_fit(setup, first, make_parts(setup, first, tmp_path), tmp_path)
    list(run_fit(fit, setup.ranking, 0, 1, tmp_path / "alone.safetensors"))
    list(train(setup, [second], 0, 1, str(tmp_path / "packed.safetensors")))
    both = [
        replace(first, start=str(tmp_path / "alone.safetensors")),
        replace(second, start=str(tmp_path / "packed.safetensors")),
    ]
    (report,) = train(setup, both, 1, 2, str(tmp_path / "both.safetensors"))
    for lane in (first, second):
        assert_equal(alone(setup, lane, tmp_path)[1], report.metrics[lane.number])
    again = [replace(lane, start=str(tmp_path / "both.safetensors")) for lane in (first, second)]
    assert set(next(iter(train(setup, again, 2, 3, str(tmp_path / "c.safetensors")))).metrics) == {0, 1}


def test_lanes_with_other_arguments_of_the_trainer_are_another_pack(tmp_path):
    """As in a project whose configuration of the Trainer has parameters."""
    setup, three = setup_of("Base"), lanes("Base")
    halves = replace(setup, trainer={"limit_train_batches": 0.5})
    mixed = {0: setup, 1: halves, 2: setup}
    made = {lane.number: make_parts(mixed[lane.number], lane, tmp_path) for lane in three}
    assert [list(pack) for pack in packs_of(three, made)] == [[three[0], three[2]], [three[1]]]


def test_a_damaged_checkpoint_is_named(tmp_path):
    setup, (lane, *_) = setup_of("Base"), lanes("Base")
    file = tmp_path / "packed.safetensors"
    list(train(setup, [lane], 0, 1, str(file)))
    state = checkpoint.lane(file, 0)
    checkpoint.save(file, {0: {**state, "rest": state["rest"][:-7]}})
    with pytest.raises(ValueError, match="the checkpoint is damaged"):
        list(train(setup, [replace(lane, start=str(file))], 1, 2, str(tmp_path / "c.safetensors")))


def test_lanes_with_other_data_are_another_group(tmp_path):
    setup = setup_of("Base", batched=True)
    three = [
        replace(lane, params={**lane.params, "batch_size": 16 * (1 + lane.number % 2)})
        for lane in lanes("Base")
    ]
    parts = {lane.number: make_parts(setup, lane, tmp_path) for lane in three}
    fit = pack_fit(setup, three, parts)
    epochs = [report.metrics for report in run_fit(fit, setup.ranking, 0, EPOCHS, None)]
    assert [list(group.lanes) for group in fit.pack.groups] == [[0, 2], [1]]
    for lane in three:
        assert_equal(alone(setup, lane, tmp_path)[-1], epochs[-1][lane.number])
