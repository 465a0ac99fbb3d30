"""The memory that autograd keeps for the backward pass."""

import pytest
import torch
from torch import nn

from trainables.training.kept_tensors import KeptTensors


def test_storages_count_once_and_those_of_others_not_at_all():
    kept = KeptTensors()
    layer, data = nn.Linear(8, 8), torch.rand(100, 8)
    x = data[:4]  # a view of all data
    with kept.hooks:
        hidden = layer(x).exp()  # exp keeps its output
        flat = hidden.view(-1)
        loss = (flat * flat).sum() + hidden.square().sum()
    assert kept.step_bytes((x, {"label": torch.zeros(4)}), layer.parameters()) == 4 * (32 + 4 + 32)
    loss.backward()
    assert kept.step_bytes([], []) == 0  # freed


@pytest.mark.parametrize("build", [nn.Linear, lambda *sizes: nn.Conv1d(*sizes, 1)])
def test_gradients_do_not_change(build):
    torch.manual_seed(0)
    net = nn.Sequential(build(4, 8), nn.Tanh(), nn.Dropout(0.5), build(8, 4))
    x = torch.rand(4, 4)

    def gradients():
        torch.manual_seed(1)
        net.zero_grad()
        net(x).square().sum().backward()
        return [parameter.grad.clone() for parameter in net.parameters()]

    expected, kept = gradients(), KeptTensors()
    with kept.hooks:
        observed = gradients()
    assert all(map(torch.equal, observed, expected))


def test_second_gradients_work():
    x = torch.rand(3, requires_grad=True)
    kept = KeptTensors()
    with kept.hooks:
        (slope,) = torch.autograd.grad(x.exp().sum(), x, create_graph=True)
        slope.sum().backward()
    assert torch.equal(x.grad, x.exp())
