"""The content of the report."""

import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results import open_run
from results.baselines import baselines
from results.facts import write_facts
from results.report.model_card import certainty
from results.report.render import Extras, render
from results.store import write_confirmed
from search.after.report import make
from search.cli.tables import against, print_run
from tests.results.made import make_run

MAX_BYTES = 6e6  # of a report of a thousand trials


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make_run(tmp_path_factory.mktemp("large"), patch, 1000)


@pytest.fixture(scope="module")
def html(large):
    return make(large).read_text()


@pytest.mark.slow
def test_a_report_of_a_thousand_trials_is_small_and_complete(large, html):
    assert (large.path / "report.html").stat().st_size < MAX_BYTES
    best = large.best()
    assert f"Trial {best['trial']} after {best['epochs']} epochs" in html
    assert "python -m search confirm made" in html and "Unconfirmed" in html
    assert "1,000" in html and "of the epochs" in html
    assert "default: trial 0" in html and "constant prediction" in html
    assert not list(large.path.glob(".report*"))


def test_text_in_a_run_is_escaped(html):
    assert "&lt;b&gt;tried&lt;/b&gt; to allocate" in html  # the error of the failed ones
    assert "<b>tried" not in html


def test_a_report_makes_no_requests(html):
    markup = re.sub(r"<script.*?</script>", "", html, flags=re.S)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", markup)
    assert "default-src 'none'" in markup


@pytest.mark.parametrize("mode", ["min", "max"])
def test_show_and_report_print_unbeaten_baselines_in_bold(mode, tmp_path, monkeypatch, capsys):
    run = make_run(tmp_path, monkeypatch, 1, "a", "epochs=1")
    (row,) = run.epochs.to_pylist()
    sign = 1 if mode == "min" else -1
    config = {**run.config, "objective": {"metric": "val/loss", "mode": mode}}

    def unbeaten(baseline, nearest):
        margins = {"baseline": baseline, "nearest": nearest}
        write_facts(run.path, {0: {key: row["val/loss"] + sign * margin for key, margin in margins.items()}})
        changed = replace(open_run(run.path), config=config)
        print_run(changed)
        printed, verdicts = capsys.readouterr().out, ("nothing was learned", "training has not beaten it")
        bold = [f": [bold red]{verdict}[/bold red]" in against(baselines(changed)) for verdict in verdicts]
        assert [f": {verdict}" in printed for verdict in verdicts] == bold
        page = render(changed, Extras())
        return bold, [
            "<b>Nothing was learned.</b> The constant prediction scores" in page,
            "<b>Training has not beaten it.</b> The most similar training sample scores" in page,
        ]

    for constant, nearest in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        assert unbeaten(constant, nearest) == ([constant < 0, nearest < 0],) * 2


@pytest.mark.parametrize(
    ("baseline", "best", "beaten"),
    [(0.992, 0.998, True), (0.992, 0.99205, False), (0.1, 0.102, True), (0, 0, False)],
)
def test_an_accuracy_near_one_can_beat_a_baseline_near_one(baseline, best, beaten, tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 1, "a", "epochs=1")
    run = replace(run, facts={0: {"baseline": baseline}})
    trials = [row | {"objective": best} for row in run.trials.to_pylist()]
    config = {**run.config, "objective": {"metric": "val/loss", "mode": "max"}}
    changed = replace(run, config=config, trials=pa.Table.from_pylist(trials, run.trials.schema))
    assert [one.beaten for one in baselines(changed)] == [beaten]


@pytest.mark.parametrize(
    "trials, more",
    [
        (1, []),
        (2, ["epochs=1"]),
        (3, ["param.lr=0.001", "param.depth=2"]),
        (12, ["param.loss=[mse,16,null]"]),
    ],
)
def test_small_runs_have_reports(trials, more, tmp_path, monkeypatch):
    assert make(make_run(tmp_path, monkeypatch, trials, "small", *more)).stat().st_size > 1e6


def test_a_run_without_any_value_has_a_report(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 3, "none", "param.lr=0.09")
    assert run.status == "failed"
    html = make(run).read_text()
    assert "No trial has a value" in html and "3 diverged" in html


def test_a_table_of_rungs_ahead_of_the_trials_has_a_report(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 24, "ahead")
    table = run.path / "results" / "trials.parquet"
    pq.write_table(run.trials.slice(0, 20), table)  # a running search may write between two reads
    rungs = open_run(run.path).rungs["trial"].to_pylist()
    assert rungs and set(rungs) <= set(range(20))
    assert make(open_run(run.path)).stat().st_size > 1e6


def test_an_earlier_run_without_rungs_and_facts_has_a_report(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 24, "earlier")
    for name in ("rungs.parquet", "facts.json"):
        (run.path / "results" / name).unlink()
    earlier = open_run(run.path)
    assert (earlier.rungs.num_rows, baselines(earlier)) == (0, [])
    html = render(earlier, Extras())
    assert f"Trial {earlier.best()['trial']} after" in html and "constant prediction" not in html


def test_a_report_and_a_card_show_the_uncertainty_of_a_confirmation(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 4, "sure")

    def page_and_card(**scores: list[float]) -> tuple[str, str]:
        rows = [
            {"config": config.replace("_", " "), "trial": 0 if config == "trial_0" else None, "seed": seed}
            | {"state": "complete", "val": value, "test": value}
            for config, values in scores.items()
            for seed, value in enumerate(values)
        ]
        write_confirmed(run.path, rows, {})
        confirmed = open_run(run.path)
        return render(confirmed, Extras()), certainty(confirmed.confirmation, "trial 0")

    page, card = page_and_card(trial_0=[0.2], default=[0.4])
    assert "mean of 1 new seed. It leads default by 0.2; with one seed the uncertainty is unknown" in page
    assert "told apart" not in page and "interval" not in card.partition(":")[0]
    page, card = page_and_card(trial_0=[0.2, 0.4], default=[0.4, 0.3])
    assert "It leads default by" in page and page.count("the two can&#39;t be told apart") == 1
    assert "may extend beyond the range of the metric" in page and "with 95 % intervals" in card
    page, _ = page_and_card(trial_0=[0.2, 0.4], trial_1=[0.3, 0.4], default=[0.4, 0.3])
    assert re.search(r"It leads the default by [^.]*[^<]*: the two can.{1,6}t be told apart", page)


def test_a_report_does_not_tell_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    html = make(make_run(tmp_path, monkeypatch, 3, "private")).read_text()
    assert str(tmp_path) not in html
    assert "~/learning.yaml" in html
