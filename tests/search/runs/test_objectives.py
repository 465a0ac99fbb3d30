"""A run with two objectives and a constraint, from the space file to the tables, the report and a new run."""

import json

import pytest

from results.store import open_run
from search.after.report import make
from search.cli.tables import print_run, summary
from search.config.run_config import from_plain, resolve
from search.runs.run import start
from search.runs.warm_start import read, warm_start
from tests.search.command import search

pytestmark = pytest.mark.slow

SPACE = """\
trainable: tests.foreign.autoencoder:LitAutoEncoder
data: tests.foreign.autoencoder:DigitsDataModule
objective: [{metric: val_loss, mode: min}, {metric: model/params, mode: min}]
constraint: {metric: model/memory_mb, max: 0.15}
params:
  lr: {low: 1e-3, high: 0.3, log: true}
  hidden: [8, 16, 64]
seeds: [{lr: 0.1, hidden: 64}]
"""


def space(folder):
    """The path of the space file. 64 hidden units break the constraint."""
    path = folder / "s.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objectives")
    sizes = ["engine=local", "trials=12", "epochs=3", "lanes=1", "confirm.top=2", "confirm.seeds=2"]
    config = resolve([f"space={space(folder)}", f"storage={folder}", "name=two", *sizes])
    return open_run(start(config).folder)


def test_the_table_has_the_metrics_the_violation_and_the_front(run):
    rows = run.trials.to_pylist()
    assert {row["param/hidden"] for row in rows} == {8, 16, 64}
    for row in rows:
        assert (row["violation"] > 0) == (row["param/hidden"] == 64) == (row["metric/model/memory_mb"] > 0.15)
    kept = [row for row in rows if not row["violation"]]
    for row in rows:
        point = row["objective"], row["metric/model/params"]
        others = [(o["objective"], o["metric/model/params"]) for o in kept]
        dominated = any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in others)
        assert row["front"] == (row in kept and not dominated)
    best = min(kept, key=lambda row: row["objective"])
    assert run.best() == best


def test_the_configuration_of_the_run_has_both_objectives(run):
    config = from_plain(run.config, "config.yaml")
    assert [o.metric for o in config.space.objectives] == ["val_loss", "model/params"]
    assert config.space.constraints[0].max == 0.15


def test_a_configuration_that_breaks_the_constraint_cannot_win(run):
    result = run.confirmation
    assert result.winner is not None and result.winner != "default"
    default = next(config for config in result.configs if config.config == "default")
    assert result.configs[-1] == default
    assert default.violation > 0
    assert default.metrics["model/params"] > result.configs[0].metrics["model/params"]


def test_the_front_and_the_constraint_are_shown(run, capsys):
    print_run(run)
    shown = " ".join(capsys.readouterr().out.split())
    fronts = [row for row in run.trials.to_pylist() if row["front"]]
    assert f"front of val_loss (min) and model/params (min): {len(fronts)} of 12 trials" in shown
    assert "break a constraint (model/memory_mb <= 0.15)" in shown
    assert "default (trial 0) can't win: a constraint is broken" in shown or "default can't win" in shown
    facts = json.loads(json.dumps(summary(run)))
    assert [o["metric"] for o in facts["objectives"]] == ["val_loss", "model/params"]
    assert facts["trials"][0]["violation"] > 0
    html = make(run).read_text()
    assert "The front" in html and "model/memory_mb &lt;= 0.15" in html


def test_a_new_run_knows_the_values_of_all_objectives(run):
    overrides = [f"space={run.path.parent}/s.yaml", f"storage={run.path.parent}", "warm_start=two"]
    config = resolve([*overrides, "engine=local", "trials=6", "epochs=3", "lanes=1", "name=next"])
    earlier = warm_start(run, config)
    assert len(earlier.observations) == 12
    assert all(len(one.vectors) == len(one.values) for one in earlier.observations)
    assert any(one.vectors[0][0] > 0 for one in earlier.observations)
    assert read(start(config).folder) == earlier


def test_a_metric_that_no_epoch_logs_is_one_line(tmp_path):
    path = space(tmp_path)
    path.write_text(path.read_text().replace("val_loss", "nothing"))
    result = search("run", f"space={path}", "engine=local", "trials=9", f"storage={tmp_path}/runs")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "error: the metric 'nothing', which ranks trials, was not logged; logged were: lr, model/memory_mb, "
        "model/params, train_loss, val_loss (objective and constraint in the space file)"
    ]
