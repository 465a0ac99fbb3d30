"""optuna-dashboard on a run, over HTTP: it follows the search and changes nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from search.after import live
from search.core.study import Study
from search.engines.local import LocalEngine
from search.watch import dashboard
from tests.formula import Formula, train
from tests.search.watch.serving import Visitor, served

ROOT = Path(__file__).parents[3]


def test_trials_appear_and_grow(run, monkeypatch):
    queue, opened, config = run
    # optuna-dashboard reads the trials from its storage every ten seconds only.
    monkeypatch.setattr(
        "optuna_dashboard._app.get_trials", lambda _, storage, study: storage.get_all_trials(study)
    )
    jobs = [queue.next_job()]
    with served(opened, config) as address:
        get = Visitor(address).get

        def trials():
            return json.loads(get("/api/studies/0")[1])["trials"]

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
        assert shown["state"] == "Running"  # paused at its rung
        assert shown["params"] == trials()[up]["params"]
        assert [value["step"] for value in shown["intermediate_values"]] == [1, 2, 3]
        assert [value["value"] for value in shown["intermediate_values"]] == [row["val/f"] for row in epochs]
        columns = {attribute["key"]: attribute["value"] for attribute in shown["user_attrs"]}
        assert float(columns["objective"]) == queue.trials[up].values[-1]
        assert columns["epochs"] == "3"
        LocalEngine(Formula()).run(queue)
        ends = {"complete": "Complete", "stopped": "Pruned"}
        assert [trial["state"] for trial in trials()] == [ends[t.state] for t in queue.trials.values()]
        assert get("/dashboard/studies/0")[0] == 200


def test_the_dashboard_is_read_only(run):
    queue, opened, config = run
    train(queue, queue.next_job())
    before = (opened.path / "study.log").read_bytes()
    with served(opened, config) as address:
        get = Visitor(address).get
        status, answer = get("/api/studies/0", method="DELETE", content=b"{}")
        assert status == 405
        assert "read-only" in json.loads(answer)["reason"]
        content = b'{"study_name": "x", "directions": ["minimize"]}'
        assert get("/api/studies", method="POST", content=content)[0] == 405
        assert get("/api/studies/0")[0] == 200
    assert (opened.path / "study.log").read_bytes() == before


def test_a_copy_has_what_the_study_has(run, tmp_path, formula_space):
    queue, _, config = run
    LocalEngine(Formula(diverges=0.9)).run(queue)
    study = Study(tmp_path / "study.log", formula_space, config.rungs, writable=False)
    copy = dashboard.StudyCopy(study, "copy")
    originals, copies = study.frozen_trials(), copy.storage.get_all_trials(copy.study_id)
    for original, copied in zip(originals, copies, strict=True):
        for field in ("number", "state", "values", "params", "distributions", "datetime_start"):
            assert getattr(copied, field) == getattr(original, field), field
        for step, value in original.intermediate_values.items():
            assert copied.intermediate_values[step] == value
    copy.refresh()
    assert copy.storage.get_all_trials(copy.study_id) == copies


def test_half_a_line_of_the_journal_waits_for_its_other_half(run, tmp_path, formula_space):
    queue, _, config = run
    train(queue, queue.next_job())
    journal = tmp_path / "study.log"
    whole = journal.read_bytes()
    half = whole[: whole.index(b'"rung/1"') + 20]  # of the entry that a finished rung is
    journal.write_bytes(half)
    copy = dashboard.StudyCopy(Study(journal, formula_space, config.rungs, writable=False), "copy")
    assert journal.read_bytes() == half
    assert not copy.storage.get_all_trials(copy.study_id)[0].intermediate_values
    journal.write_bytes(whole)
    copy.refresh()
    assert list(copy.storage.get_all_trials(copy.study_id)[0].intermediate_values) == [1]


def test_the_command_says_where_it_serves(run, tmp_path):
    queue, _, _ = run
    train(queue, queue.next_job())
    command = [sys.executable, "-m", "search", "dashboard", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
            assert address, line
            assert Visitor(address.group()).first[0] == 200
        finally:
            process.send_signal(2)
        assert process.wait(timeout=20) == 0


def test_a_dashboard_that_cannot_be_served_is_the_users_error(run, tmp_path):
    _, opened, config = run
    with pytest.raises(ValueError, match="port is 70000"):
        live.make(opened, config, 70000)
    with served(opened, config) as address:
        port = int(re.search(r":(\d+)/", address)[1])
        with pytest.raises(ValueError, match=f"port is {port}, which can't be used"):
            live.make(opened, config, port)
    (tmp_path / "study.log").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no study yet"):
        live.make(opened, config, 0)
    (tmp_path / "study.log").unlink()
    with pytest.raises(ValueError, match=r"no study\.log"):
        live.make(opened, config, 0)
    assert not (tmp_path / "study.log").exists()
