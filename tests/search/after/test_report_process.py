"""The process that makes the report at the end of a run."""

import pytest

from search.after.report_process import ReportProcess
from tests.results.made import make_run

pytestmark = pytest.mark.slow


def report_line(folder):
    with ReportProcess() as report:
        report.begin(folder)
        return report.finish()


def test_the_report_process_prints_one_line_for_a_report_and_for_an_error(tmp_path, monkeypatch):
    run = make_run(tmp_path, monkeypatch, 4)
    assert report_line(run.path) == f"report: {run.path / 'report.html'}"
    (run.path / "results" / "confirm.parquet").write_text("no such thing")
    line = report_line(run.path)
    assert line.startswith("the report can't be made: ") and "confirm.parquet" in line and "\n" not in line


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
