"""Measured metrics: their values in the reports of trainings of every kind, which they do not change."""

import math
from dataclasses import replace

import pytest
import torch

from spaces.lane import Lane
from tests.trainables.training.measured import ALL
from trainables.training import checkpoint
from trainables.training.dry_run import dry_run
from trainables.training.evaluate import score
from trainables.training.measure import measured
from trainables.training.setup import Setup
from trainables.training.train import train

HERE = "tests.trainables.training.measured"
TINY = Setup("tests.tiny:TinyNet", "tests.tiny:TinyData", {}, seed=0, epochs=3, objective="val_loss")
LINE = replace(TINY, trainable=f"{HERE}:Line", objective="val/loss")
DIGITS = Setup(
    "trainables.mnist.classifier:Classifier",
    "trainables.mnist.data:MnistData",
    {"source": "digits"},
    seed=0,
    epochs=3,
    objective="val/accuracy",
)
FOREIGN_DIGITS = "tests.foreign.autoencoder:DigitsDataModule"
PARAMS = {"lr": 1e-2, "batch_size": 64, "widths": "16", "norm": "none", "dropout": 0.0}


def lanes(*params):
    return [Lane(number, values, seed=number) for number, values in enumerate(params)]


def run(setup, trials, folder, first=0, last=2):
    return list(train(setup, trials, first, last, str(folder / f"{last}.safetensors")))


def line_bytes(width):
    """Training bytes of TinyNet and of Line, counted by hand, for batches of 16 numbers and targets."""
    weights = width + width + width + 1
    gradients, moments, steps = weights, 2 * weights, 4  # Adam counts the steps of each of the four tensors
    batch = 16 + 16
    kept = 16 * width + 16  # tanh's output, and the prediction or its error
    return 4 * (weights + gradients + moments + steps + batch + kept)


LAZY = replace(TINY, trainable=f"{HERE}:LazyNet", data=f"{HERE}:Mappings")


@pytest.mark.parametrize("setup", [TINY, LINE, LAZY], ids=["foreign", "learner", "lazy"])
def test_values_are_those_counted_by_hand(setup, tmp_path):
    trials = lanes(*({"lr": 1e-2, "width": width} for width in (4, 4, 7)))
    for report in run(replace(setup, further_metrics=ALL), trials, tmp_path):
        for lane in trials:
            width, metrics = lane.params["width"], report.metrics[lane.number]
            assert metrics["model/params"] == 3 * width + 1
            assert metrics["model/memory_mb"] == line_bytes(width) / 1e6
            assert 0 < metrics["model/latency_ms"] < math.inf


def test_frozen_parameters_count_but_have_no_gradients(tmp_path):
    setup = replace(LINE, trainable=f"{HERE}:ConvLine", further_metrics=ALL)
    metrics = run(setup, lanes({"width": 4}), tmp_path, last=1)[0].metrics[0]
    trained, frozen, buffers = 4 * 3 + 4 + 1, 24, 8
    assert metrics["model/params"] == trained + frozen
    optimizer = 2 * trained + 3
    kept = 16 * 8 + 16 * 24 + 16  # the input times the buffer, tanh's output, the error
    floats = trained + frozen + buffers + trained + optimizer + 32 + kept
    assert metrics["model/memory_mb"] == 4 * floats / 1e6


def test_a_convolutional_network_in_a_pack(tmp_path):
    setup = replace(DIGITS, further_metrics=ALL)
    trials = lanes(*(PARAMS | {"net": "cnn", "dropout": rate} for rate in (0.0, 0.5)))
    metrics = run(setup, trials, tmp_path, last=1)[0].metrics
    convolutions = 16 * 25 + 16 + 32 * 16 * 9 + 32  # 8 x 8 pixels become 4 x 4, and 2 x 2
    weights = convolutions + 2 * 2 * 32 * 16 + 16 + 16 * 10 + 10
    activations = 64 * (4 * 4 * 16 + 2 * 2 * 32 + 16)
    for number in (0, 1):
        assert metrics[number]["model/params"] == weights
        assert metrics[number]["model/memory_mb"] > 4 * (4 * weights + activations) / 1e6
        assert metrics[number]["model/latency_ms"] > 0
    assert metrics[1]["model/memory_mb"] > metrics[0]["model/memory_mb"]  # dropout keeps its mask


