"""The live report: it follows a search in another process, in a real browser, and asks for its token."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from results.store import open_run
from search.after import live
from search.config.run_config import resolve
from search.core.study import Study
from search.engines.local import LocalEngine
from search.runs.find import find
from search.runs.folder import read_config
from search.runs.run import resume, start
from search.runs.tables import write_tables
from tests.formula import Formula, train
from tests.results.report.test_page import BROWSER, COLOURS, QUIET
from tests.search.watch.serving import Visitor, served
from tests.tiny import SPACE

ROOT = Path(__file__).parents[3]
TRIALS = 900


@pytest.fixture
def searching(tmp_path):
    """A search in another process after its first result. It takes much longer than its test."""
    command = [sys.executable, "-m", "search", "run", "space=mnist_classifier", "engine=local", "name=r"]
    sizes = [f"storage={tmp_path}", f"trials={TRIALS}", "epochs=3", "lanes=1", "param.widths=32"]
    with subprocess.Popen([*command, *sizes], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert any("first result" in line for line in process.stdout)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH")
def test_a_page_grows_with_the_search_and_says_its_end(searching, tmp_path):
    from playwright.sync_api import sync_playwright

    folder = tmp_path / "r"
    config = read_config(open_run(folder))
    rows = "TABLE.rows.length"  # of the table of trials, which shows the first of them
    with served(open_run(folder), config) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        page, errors = browser.new_page(), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(address)
        assert "token" not in page.url
        before = page.evaluate(rows)
        assert page.text_content("#live .state") == "running"
        page.evaluate("window.unchanged = true")  # a page that is loaded again has it no more
        page.click("summary")

        page.wait_for_function(f"() => {rows} >= {before + 5}")
        assert page.text_content("#live .state") == "running"
        assert f"of {TRIALS}: " in page.text_content("#live")
        assert page.evaluate("document.querySelector('details').open")
        page.wait_for_function(f"() => ({COLOURS})(document.querySelector('[data-figure=curves]')) > 10")
        page.fill("#filter", "trial=3")
        page.click("tr.trial")
        page.locator("#trials").evaluate("part => part.scrollIntoView({behavior: 'instant'})")
        place = page.locator("#trials").bounding_box()["y"]

        searching.send_signal(signal.SIGINT)
        page.wait_for_selector("#live[data-running=false]")
        assert page.text_content("#live .state") == "interrupted"
        assert "The search has ended" in page.text_content("#news")
        assert page.locator("#trials").bounding_box()["y"] == pytest.approx(place, abs=2)
        assert page.locator("tr.trial").count() == 1 and page.is_visible("tr.open")
        assert page.text_content("#shown") == f"1 of {open_run(folder).trials.num_rows}"
        assert page.evaluate("window.unchanged && document.querySelector('details').open")
        assert errors == []
        browser.close()


def test_a_remote_run_is_fetched_again(caches, tmp_path):
    (tmp_path / "bucket").mkdir()
    storage = f"file://{tmp_path}/bucket"
    (tmp_path / "tiny.yaml").write_text(SPACE.format(net="TinyNet"))
    sizes = ["trials=2", "epochs=1", "grace=1", "engine=local", "lanes=1"]
    searched = start(resolve([f"space={tmp_path}/tiny.yaml", f"storage={storage}", "name=r", *sizes]))
    caches("other")
    run = find("r", storage)
    config = read_config(run)
    study = Study(run.path / "study.log", config.space, config.rungs, writable=False)
    caches("here")
    assert resume(searched.folder, trials=3).error is None
    caches("other")
    html = live.LiveReport(run.path, config, study, optuna=False).html(whole=False)
    assert run.path != searched.folder and "3 of 3: 3 complete" in html and 'data-running="false"' in html


def test_nothing_is_said_without_the_token(run):
    _, opened, config = run
    server = live.make(opened, config, 0)
    assert server.server_address[0] == "127.0.0.1"
    server.server_close()
    with served(opened, config) as address:
        token = address.partition("token=")[2]
        stranger = Visitor(address, token=False)
        for path in ("/", "/version", "/content", "/?token=wrong", "/dashboard/studies/0", "/api/studies/0"):
            status, answer = stranger.get(path)
            assert status == 403 and b"dashboard" in answer and opened.name.encode() not in answer
        visitor = Visitor(address)
        status, page = visitor.first
        assert status == 200 and token.encode() not in page
        assert visitor.get("/nowhere")[0] == 404
        assert visitor.get("/", method="POST", content=b"{}")[0] == 405


def test_a_report_is_made_again_when_the_tables_have_changed(run):
    queue, opened, config = run
    with served(opened, config) as address:
        visitor = Visitor(address)

        def version():
            return json.loads(visitor.get("/version")[1])["version"]

        first = version()
        assert f'data-version="{first}"'.encode() in visitor.get("/content")[1]
        assert version() == first
        LocalEngine(Formula()).run(queue)
        write_tables(opened.path, queue.study, queue.trials.values())
        content = visitor.get("/content")[1].decode()
        assert version() != first and f'data-version="{version()}"' in content
        assert re.search("9 of 9: .*complete", content)
        assert re.search(r"last change</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d<", content)
        assert len(content) < len(visitor.get("/")[1]) / 10  # without the scripts
        (opened.path / "results" / "trials.parquet").write_bytes(b"torn")
        status, answer = visitor.get("/content")
        assert status == 503 and b"trials.parquet" in answer


def test_trials_of_running_jobs_are_known_from_tables_and_journal(run):
    queue, opened, config = run
    study = Study(opened.path / "study.log", config.space, config.rungs, writable=False)
    jobs = [queue.next_job(), queue.next_job()]
    write_tables(opened.path, queue.study, queue.trials.values())
    jobs.append(queue.next_job())  # the tables do not know it
    assert live.in_training(open_run(opened.path), study) == [0, 1, 2]
    train(queue, jobs[1])  # the journal alone knows its end
    assert live.in_training(open_run(opened.path), study) == [0, 2]
    for job in (jobs[0], jobs[2]):
        train(queue, job)
    promoted = queue.next_job()
    write_tables(opened.path, queue.study, queue.trials.values())
    assert live.in_training(open_run(opened.path), study) == [promoted.lanes[0].number]


def test_without_optuna_dashboard_the_report_has_no_link_to_it(run, monkeypatch):
    _, opened, config = run
    with served(opened, config) as address:
        visitor = Visitor(address)
        assert b'href="/dashboard/studies/0"' in visitor.get("/")[1]
        assert visitor.get("/dashboard/studies/0")[0] == 200
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with served(opened, config) as address:
        visitor = Visitor(address)
        status, page = visitor.get("/")
        assert status == 200 and b"/dashboard" not in page
        assert visitor.get("/dashboard/studies/0")[0] == 404
