"""A damaged file of a run: one line that names it, and nothing lost; derived files are made again."""

import fcntl
import json
import shutil

import pytest
from typer.testing import CliRunner

from results import environment
from results.damage import DamagedTable
from results.store import open_run, write_confirmed
from search.cli.commands import app
from search.runs import warm_start
from search.runs.find import open_whole
from tests.results.made import make_run

DERIVED = ("trials.parquet", "rungs.parquet", "epochs/00000.parquet", "facts.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run."""
    with pytest.MonkeyPatch.context() as patch:
        return make_run(tmp_path_factory.mktemp("made"), patch, 6, "r", "epochs=3", "lanes=1").path


@pytest.fixture
def run(made, tmp_path):
    """The folder of a copy of the run."""
    return shutil.copytree(made, tmp_path / "storage" / "r")


def command(*arguments):
    """Exit code and output of a command. A refusal is one line."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code in (0, 2), result.exception
    if result.exit_code == 2:
        assert len(result.stderr.splitlines()) == 1
    return result.exit_code, result.stdout + result.stderr


def files(folder):
    """The content of all files in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("content", [b"", b"half", None])
def test_a_torn_derived_file_is_made_again_from_the_journal(run, name, content):
    whole, path = open_run(run), run / "results" / name
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    with pytest.raises(DamagedTable, match=f"{path} can't be read: .*python -m search show r"):
        open_run(run)
    code, shown = command("show", run)
    assert code == 0 and "6 trials" in shown
    again = open_run(run)
    assert (again.facts, again.early_end) == (whole.facts, whole.early_end)
    for table in ("trials", "rungs", "epochs"):
        assert getattr(again, table).equals(getattr(whole, table))


def test_a_torn_early_end_that_the_journal_does_not_know_is_removed(run):
    (run / "results" / "stop.json").write_text("{")
    assert open_whole(run).early_end is None
    assert not (run / "results" / "stop.json").exists()


def test_a_derived_file_is_left_to_the_search_that_is_running(run):
    path = run / "results" / "trials.parquet"
    path.write_bytes(b"half")
    with open(run / "run.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert command("show", run)[0] == 2
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("content", ["a: [", "3", "space: 1", "", "trials: 3\n1: 2", "space: s\nparams: 3"])
def test_a_broken_configuration_hides_no_other_run_from_the_list(run, content):
    storage = run.parent
    shutil.copytree(run, storage / "whole")
    (run / "config.yaml").write_text(content)
    code, printed = command("list", f"storage={storage}")
    assert code == 0 and "unreadable" in printed
    assert f"r: {run}/config.yaml" in printed
    broken, whole = json.loads(command("list", f"storage={storage}", "--json")[1])
    assert (broken["run"], broken["status"], broken["trials"]) == ("r", "unreadable", None)
    assert str(run) in broken["error"]
    assert (whole["run"], whole["status"], whole["trials"], "error" in whole) == (
        "whole",
        "finished",
        6,
        False,
    )
    for verb in ("show", "resume", "report", "confirm", "export", "dashboard"):
        code, printed = command(verb, "r", f"storage={storage}")
        assert code == 2 and "config.yaml" in printed, verb


def lines(run):
    return (run / "study.log").read_bytes().splitlines(keepends=True)


BROKEN = {
    "half a line in the middle": lambda lines: [*lines[:4], lines[4][:20] + b"\n", *lines[5:]],
    "a last line of zeros": lambda lines: [*lines, bytes(30) + b"\n"],
    "no object": lambda lines: [*lines[:4], b"3\n", *lines[4:]],
    "no text": lambda lines: [*lines[:4], b"\xff\xfe\n", *lines[4:]],
    "a line missing": lambda lines: [*lines[:1], *lines[2:]],
    "lines in another order": lambda lines: lines[::-1],
    "another file": lambda lines: [b"PAR1\n", *lines],
    "another operation": lambda lines: [*lines, lines[-1].replace(b'"op_code":', b'"op_code":5')],
    "text in place of a number": lambda lines: [
        line.replace(b'"seconds":0.5', b'"seconds":"a"') for line in lines
    ],
    "another parameter": lambda lines: [line.replace(b'"depth":', b'"width":') for line in lines],
    "nothing": lambda lines: [],
    "half a first line": lambda lines: [lines[0][:-5]],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_journal_is_named_and_nothing_is_changed(run, name):
    (run / "study.log").write_bytes(b"".join(BROKEN[name](lines(run))))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("trials: 6", "trials: 7"))  # so that there is work left
    before = files(run)
    code, printed = command("resume", run)
    assert code == 2
    assert f"{run}/study.log can't be read: " in printed and "restore it from a copy" in printed
    after = files(run)
    assert {path: after[path] for path in before if path.name != "environment.json"} == {
        path: before[path] for path in before if path.name != "environment.json"
    }


def test_a_lost_journal_is_no_new_search(run):
    (run / "study.log").unlink()
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("trials: 6", "trials: 7"))
    assert "it is lost, but the tables have 6 trials" in command("resume", run)[1]
    assert not (run / "study.log").exists()


def test_a_torn_confirmation_is_named(run):
    write_confirmed(run, [{"config": "default", "seed": 1, "state": "failed"}], {})
    path = run / "results" / "confirm.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    code, printed = command("show", run)
    assert code == 2 and f"{path} can't be read" in printed and "python -m search confirm r" in printed


def test_tables_and_configuration_of_different_runs_are_named(run):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("momentum", "inertia"))
    code, printed = command("show", run)
    assert (
        code == 2 and "config.yaml and results/trials.parquet do not fit" in printed and "inertia" in printed
    )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"points": [1], "observations": []}'])
def test_a_torn_warm_start_is_named(tmp_path, content):
    (tmp_path / warm_start.FILE).write_text(content)
    with pytest.raises(ValueError, match=r"warm_start.json can't be read: .*is made again"):
        warm_start.read(tmp_path)


@pytest.mark.parametrize("content", ["", "[{", "3", "[3]"])
def test_a_torn_record_of_the_environment_stops_nothing(tmp_path, content):
    (tmp_path / environment.FILE).write_text(content)
    assert environment.read(tmp_path) == []
    environment.record(tmp_path)
    assert len(environment.read(tmp_path)) == 1
