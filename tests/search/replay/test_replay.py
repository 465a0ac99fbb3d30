"""Replays of a run: the record that is read, the searches, the table, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from results import open_run, replays
from search.cli.commands import app
from search.replay.record import MAX_TRIALS, read_record
from search.replay.replay import Case, make_bench, summarise
from search.replay.settings import Setting
from search.runs.folder import read_config
from tests.results.made import make_run

FULL = Setting(eta=3, grace=27, sampler="random")
EARLY = Setting(eta=3, grace=1, sampler="random")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make_run(tmp_path_factory.mktemp("runs"), patch, 60)


@pytest.fixture(scope="module")
def bench(run):
    config = read_config(run)
    return make_bench(read_record(run, config), run, config, 60)


def replay(*arguments):
    return CliRunner().invoke(app, ["replay", *map(str, arguments)])


def test_a_record_has_the_curves_of_the_run(run):
    record = read_record(run, read_config(run))
    states = run.trials["state"].to_pylist()
    assert len(record.configurations) == 60 - states.count("failed")
    assert record.complete.sum() == states.count("complete")
    assert record.diverged.sum() == states.count("diverged") > 0
    rows = {(row["trial"], row["epoch"]): row["val/loss"] for row in run.epochs.to_pylist()}
    trials = [row["trial"] for row in run.trials.to_pylist() if row["state"] != "failed"]
    for number, trial in enumerate(trials):
        for epoch in range(1, record.trained[number] + 1):
            assert record.values[number, epoch - 1] == rows[trial, epoch]
        assert np.isnan(record.values[number, record.trained[number] :]).all()
    assert trials[record.winner] == run.best()["trial"]
    assert (record.seconds == 0.5).all()


def test_a_large_record_is_sampled_with_its_winner(run):
    record = read_record(run, read_config(run))
    large = replace(record, configurations=record.configurations * 3)
    chosen = large.sample(0)
    assert len(set(chosen.tolist())) == MAX_TRIALS and record.winner in chosen
    assert record.sample(0).tolist() == list(range(len(record.configurations)))


def test_training_everything_in_full_finds_the_best_at_full_cost(bench):
    score = bench.score(Case(FULL, 0))
    assert (score.found, score.regret) == (True, 0.0)
    assert score.epochs == score.full_epochs
    assert score.seconds == score.full_seconds == pytest.approx(0.5 * score.epochs)


def test_early_stopping_costs_less_and_the_same_search_has_the_same_score(bench):
    score = bench.score(Case(EARLY, 1))
    assert score.epochs < 0.5 * score.full_epochs
    assert score == bench.score(Case(EARLY, 1))
    assert 0 <= score.regret <= 1


def test_a_difference_that_all_searches_show_is_told_apart(bench):
    score = bench.score(Case(FULL, 0))
    good, bad = ([replace(score, regret=regret + draw / 1000) for draw in range(20)] for regret in (0.1, 0.4))
    first, second = summarise([FULL, EARLY], [good, bad], 27, larger=2.0)
    assert (first.is_as_good, second.is_as_good) == (True, False)
    assert second.behind == pytest.approx(0.3) and first.rungs == (27,) and second.rungs == (1, 3, 9, 27)
    assert first.seconds == pytest.approx(2 * good[0].seconds)
    mixed = [replace(score, regret=0.1 + (draw % 2) * 0.02) for draw, score in enumerate(good)]
    assert all(row.is_as_good for row in summarise([FULL, EARLY], [good, mixed], 27, 1.0))


@pytest.mark.slow
def test_the_command_writes_a_table_and_the_report_shows_it(run):
    before = (run.path / "study.log").read_bytes()
    (run.path / "report.html").write_text("old")
    result = replay(run.path, "eta=3,27", "trials=120", "--json")
    assert result.exit_code == 0, result.output
    plain = json.loads(result.stdout)
    assert [(row["eta"], row["grace"], row["sampler"]) for row in plain["rows"]] == [
        (3, 1, "random"),
        (27, 1, "random"),
    ]
    written = replays.read(run.path)
    assert json.loads(json.dumps(plain["basis"])) == vars(written.basis)
    assert written.basis.next_trials == 120 and written.basis.trials == written.basis.curves
    html = (run.path / "report.html").read_text()
    assert "Other settings, replayed" in html and plain["verdict"].partition("'")[0] in html
    assert (run.path / "study.log").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eta=1"], "eta is 1, but must be a whole number >= 2"),
        (["eta=3,2.5"], "eta is 2.5, but must be a whole number >= 2"),
        (["grace=28"], "grace is 28, but must be from 1 to epochs=27"),
        (["sampler=tpe,lader"], "sampler is 'lader'; did you mean 'ladder'?"),
        (["sampler=cmaes"], "sampler is 'cmaes', which searches ranges alone"),
        (["trials=0"], "trials is 0, but must be a whole number >= 1"),
        (["epochs=9"], "is not understood here"),
    ],
)
def test_a_mistake_is_one_line(run, arguments, message):
    result = replay(run.path, *arguments)
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"constraint": [{"metric": "val/loss", "max": 1.0}]}, "ranks its trials by several metrics"),
        ({"fidelity": ["epochs", "size"], "options": {"size": 64}}, r"a replay takes \[epochs\] only"),
        ({"epochs": 81}, "too thin a record for a replay: 0 of"),
    ],
)
def test_a_run_that_cannot_be_replayed(run, change, message):
    other = replace(run, config={**run.config, **change})
    with pytest.raises(ValueError, match=message):
        read_record(other, read_config(other))


def test_a_run_with_few_trials_cannot_be_replayed(tmp_path, monkeypatch):
    small = make_run(tmp_path, monkeypatch, 12)
    result = replay(small.path)
    assert result.exit_code == 2
    assert "trials with a value, but a replay needs 20 or more" in result.stderr
    assert not (small.path / replays.REPLAY_FILE).exists()
    assert yaml.safe_load((small.path / "config.yaml").read_text()) == open_run(small.path).config
