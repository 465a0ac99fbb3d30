"""The process that makes the report at the end of a run."""

import os
import sys
from threading import Event, Thread

import pytest

from search.after.report_process import ReportProcess, restore_priority
from tests.results.made import make_run

pytestmark = pytest.mark.slow


def report_line(folder, gallery):
    with ReportProcess(gallery) as report:
        report.begin(folder)
        return report.finish()


@pytest.mark.parametrize("gallery", [None, "its:gallery"])
def test_the_report_process_prints_one_line_for_a_report_and_for_an_error(tmp_path, monkeypatch, gallery):
    run = make_run(tmp_path, monkeypatch, 4)
    assert report_line(run.path, gallery) == f"report: {run.path / 'report.html'}"
    (run.path / "results" / "confirm.parquet").write_text("no such thing")
    line = report_line(run.path, gallery)
    assert line.startswith("the report can't be made: ") and "confirm.parquet" in line and "\n" not in line


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_a_thread_at_idle_priority_has_full_priority_again_where_that_is_allowed():
    idle, end = Event(), Event()

    def run():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        idle.set()
        end.wait()

    thread = Thread(target=run)
    thread.start()
    idle.wait()
    full = restore_priority(thread)
    policy = os.sched_getscheduler(thread.native_id)
    end.set()
    thread.join()
    assert policy == (os.SCHED_OTHER if full else os.SCHED_IDLE)


def test_a_killed_report_process_leaves_the_run_without_a_report(tmp_path):
    with ReportProcess(gallery=None) as report:
        report.process.kill()
        report.process.wait()
        report.begin(tmp_path)
        assert report.finish() == "the report can't be made: code -9"


def test_an_interrupted_report_prints_the_command_that_makes_it(tmp_path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    with ReportProcess(gallery=None) as report:
        report.begin(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(report.process, "communicate", interrupt)
            assert report.finish().endswith(f"python -m search report {tmp_path}")
    assert report.process.returncode == -9


def test_a_report_process_ends_with_its_parent():
    with ReportProcess(gallery=None) as report:
        waiting = report.process
        waiting.stdin.close()  # as the death of this process would
        waiting.stdin = None
        assert waiting.wait() == 0