@pytest.mark.parametrize(
    ("setup", "params"),
    [
        (replace(DIGITS, batched=True), PARAMS | {"norm": "batch", "dropout": 0.5}),
        (replace(DIGITS, batched=False), PARAMS | {"norm": "batch", "dropout": 0.5, "net": "cnn"}),
        (replace(TINY, trainable=f"{HERE}:Counting"), {"lr": 0.1}),
        (
            replace(TINY, trainable="tests.foreign.autoencoder:LitAutoEncoder", data=FOREIGN_DIGITS),
            {"dropout": 0.5},
        ),
        (
            replace(TINY, trainable="tests.foreign.gan:Gan", data=FOREIGN_DIGITS, objective="val_distance"),
            {},
        ),
        (
            replace(
                TINY, trainable="tests.foreign.schedules:Wave", data="tests.foreign.schedules:Waves", epochs=3
            ),
            {"patience": 1},
        ),
    ],
    ids=["batched", "sequential", "counting", "dropout", "gan", "early_stopping"],
)
def test_training_is_the_same_to_the_last_bit(setup, params, tmp_path):
    trials = lanes(params, params)
    plain = run(setup, trials, tmp_path / "plain", last=3)
    observed = run(replace(setup, further_metrics=ALL), trials, tmp_path / "measured", last=3)
    for one, other in zip(plain, observed, strict=True):
        for number in (0, 1):
            logged = dict(other.metrics[number])
            assert [logged.pop(name) for name in ALL] == [observed[0].metrics[number][n] for n in ALL]
            assert logged == one.metrics[number]
    for lane in trials:
        before, after = (
            checkpoint.lane(tmp_path / name / "3.safetensors", lane.number) for name in ("plain", "measured")
        )
        weights = [name for name in before if name.startswith(("model/", "optimizer/"))]
        assert weights
        assert all(torch.equal(before[name], after[name]) for name in weights)


def test_only_what_is_asked_for_is_measured(tmp_path):
    for setup in (TINY, LINE):
        for names in ((), ALL[:1], ALL[1:]):
            (report,) = run(replace(setup, further_metrics=names), lanes({"lr": 0.1}), tmp_path, last=1)
            assert [name for name in ALL if name in report.metrics[0]] == list(names)


def test_a_resumed_lane_a_part_and_a_lane_that_diverges_are_measured(tmp_path):
    setup = replace(LINE, further_metrics=ALL, pack_memory=1)
    trials = lanes({"lr": 1e-2}, {"lr": 1e30, "schedule": "constant"}, {"lr": 1e-3})
    reports = run(setup, trials, tmp_path, last=2)
    assert frozenset({1}) in [report.diverged for report in reports]
    resumed = [replace(lane, start=str(tmp_path / "2.safetensors")) for lane in trials if lane.number != 1]
    for report in reports + run(setup, resumed, tmp_path, first=2, last=3):
        for metrics in report.metrics.values():
            assert metrics["model/memory_mb"] == line_bytes(4) / 1e6
            assert metrics["model/params"] == 13


@pytest.mark.parametrize("objective", ALL)
@pytest.mark.parametrize("setup", [TINY, DIGITS], ids=["foreign", "learner"])
def test_a_measured_metric_may_be_the_objective(setup, objective, tmp_path):
    setup = replace(setup, objective=objective)
    (lane,) = lanes({"lr": 0.1} if setup.data == TINY.data else PARAMS | {"dropout": 0.5})
    out = tmp_path / "c.safetensors"
    (report,) = train(setup, [lane], 0, 1, str(out), keep_best=True)
    tried = dry_run(setup, lane, tmp_path)
    assert tried.error is None
    for value in (tried.value, score(setup, [lane], str(out))[0].test):
        if objective == "model/latency_ms":
            assert value > 0
        else:
            assert value == report.metrics[0][objective]


def test_random_numbers_go_on_as_if_nothing_was_measured():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    assert measured(["model/params"], {"model/params": lambda: torch.rand(5).numel()}) == {"model/params": 5}
    assert torch.equal(torch.rand(3), expected)


def test_an_unknown_name_is_refused():
    known = ", ".join(ALL)
    with pytest.raises(ValueError, match=rf"'model/size' is no measured metric; there are: {known} \("):
        replace(TINY, further_metrics=("model/params", "model/size"))


@pytest.mark.parametrize(
    ("module", "data", "metric", "reason"),
    [
        ("NeedsTwo", "tests.tiny:TinyData", "model/latency_ms", "RuntimeError: a batch of one is too small"),
        ("RaggedNet", f"{HERE}:Ragged", "model/latency_ms", "tensors with 3, 64 rows"),
        ("WithoutValidation", "tests.tiny:TinyData", "model/latency_ms", "no validation batch"),
        ("Transformed", "tests.tiny:TinyData", "model/memory_mb", "saved tensor hooks"),
    ],
)
def test_the_error_names_the_metric_and_the_reason(module, data, metric, reason, tmp_path):
    setup = replace(TINY, trainable=f"{HERE}:{module}", data=data, further_metrics=ALL)
    with pytest.raises(ValueError, match=f"{metric} can't be measured on this module: .*{reason}") as error:
        run(setup, lanes({"lr": 0.1}), tmp_path)
    assert "\n" not in str(error.value)
    rest = tuple(name for name in ALL if name != metric)
    assert run(replace(setup, further_metrics=rest), lanes({"lr": 0.1}), tmp_path)
