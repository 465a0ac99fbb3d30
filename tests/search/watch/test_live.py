"""Watching a search: optuna-dashboard over HTTP, and the gauges that Prometheus scrapes of a real cluster."""

import io
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from results.store import open_run
from search.core.job import Report
from search.watch import dashboard
from search.watch.prometheus import GAUGES, Gauges
from tests.formula import Formula

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(make_queue, tmp_path):
    """A run's folder with a queue whose journal is in it."""
    config = {"objective": {"metric": "val/f", "mode": "min"}, "trials": 9}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return make_queue(trials=9, epochs=9), open_run(tmp_path)


@contextmanager
def served(run):
    server = dashboard.make(run, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def get(address, method="GET", content=None):
    """Status and body of a request."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def train(queue, job):
    for report in Formula()(job):
        queue.report(report)
    queue.finish(job, f"checkpoint-{job.number}")


def test_trials_appear_as_they_go(run, monkeypatch):
    queue, found = run
    monkeypatch.setattr(
        "optuna_dashboard._app.get_trials", lambda _, storage, study: storage.get_all_trials(study)
    )
    jobs = [queue.next_job()]
    with served(found) as address:

        def trials():
            return json.loads(get(f"{address}/api/studies/0")[1])["trials"]

        assert [(trial["number"], trial["state"]) for trial in trials()] == [(0, "Running")]
        jobs += [queue.next_job(), queue.next_job()]
        assert [trial["intermediate_values"] for trial in trials()] == [[], [], []]
        for job in jobs:
            train(queue, job)
        promoted = queue.next_job()
        train(queue, promoted)
        up = promoted.lanes[0].number
        shown = trials()[up]
        epochs = [row for row in queue.study.epoch_rows() if row["trial"] == up]
        assert shown["state"] == "Running"  # it waits at its rung
        assert [value["step"] for value in shown["intermediate_values"]] == [1, 2, 3]
        assert [value["value"] for value in shown["intermediate_values"]] == [row["val/f"] for row in epochs]
        columns = {attribute["key"]: attribute["value"] for attribute in shown["user_attrs"]}
        assert float(columns["objective"]) == queue.trials[up].values[-1]
        assert columns["epochs"] == "3"
        assert get(f"{address}/dashboard/studies/0")[0] == 200


def test_the_dashboard_only_looks(run):
    queue, found = run
    train(queue, queue.next_job())
    before = (found.path / "study.log").read_bytes()
    with served(found) as address:
        status, answer = get(f"{address}/api/studies/0", "DELETE", b"{}")
        assert status == 405
        assert "only looks" in json.loads(answer)["reason"]
        assert (
            get(f"{address}/api/studies", "POST", b'{"study_name": "x", "directions": ["minimize"]}')[0]
            == 405
        )
    with pytest.raises(PermissionError, match="only looks"):
        dashboard.LookOnly(found.path / "study.log", "val/f").append_logs([{}])
    assert (found.path / "study.log").read_bytes() == before


def test_half_a_line_of_the_journal_waits_for_its_other_half(run):
    queue, found = run
    train(queue, queue.next_job())
    journal = found.path / "study.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-9])
    backend = dashboard.LookOnly(journal, "val/f")
    first = list(backend.read_logs(0))
    journal.write_bytes(whole)
    rest = list(backend.read_logs(len(first)))
    assert len(rest) == 1
    assert first + rest == dashboard.LookOnly(journal, "val/f").read_logs(0)


def test_the_command_says_where_it_serves(run, tmp_path):
    queue, _ = run
    train(queue, queue.next_job())
    command = [sys.executable, "-m", "search", "dashboard", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/dashboard/studies/0", line)
            assert address, line
            assert get(address.group())[0] == 200
        finally:
            process.send_signal(2)
        assert process.wait(timeout=20) == 0


def test_what_can_not_be_served_is_the_users_error(run, tmp_path, monkeypatch):
    _, found = run
    with pytest.raises(ValueError, match="port is 70000"):
        dashboard.make(found, 70000)
    with served(found) as address:
        taken = int(address.rpartition(":")[2])
        with pytest.raises(ValueError, match=f"port is {taken}, which can't be used"):
            dashboard.make(found, taken)
    (tmp_path / "study.log").unlink()
    with pytest.raises(ValueError, match=r"no study\.log"):
        dashboard.make(found, 0)
    assert not (tmp_path / "study.log").exists()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install optuna-dashboard"):
        dashboard.make(found, 0)


def test_gauges_say_how_a_search_stands(make_queue, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("search.watch.prometheus.time.monotonic", lambda: now[0])
    queue = make_queue(trials=9, epochs=3)
    published = {}
    gauges = Gauges(
        lambda name, about, value, tags: published.__setitem__((name, *tags.values()), value), "r"
    )
    jobs = [queue.next_job(), queue.next_job()]
    for job in jobs:
        now[0] += 2
        queue.report(Report(job.number, 1, 1.0, {job.lanes[0].number: {"val/f": 0.5}}))
        gauges.epoch(queue, Report(job.number, 1, 1.0, {job.lanes[0].number: {"val/f": 0.5}}))
    assert published["ladder_lanes_busy", "r"] == 2
    assert published["ladder_trials", "r", "running"] == 2
    assert published["ladder_trial_epochs_per_second", "r"] == pytest.approx(2 / 4)
    assert ("ladder_best", "r") not in published
    queue.finish(jobs[0], "checkpoint")
    gauges.job(queue, jobs[0])
    assert published["ladder_lanes_busy", "r"] == 2  # not more often than once a second
    now[0] += 70
    gauges.close(queue)
    assert published["ladder_best", "r"] == 0.5
    assert published["ladder_lanes_busy", "r"] == 1
    assert published["ladder_trials", "r", "paused"] == 1
    assert published["ladder_trial_epochs_per_second", "r"] == 0


def test_prometheus_scrapes_what_grafana_draws(make_queue, tmp_path):
    """A search on a real local cluster; its metrics port says the gauges as docs/grafana.json has them."""
    import ray

    from search.engines.ray_tune import RayEngine
    from search.runs.recorder import Recorder
    from search.watch.progress import ProgressView

    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        log_to_driver=False,
        _system_config={"metrics_report_interval_ms": 200},
    )
    try:
        engine = RayEngine(Formula(), name="formula", cpus_per_job=1, gpus_per_job="auto")
        queue = make_queue(trials=4, epochs=1)
        view = ProgressView(Console(file=io.StringIO()), "scraped", workers=1)
        recorder = Recorder(queue, tmp_path, view, [Gauges(engine.publish, "scraped")])
        engine.run(recorder)
        recorder.end()
        (node,) = ray.nodes()
        lines = scrape(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics")
    finally:
        ray.shutdown()
    values = {re.match(r"\w+", line).group(): float(line.rpartition(" ")[2]) for line in lines}  # type: ignore[union-attr]
    assert values["ray_ladder_best"] == pytest.approx(
        min(trial.values[-1] for trial in queue.trials.values())
    )
    complete = [line for line in lines if 'state="complete"' in line]
    assert [float(line.rpartition(" ")[2]) for line in complete] == [4]
    drawn = set(re.findall(r"ray_ladder_\w+", (ROOT / "docs" / "grafana.json").read_text()))
    assert drawn == set(values) == {f"ray_{name}" for name in GAUGES}


def scrape(address):
    """The lines of our gauges, once all of them and the end of the search are there."""
    until = time.monotonic() + 20
    lines = []
    while time.monotonic() < until:
        try:
            text = get(address)[1].decode()
        except urllib.error.URLError:
            text = ""  # the agent is not up yet
        lines = [
            line for line in text.splitlines() if line.startswith("ray_ladder_") and 'run="scraped"' in line
        ]
        over = any('state="complete"' in line and line.endswith(" 4.0") for line in lines)
        if over and len({line.partition("{")[0] for line in lines}) == len(GAUGES):
            return lines
        time.sleep(0.2)
    raise AssertionError(lines)
