"""Warm start: a search that begins with the trials of an earlier run."""

import pytest

from results.store import open_run
from search.config.run_config import resolve
from search.runs.run import start
from search.runs.warm_start import TOP, read, warm_start

pytestmark = pytest.mark.slow

SPACE = """\
trainable: tests.tiny:TinyNet
data: tests.tiny:TinyData
objective: {metric: val_loss, mode: min}
params:
  lr: {low: 1e-4, high: 1.0, log: true}
  width: [2, 4]
seeds: [{lr: 0.5}]
"""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """The folder of a finished run, in a storage of its own."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "s.yaml").write_text(SPACE)
    arguments = ["engine=local", "trials=12", "epochs=3", "lanes=1", "name=first"]
    return start(resolve([f"space={folder}/s.yaml", f"storage={folder}", *arguments])).folder


def config(earlier, *overrides):
    """A search that starts from the earlier run."""
    folder = earlier.parent
    arguments = ["engine=local", "trials=8", "epochs=3", "lanes=1", "warm_start=first"]
    return resolve([f"space={folder}/s.yaml", f"storage={folder}", *arguments, *overrides])


def test_the_best_trials_come_first_and_the_sampler_gets_all_observations(earlier):
    first = open_run(earlier)
    ranked = sorted(first.trials.to_pylist(), key=lambda row: row["objective"])
    folder = start(config(earlier, "name=second")).folder
    rows = open_run(folder).trials.to_pylist()
    for before, row in zip(ranked[:TOP], rows, strict=False):
        assert (row["param/lr"], row["param/width"]) == (before["param/lr"], before["param/width"])
    stored = read(folder)
    assert stored == warm_start(first, config(earlier))
    assert len(stored.observations) == 12
    values = {tuple(o.params.values()): o.values for o in stored.observations}
    for row in first.trials.to_pylist():
        observed = values[row["param/lr"], row["param/width"]]
        assert len(observed) == row["rung"] + 1
        assert observed[-1] == row["objective"]
    lrs = [row["param/lr"] for row in rows]
    assert 0.5 in lrs or ranked[0]["param/lr"] == 0.5  # the seed of the space comes next
    assert len(set(lrs)) == len(lrs)


def test_only_trials_inside_the_space_are_observations(earlier):
    loaded = warm_start(open_run(earlier), config(earlier, "param.lr.high=0.1", "param.width=4"))
    first = open_run(earlier).trials.to_pylist()
    inside = [row for row in first if row["param/lr"] <= 0.1 and row["param/width"] == 4]
    assert 0 < len(inside) < 12
    assert len(loaded.observations) == len(inside)
    assert all(point["lr"] <= 0.1 and point["width"] == 4 for point in loaded.points)


def test_values_at_another_number_of_epochs_are_no_observations(earlier):
    loaded = warm_start(open_run(earlier), config(earlier, "epochs=9"))
    assert loaded.difference == "epochs"
    assert not loaded.observations
    assert len(loaded.points) == TOP


def test_another_objective_is_refused_before_anything_is_written(earlier):
    space = earlier.parent / "other.yaml"
    space.write_text(SPACE.replace("mode: min", "mode: max"))
    with pytest.raises(ValueError, match=r"warm_start=first ranks by val_loss \(min\), but this search by"):
        start(config(earlier, f"space={space}", "name=third"))
    assert not (earlier.parent / "third").exists()
    with pytest.raises(ValueError, match="there is no run 'nothing'"):
        start(config(earlier, "warm_start=nothing"))
