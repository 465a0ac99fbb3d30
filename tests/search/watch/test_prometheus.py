"""Gauges: how they follow a search, and that Prometheus can scrape them from a real cluster."""

import io
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from rich.console import Console

from search.watch.prometheus import GAUGES, Gauges
from spaces.lane import Report
from tests.formula import Formula

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


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
        queue.report(Report(1, 1.0, {job.lanes[0].number: {"val/f": 0.5}}, job=job.number))
        gauges.epoch(queue, Report(1, 1.0, {job.lanes[0].number: {"val/f": 0.5}}, job=job.number))
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
            with urllib.request.urlopen(address, timeout=20) as answer:
                text = answer.read().decode()
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
