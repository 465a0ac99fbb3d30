"""Explored ranges, positions and response surfaces of parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.parameters import (
    Dimension,
    dimensions,
    explored_ranges,
    response_surface,
    widening_override,
)

LR = Dimension("lr", 1e-4, 1e-1, log=True)
DROPOUT = Dimension("dropout", 0.0, 0.5)
BATCH = Dimension("batch", options=(16, 32, 64))


def test_dimensions_are_the_searched_parameters():
    params = {
        "lr": {"low": 1e-4, "high": 0.1, "log": True},
        "depth": {"low": 1, "high": 4, "when": {"net": "mlp"}},
        "net": {"choices": ["mlp", "cnn"], "default": "cnn"},
        "loss": ["mse", "l1"],
        "width": 64,
        "kind": {"choices": "a", "default": "a"},
    }
    dims = dimensions(params)
    assert [dim.name for dim in dims] == ["lr", "depth", "net", "loss"]
    assert dims[0].log and dims[1].integer and dims[2].options == ("mlp", "cnn")


def test_options_have_labels_and_null_may_be_one():
    layers, net, norm = dimensions(
        {
            "layers": [[64, 64], [128], None],
            "net": {"choices": {"small": {"width": 32}, "large": {"width": 256}}},
            "norm": {"choices": ["batch", None], "when": {"net": "large"}},
        }
    )
    assert (layers.options, net.options) == (("[64, 64]", "[128]", None), ("small", "large"))
    assert layers.has(None) and not net.has(None) and not norm.has(None)
    row = {"trial": 0, "state": "complete", "objective": 1.0, "param/layers": None}
    (found,) = explored_ranges([layers], [row], row, "min")
    assert (found.sampled, found.top, found.position) == ((1.0,), (1.0,), 1.0)


@given(low=st.floats(1e-6, 10), width=st.floats(1.01, 1e6), log=st.booleans(), share=st.floats(0, 1))
def test_positions_and_ticks_are_on_the_axis(low, width, log, share):
    dim = Dimension("x", low, low * width, log)
    assert -1e-6 <= dim.position(low + share * (dim.high - low)) <= 1 + 1e-6
    ticks = dim.ticks()
    assert 1 <= len(ticks) <= 8
    assert all(-1e-6 <= position <= 1 + 1e-6 for position, _ in ticks)


@pytest.mark.parametrize(
    "dim, value, override",
    [
        (LR, 0.099, "param.lr.high=1"),
        (LR, 1.1e-4, "param.lr.low=1e-05"),
        (LR, 0.01, None),
        (DROPOUT, 0.49, "param.dropout.high=0.75"),
        (DROPOUT, 0.0, None),  # a natural end
        (Dimension("beta", 0.8, 0.98), 0.979, "param.beta.high=0.99"),  # stays below 1
        (Dimension("depth", 1, 8, integer=True), 8, "param.depth.high=12"),
        (Dimension("depth", 1, 8, integer=True), 1, None),
        (Dimension("width", 32, 500, integer=True, step=32), 480, "param.width.high=724"),
        (Dimension("width", 128, 512, integer=True, step=64), 128, "param.width.low=64"),
        (Dimension("width", 32, 512, integer=True, step=32), 32, None),
        (Dimension("rate", 0.1, 0.9, step=0.2), 0.9, None),
        (BATCH, 64, "param.batch=[16,32,64,128]"),
        (BATCH, 16, "param.batch=[8,16,32,64]"),
        (BATCH, 32, None),
        (Dimension("share", 0.0, 1.0), 1.0, None),  # a natural end, too
        (Dimension("layers", options=(1, 2, 3)), 1, None),  # 0.5 is no integer
        (Dimension("weight", options=(0.0, 0.1, 0.2)), 0.0, None),
        (Dimension("shift", options=(-2, -1, 0)), 0, None),
        (Dimension("loss", options=("mse", "l1", "linf")), "linf", None),
    ],
)
def test_an_override_widens_a_range(dim, value, override):
    assert widening_override(dim, dim.position(value)) == override


def test_overrides_are_valid():
    from search.config.run_config import resolve

    for name, dim in {"lr": LR, "dropout": DROPOUT, "batch_size": BATCH}.items():
        override = widening_override(dim, 0.999)
        assert override is not None
        changed = resolve(["space=slice_reg", override.replace(dim.name, name)]).space.params[name]
        assert changed.bounds[1] > (dim.options[-1] if dim.options else dim.high)


def test_an_explored_range_warns_of_a_best_value_at_an_edge():
    rows = [
        {"trial": n, "state": "stopped", "objective": float(n), "param/lr": lr}
        for n, lr in enumerate([0.0999, 0.098, 0.01, 0.001, 2e-4])
    ]
    (explored,) = explored_ranges([LR], rows, rows[0], "min")
    assert (explored.widen, explored.top_at_edge) == ("param.lr.high=1", 2)
    (explored,) = explored_ranges([LR], rows, rows[4], "max")
    assert explored.widen is None


def test_the_response_surface_covers_the_neighbourhood_of_trials():
    points = [(1e-4, 0.0, 0.0), (2e-4, 0.05, 0.0), (1e-1, 0.5, 1.0)]
    cells = response_surface((LR, DROPOUT), points)
    assert 0 < len(cells) < 28 * 28
    low = min(cells, key=lambda cell: cell[0] + cell[2])
    high = max(cells, key=lambda cell: cell[1] + cell[3])
    assert low[4] < 0.1 and high[4] > 0.9
    assert response_surface((LR, DROPOUT), []) == []
