"""The progress on the screen: a live panel in a terminal, plain lines elsewhere."""

import io
from dataclasses import replace

import pytest
from rich.console import Console, Group

from results.text import duration, number
from search.core.rungs import UNLIMITED
from search.engines.local import LocalEngine
from search.runs.recorder import Recorder
from search.watch.progress import ConfirmProgress, ProgressView
from tests.formula import Formula


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_of_a_search_is_shown(make_queue, tmp_path, monkeypatch, terminal, capfd):
    monkeypatch.setattr("search.watch.progress.PANEL_INTERVAL", -1.0)
    monkeypatch.setattr("search.watch.progress.LINE_INTERVAL", -1.0)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)

    def train(job):
        print("output of a library")
        for report in Formula(diverges=0.7)(job):
            yield replace(report, note="in parts")

    queue = make_queue(trials=20, epochs=9)
    with ProgressView(console, "demo: a search", workers=3) as view:
        LocalEngine(train).run(Recorder(queue, tmp_path, view))
    shown = out.getvalue()
    best = queue.best()
    assert "first result: trial 0, epoch 1, val/f" in shown
    assert f"after {best.epochs} epochs (trial {best.number})" in shown
    assert "diverged in epoch 1" in shown
    assert shown.count("note: in parts") == 1
    assert "output of a library" not in shown
    assert "output of a library" in capfd.readouterr().out
    if terminal:
        assert "workers  1 of 3 busy: trial 0 epochs 0-1" in shown
        assert "20 of 20" in shown
        assert f"x={number(best.params['x'])}" in shown
    else:
        *lines, last = [line for line in shown.splitlines() if "; best: " in line]
        assert all("1 running" in line for line in lines)  # the next job, though another has just ended
        assert "running" not in last


def test_the_time_left_is_shown(make_queue, tmp_path, monkeypatch):
    monkeypatch.setattr("search.watch.progress.PANEL_INTERVAL", -1.0)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    queue = make_queue(trials=UNLIMITED, time=1e-9)
    with ProgressView(console, "demo: a search", workers=1) as view:
        LocalEngine(Formula()).run(Recorder(queue, tmp_path, view))
    shown = out.getvalue()
    assert "0:00 left of 0:00; no further trial begins" in shown
    assert "the time is over: begins no further trial" in shown
    assert str(UNLIMITED) not in shown.replace(",", "")


def test_the_format_of_numbers_and_durations():
    assert [number(v) for v in (0.123456, 12.3456, 2408.7)] == ["0.1235", "12.35", "2,409"]
    assert [duration(s) for s in (5.9, 65, 3723)] == ["0:05", "1:05", "1:02:03"]


def test_a_panel_that_a_narrower_terminal_has_wrapped_is_erased_whole():
    """Four lines of 30 cells, and one of 6, are nine lines in a terminal of 20."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=40, color_system=None)
    with ProgressView(console, "a search", workers=1) as view:
        view.draw(view.live, Group(*("-" * 30 for _ in range(4)), "short"))
        before = len(out.getvalue())
        console.width = 20
        view.say("a line")
    printed = out.getvalue()[before:].partition("a line")[0]
    assert printed.count("\x1b[1A") == 8  # from the last line to the first of nine
    assert printed.count("\x1b[2K") == 9


def test_jobs_that_are_not_shown_are_counted():
    view = ProgressView(Console(file=io.StringIO(), width=80), "a search", workers=9)
    progress = ConfirmProgress(0, 9, 0, 27, 1.0, tuple(f"trial {number} epochs 0-3" for number in range(6)))
    view.console.print(view.confirm_panel(progress))
    assert "6 of 9 busy" in view.console.file.getvalue()
    assert "trial 3 epochs 0-3; +2 more" in " ".join(view.console.file.getvalue().split())


def test_jobs_that_share_gpus_may_be_more_than_at_the_start():
    view = ProgressView(Console(file=io.StringIO(), width=80), "a search", workers=1)
    view.console.print(view.confirm_panel(ConfirmProgress(0, 9, 0, 27, 1.0, ("trial 0", "trial 1"))))
    assert "2 of 2 busy" in view.console.file.getvalue()
