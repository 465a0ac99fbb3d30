"""Latency: the call that is timed, on a batch of one, and the copy that it runs on."""

from dataclasses import dataclass

import lightning as L
import pytest
import torch
from torch import nn

from tests.tiny import TinyNet
from tests.trainables.training.measured import Counting, Line
from trainables.training.isolated_copy import isolated_copy
from trainables.training.latency import calls, first_sample, first_that_works, latency_ms
from trainables.training.trainer import make_trainer

BATCH = (torch.zeros(3, 1), torch.zeros(3, 1))


class Forward(TinyNet):
    """Records the shape of its input."""

    def forward(self, x):
        self.shape = x.shape
        return self.net(x)


class Predicting(Forward):
    """Has all three ways to run, and names of its own for their arguments."""

    def predict_step(self, inputs):
        return self(inputs[0])

    def validation_step(self, *arguments):
        return len(arguments)


@pytest.fixture
def trainer():
    return make_trainer(mixed_precision=False)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (TinyNet(0.1), ["validation_step"]),
        (Forward(0.1), ["forward", "validation_step"]),
        (Predicting(0.1), ["predict_step", "forward", "validation_step"]),
        (L.LightningModule(), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_ways_to_run_a_module_are_those_that_its_class_defines(module, names, trainer):
    module.trainer = trainer
    assert [name for name, _ in calls(module)] == names


def test_the_arguments_fit_the_method():
    results = [call(BATCH) for _, call in calls(Predicting(0.1))]
    assert [result.shape for result in results[:2]] == [(3, 1), (3, 1)]
    assert results[2] == 2


def test_a_learner_is_timed_in_forward():
    learner = Line()
    inputs = []
    learner.net.register_forward_hook(lambda net, arguments, output: inputs.append(len(arguments[0])))
    name, call = next(calls(learner))
    assert name == "predict_step"
    assert call(first_sample(BATCH)).shape == (1, 1)
    assert inputs == [1]


def test_the_first_call_that_works_is_timed(trainer):
    class TwoInputs(Forward):
        def forward(self, x, y):
            return x

    call = first_that_works(isolated_copy(TwoInputs(0.1), trainer), BATCH)
    assert call(BATCH) is None, "it was forward, which returns its input"
    with pytest.raises(ValueError, match="defines no predict_step, forward or validation_step"):
        first_that_works(L.LightningModule(), BATCH)


def test_the_module_is_as_before(trainer):
    module = Counting(0.1)
    module.net(torch.rand(8, 1))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    assert latency_ms(module, trainer, first_sample(BATCH)) > 0
    assert module.training
    assert all(part.training for part in module.modules())
    assert module.seen == []
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("inference_mode", [True, False])
def test_no_gradients_are_computed(inference_mode, trainer):
    modes = []

    class Watched(Forward):
        def forward(self, x):
            modes.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled(), self.training))
            return self.net(x)

    latency_ms(Watched(0.1), trainer, first_sample(BATCH), inference_mode=inference_mode)
    assert set(modes) == {(inference_mode, False, False)}


@dataclass
class Graph:
    nodes: torch.Tensor
    name: str


def test_a_batch_of_one_has_the_first_row_of_each_tensor():
    batch = {"a": torch.arange(6).view(3, 2), "b": [Graph(torch.arange(3), "g")], "scale": torch.tensor(2.0)}
    one = first_sample(batch)
    assert one["a"].tolist() == [[0, 1]]
    assert one["b"][0].nodes.tolist() == [0]
    assert one["b"][0].name == "g"
    assert one["scale"] == 2.0
    one["a"][:] = 7
    assert batch["a"][0, 0] == 0
    with pytest.raises(ValueError, match="tensors with 2, 3 rows"):
        first_sample([torch.zeros(2), torch.zeros(3)])
    with pytest.raises(ValueError, match="no tensors"):
        first_sample(["a", "b"])


def test_a_copy_is_independent_and_logs_nothing(trainer):
    module = Forward(0.1)
    module.trainer = trainer
    module.net[0] = torch.nn.utils.spectral_norm(nn.Linear(1, 4))
    module.last = module(torch.rand(8, 1)).sum()
    module.last.backward()
    assert not module.net[0].weight.is_leaf
    stack = torch.rand(5, 1, 4)
    module.net[2].weight.data = stack[2]  # as in a pack
    copied = isolated_copy(module, trainer)
    assert copied.trainer is trainer
    assert copied.net[2].weight.untyped_storage().nbytes() == 16
    assert all(parameter.grad is None for parameter in copied.parameters())
    expected, x = module.eval()(torch.ones(2, 1)), torch.ones(2, 1)
    assert torch.equal(copied.eval()(x), expected)
    copied.log("x", 1.0, prog_bar=True)
    copied.log_dict({"x": 1.0})
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert torch.equal(module(x), expected)
