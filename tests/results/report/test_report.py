"""The content of the report, and the process that makes it."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results import open_run
from results.baselines import baselines
from results.picture import Picture
from results.report.compare import compare, differences, winners, write
from results.report.model_card import certainty
from results.report.render import Extras, render
from results.store import write_confirmed, write_facts
from search.after.report import make, pictures
from search.after.report_process import ReportProcess
from search.after.retrain import hydra_value, retrain_command
from search.cli.tables import against, print_run
from search.config.run_config import resolve
from search.runs.folder import read_config
from search.runs.run import start
from tests.results.made import make_run

MAX_BYTES = 6e6  # of a report of a thousand trials


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make_run(tmp_path_factory.mktemp("large"), patch, 1000)


@pytest.fixture(scope="module")
def html(large):
    return make(large).read_text()


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
    write_facts(run.path, {0: {"baseline": baseline}})
    trials = [row | {"objective": best} for row in run.trials.to_pylist()]
    config = {**run.config, "objective": {"metric": "val/loss", "mode": "max"}}
    changed = replace(run, config=config, trials=pa.Table.from_pylist(trials, run.trials.schema))
    assert [one.beaten for one in baselines(changed)] == [beaten]


def test_the_command_has_the_path_of_the_space_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    run = make_run(Path("mine"), monkeypatch, 1)
    config = read_config(run)
    params = config.space.params_in(run.best())
    words = shlex.split(retrain_command(config, 0, params))
    assert words[:5] == ["python", "-m", "search", "run", "space=mine/learning.yaml"]
    assert resolve(words[4:]).space.default() == params


def report_line(folder):
    with ReportProcess() as report:
        report.begin(folder)
        return report.finish()


def test_the_report_process_prints_one_line_for_a_report_and_for_an_error(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 4)
    assert report_line(run.path) == f"report: {run.path / 'report.html'}"
    (run.path / "results" / "trials.parquet").write_text("no such thing")
    line = report_line(run.path)
    assert line.startswith("the report can't be made: ") and "trials.parquet" in line and "\n" not in line


def test_a_killed_report_process_leaves_the_run_without_a_report(tmp_path):
    with ReportProcess() as report:
        report.process.kill()
        report.process.wait()
        report.begin(tmp_path)
        assert report.finish() == "the report can't be made: code -9"


def test_an_interrupted_report_prints_the_command_that_makes_it(tmp_path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    with ReportProcess() as report:
        report.begin(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(report.process, "communicate", interrupt)
            assert report.finish().endswith(f"python -m search report {tmp_path}")
    assert report.process.returncode == -9


def test_a_report_process_ends_with_its_parent():
    with ReportProcess() as report:
        waiting = report.process
        waiting.stdin.close()  # as the death of this process would
        waiting.stdin = None
        assert waiting.wait() == 0


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
        return render(confirmed, Extras()), certainty(confirmed.confirmation(), "trial 0")

    page, card = page_and_card(trial_0=[0.2], default=[0.4])
    assert "mean of 1 fresh seed. It leads default by 0.2; with one seed the uncertainty is unknown" in page
    assert "told apart" not in page and "interval" not in card.partition(":")[0]
    page, card = page_and_card(trial_0=[0.2, 0.4], default=[0.4, 0.3])
    assert "It leads default by" in page and page.count("the two can&#39;t be told apart") == 1
    assert "may extend beyond the range of the metric" in page and "with 95 % intervals" in card
    page, _ = page_and_card(trial_0=[0.2, 0.4], trial_1=[0.3, 0.4], default=[0.4, 0.3])
    assert re.search(r"It leads the default by [^.]*[^<]*: the two can.{1,6}t be told apart", page)


def test_an_error_of_a_gallery_becomes_a_line(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 4)
    config = resolve([f"space={tmp_path}/learning.yaml"])
    assert pictures(run, config) == ([], "")
    config = replace(config, space=replace(config.space, gallery="tests.results.report.test_report:broken"))
    monkeypatch.setattr("search.after.models.best_model", lambda run: None)
    monkeypatch.setattr("search.after.models.load", lambda model: (None, None))
    assert pictures(run, config) == ([], "RuntimeError: it broke here")
    config = replace(config, space=replace(config.space, gallery="tests.results.report.test_report:fine"))
    assert [picture.title for picture in pictures(run, config)[0]] == ["A table."]


def broken(module, data):
    raise RuntimeError("it broke\nhere")


def fine(module, data):
    return [Picture("A table.", "It is empty.", html="<table></table>")]


def test_the_command_trains_the_trial_again(tmp_path):
    """Exactly, and a stopped trial to the last rung: batches, weights and rates are the same."""
    size = ["engine=local", "lanes=1", f"storage={tmp_path}"]
    overrides = ["space=mnist_classifier", "name=first", "trials=4", "epochs=3", "sampler=random", *size]
    first = open_run(start(resolve(overrides)).folder)
    html = make(first).read_text()
    stopped = next(
        row["trial"] for row in first.trials.to_pylist() if row["state"] == "stopped" and row["trial"]
    )
    commands = re.search(r'"commands":(\{.*?\})\}', html).group(1)
    command = re.search(rf'"{stopped}":"((?:[^"\\]|\\.)*)"', commands).group(1).replace('\\"', '"')
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "search", "run"]
    again = open_run(start(resolve([*words[4:], "name=again", f"storage={tmp_path}"])).folder)
    (row,) = again.trials.to_pylist()
    assert (row["state"], row["epochs"]) == ("complete", 3)

    def curve(run, trial):
        return [e["val/loss"] for e in run.epochs.to_pylist() if e["trial"] == trial]

    before = curve(first, stopped)
    assert before and curve(again, 0)[: len(before)] == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize(
    "value", [1, 0.1, 1e-7, True, None, "128-64", "32", "true", "a b", 'a"b\\', "relu", "/x/y.z"]
)
def test_hydras_grammar_preserves_values(value):
    from search.config.overrides import parse_overrides

    (word,) = shlex.split(shlex.quote(f"x={hydra_value(value)}"))
    assert parse_overrides([word]) == {"x": value}


def test_galleries_show_pictures_of_real_models(tmp_path):
    from PIL import Image

    for space, titles, more in (
        ("mnist_classifier", ["Confusion matrix.", "Worst mistakes."], []),
        ("mnist_autoencoder", ["Worst reconstructions.", "Best reconstructions."], []),
        (
            "slice_reg",
            ["Largest errors.", "Smallest errors."],
            [
                "data.image_size=32",
                "data.train=32",
                "data.val=16",
                "backbone=resnet10t",
                "param.batch_size=16",
            ],
        ),
    ):
        size = ["trials=1", "epochs=1", "engine=local", "name=r", f"storage={tmp_path / space}"]
        config = resolve([f"space={space}", *size, *more])
        run = open_run(start(config).folder)
        images, missing = pictures(run, config)
        assert missing == "" and [picture.title for picture in images] == titles
        for number, picture in enumerate(images):
            assert bool(picture.png) != bool(picture.html)
            if picture.png:
                (tmp_path / f"{number}.png").write_bytes(picture.png)
                image = Image.open(tmp_path / f"{number}.png")
                assert image.width > 300 and len(set(image.convert("L").get_flattened_data())) > 10


def test_the_confusion_matrix_counts_each_image_once():
    import torch

    from trainables.mnist.gallery import confusion

    html = confusion(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1]), 2)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells == ["<b>1</b>", "1", "·", "<b>2</b>"]


def test_compare(tmp_path, monkeypatch):
    runs = [make_run(tmp_path, monkeypatch, 6, name, f"seed={seed}") for seed, name in enumerate("ab")]
    columns = compare(runs)
    assert [column.row()["run"] for column in columns] == ["a", "b"]
    assert [column.row()["best"] for column in columns] == [run.best()["objective"] for run in runs]
    assert differences(columns) == [("seed", [0, 1])]
    assert dict(winners(columns))["lr"] == [run.best()["param/lr"] for run in runs]
    html = write(columns, tmp_path / "page.html").read_text()
    assert "<title>a, b</title>" in html and "confirm NAME" in html and "different data" not in html
    changed = replace(
        columns[1], run=replace(runs[1], config={**runs[1].config, "options": {"root": "else"}})
    )
    assert "different data" in write([columns[0], changed], tmp_path / "page.html").read_text()

    with pytest.raises(ValueError, match="two runs"):
        compare(runs[:1])
    with pytest.raises(ValueError, match="named twice"):
        compare([runs[0], runs[0]])
    objective = {"metric": "val/loss", "mode": "max"}
    other = replace(runs[1], config={**runs[1].config, "objective": objective})
    with pytest.raises(ValueError, match=r"val/loss \(min\) and val/loss \(max\)"):
        compare([runs[0], other])


def test_all_figures_mark_the_same_one_of_equal_trials():
    from results.parameters import Dimension
    from results.report.charts import best_trial
    from results.report.parameter_figures import contours, parallel, slices

    dims = [Dimension("x"), Dimension("y")]
    rows = [
        {"trial": n, "state": "complete", "objective": value, "epochs": 3, "param/x": 0.1 * n, "param/y": 0.5}
        for n, value in enumerate([0.5, 0.9, 0.9, 0.2])
    ]
    assert best_trial(rows, "max") == 1
    assert parallel(rows, dims, "f", "max").option["series"][0]["data"][-1]["value"][-1] == 1
    for figure in [*slices(rows, dims, "max"), *contours(rows, dims, "max")]:
        assert [dot[2] for dot in figure.option["series"][-1]["data"]] == [1]


def test_marks_are_drawn_at_their_exact_values():
    """By default ECharts rounds the value of a mark to two decimals."""
    from results.analysis import Step
    from results.report.figures import best_so_far

    for figure in best_so_far([Step(0, 0.9071, 3, 0.5), Step(1, 0.9133, 6, 1.0)], {"default": 0.9071}, "max"):
        mark = figure.option["series"][0]["markLine"]
        assert mark["precision"] == -1 and mark["data"][0]["yAxis"] == 0.9071
