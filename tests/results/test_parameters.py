"""Importance, edges and places of parameters."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.history import Finish
from results.parameters import Dimension, dimensions, explored, importance, surface, wider

LR = Dimension("lr", 1e-4, 1e-1, log=True)
DROPOUT = Dimension("dropout", 0.0, 0.5)
BATCH = Dimension("batch", options=(16, 32, 64))


def test_dimensions_are_what_varies():
    params = {
        "lr": {"low": 1e-4, "high": 0.1, "log": True},
        "depth": {"low": 1, "high": 4, "when": {"net": "mlp"}},
        "net": {"choices": ["mlp", "cnn"], "default": "cnn"},
        "loss": ["mse", "l1"],
        "width": 64,
        "kind": {"choices": "a", "default": "a"},
    }
    found = dimensions(params)
    assert [dim.name for dim in found] == ["lr", "depth", "net", "loss"]
    assert found[0].log and found[1].whole and found[2].options == ("mlp", "cnn")


@given(low=st.floats(1e-6, 10), width=st.floats(1.01, 1e6), log=st.booleans(), share=st.floats(0, 1))
def test_places_and_ticks_lie_on_the_axis(low, width, log, share):
    dim = Dimension("x", low, low * width, log)
    assert -1e-6 <= dim.place(low + share * (dim.high - low)) <= 1 + 1e-6
    ticks = dim.ticks()
    assert 1 <= len(ticks) <= 8
    assert all(-1e-6 <= place <= 1 + 1e-6 for place, _ in ticks)


@pytest.mark.parametrize(
    "dim, value, override",
    [
        (LR, 0.099, "param.lr.high=1"),
        (LR, 1.1e-4, "param.lr.low=1e-05"),
        (LR, 0.01, None),
        (DROPOUT, 0.49, "param.dropout.high=0.75"),
        (DROPOUT, 0.0, None),  # a natural end
        (Dimension("beta", 0.8, 0.98), 0.979, "param.beta.high=0.99"),  # it stays below 1
        (Dimension("depth", 1, 8, whole=True), 8, "param.depth.high=12"),
        (Dimension("depth", 1, 8, whole=True), 1, None),
        (BATCH, 64, "param.batch=[16,32,64,128]"),
        (BATCH, 16, "param.batch=[8,16,32,64]"),
        (BATCH, 32, None),
        (Dimension("share", 0.0, 1.0), 1.0, None),  # a natural end as well
        (Dimension("layers", options=(1, 2, 3)), 1, None),  # half a layer can't be had
        (Dimension("weight", options=(0.0, 0.1, 0.2)), 0.0, None),
        (Dimension("shift", options=(-2, -1, 0)), 0, None),
        (Dimension("loss", options=("mse", "l1", "linf")), "linf", None),
    ],
)
def test_what_widens_a_range(dim, value, override):
    assert wider(dim, dim.place(value)) == override


def test_every_override_is_understood():
    from search.config.run_config import resolve

    for name, dim in {"lr": LR, "dropout": DROPOUT, "batch_size": BATCH}.items():
        override = wider(dim, 0.999)
        assert override is not None
        changed = resolve(["space=slice_reg", override.replace(dim.name, name)]).space.params[name]
        assert changed.ends[1] > (dim.options[-1] if dim.options else dim.high)


def trials(count, conditional=False):
    rng = random.Random(0)
    rows = []
    for number in range(count):
        lr, dropout, batch = 10 ** rng.uniform(-4, -1), rng.uniform(0, 0.5), rng.choice((16, 32, 64))
        rows.append(
            {
                "trial": number,
                "objective": (LR.place(lr) - 0.4) ** 2 + 0.01 * rng.random(),
                "param/lr": lr,
                "param/dropout": None if conditional and number % 2 else dropout,
                "param/batch": batch,
            }
        )
    return rows


def finished(rows, epochs=1):
    return [Finish(row["trial"], epochs, row["objective"], 0.0, 0.0) for row in rows]


def test_importance_finds_what_matters_and_leaves_out_what_does_not_always_count():
    rows = trials(60)
    found = importance([LR, DROPOUT, BATCH], rows, finished(rows))
    assert found is not None and found.count == 60
    assert found.shares[0][0] == "lr" and found.shares[0][1] > 0.8
    assert sum(share for _, share, _ in found.shares) == pytest.approx(1)
    rows = trials(60, conditional=True)
    found = importance([LR, DROPOUT, BATCH], rows, finished(rows))
    assert found is not None and {name for name, _, _ in found.shares} == {"lr", "batch"}
    ((name, share, _, count),) = found.conditional
    assert (name, count) == ("dropout", 30) and share < 0.2


def test_importance_of_what_counts_sometimes_is_that_among_these_trials():
    """In every third trial, those with momentum, nothing but momentum matters."""
    momentum = Dimension("momentum", 0.0, 1.0)
    rows = [{**row, "param/momentum": None} for row in trials(90)]
    for row in rows[::3]:
        row["param/momentum"] = (row["trial"] * 0.618034) % 1
        row["objective"] = 1 + row["param/momentum"]
    found = importance([LR, momentum, BATCH], rows, finished(rows))
    assert found is not None and {name for name, _, _ in found.shares} == {"lr", "batch"}
    ((name, share, _, count),) = found.conditional
    assert (name, count) == ("momentum", 30) and share > 0.8
    few = [*rows[:27:3], *[row for row in rows if row["trial"] % 3]]  # 9 of them are too few to tell
    assert importance([LR, momentum, BATCH], few, finished(few)).conditional == ()


def test_importance_is_of_one_rung_the_highest_with_ample_values():
    rows = trials(60)
    later = finished(rows[:40], 3) + finished(rows[:5], 9)
    assert importance([LR, DROPOUT, BATCH], rows, finished(rows) + later).epochs == 3
    assert importance([LR, DROPOUT, BATCH], rows[:9], finished(rows[:9])) is None


def test_explored_warns_at_an_edge_and_counts_the_company():
    rows = [
        {"trial": n, "state": "stopped", "objective": float(n), "param/lr": lr}
        for n, lr in enumerate([0.0999, 0.098, 0.01, 0.001, 2e-4])
    ]
    (found,) = explored([LR], rows, rows[0], "min")
    assert (found.widen, found.beside) == ("param.lr.high=1", 2)
    (found,) = explored([LR], rows, rows[4], "max")
    assert found.widen is None


def test_surface_is_drawn_where_trials_are():
    points = [(1e-4, 0.0, 0.0), (2e-4, 0.05, 0.0), (1e-1, 0.5, 1.0)]
    cells = surface((LR, DROPOUT), points)
    assert 0 < len(cells) < 28 * 28
    low = min(cells, key=lambda cell: cell[0] + cell[2])
    high = max(cells, key=lambda cell: cell[1] + cell[3])
    assert low[4] < 0.1 and high[4] > 0.9
    assert surface((LR, DROPOUT), []) == []
