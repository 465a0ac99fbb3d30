"""A search whose parameters count only beside certain values of others."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from results.store import open_run
from search.engines.local import LocalEngine
from search.runs.recorder import Recorder
from search.watch.progress import ProgressView
from spaces.params import Choice, Range
from tests.formula import Formula


@pytest.fixture
def space(formula_space):
    more = {"y": Range(0.0, 1.0, when={"kind": ("b",)}), "z": Choice((1, 2), when={"kind": ("a",)})}
    return replace(formula_space, params={**formula_space.params, **more}, structure=("kind", "z"))


def test_what_does_not_count_is_absent_and_null_in_the_table(make_queue, space, tmp_path):
    queue = make_queue(space=space, trials=40, lanes=3)
    (tmp_path / "config.yaml").write_text("{}")
    with ProgressView(Console(file=io.StringIO()), "t", 1) as view:
        recorder = Recorder(queue, tmp_path, view)
        LocalEngine(Formula()).run(recorder)
        recorder.write()
    rows = open_run(tmp_path).trials.to_pylist()
    kinds = {row["param/kind"] for row in rows}
    assert kinds == {"a", "b"}
    for row in rows:
        assert (row["param/y"] is None) == (row["param/kind"] == "a")
        assert (row["param/z"] is None) == (row["param/kind"] == "b")
        assert space.holds(queue.trials[row["trial"]].params)
    again = make_queue(space=space, trials=40)
    assert {number: trial.params for number, trial in again.trials.items()} == {
        number: trial.params for number, trial in queue.trials.items()
    }
