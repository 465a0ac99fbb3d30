"""Runs in a remote storage: a search to its end, a machine that is lost, commands on other machines."""

import io
import json
import subprocess
import sys

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from results.cached import cache_folder, remote_of
from results.remote import Remote
from results.store import open_run
from search.cli.commands import app
from search.config.run_config import resolve
from search.core.queue import Queue
from search.core.rungs import Done
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from search.runs.checkpoints import KEEPING
from search.runs.fetch import fetch
from search.runs.find import find
from search.runs.folder import new_folder, write_config
from search.runs.journal import open_study
from search.runs.lease import leased
from search.runs.recorder import Recorder
from search.runs.run import confirm, make_plan, resume, search, start
from search.runs.warm_start import WarmStart
from search.watch.progress import ProgressView
from tests import tiny
from tests.search.command import ROOT

DYING = """
import io, os, signal, sys
from rich.console import Console
from search.config.run_config import resolve
from search.engines.local import LocalEngine
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from search.runs.folder import new_folder, write_config
from search.runs.lease import leased
from search.runs.run import search
from search.watch.progress import ProgressView

config = resolve(sys.argv[1:])
folder = new_folder(config)
write_config(folder, config)
train = TrainJob.of(config, folder)

def dying(job):
    reports = train(job)
    yield next(reports)
    if job.number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from reports

with leased(folder):
    search(LocalEngine(dying), config, folder, ProgressView(Console(file=io.StringIO()), "", 1))
"""

DIGITS = ["space=mnist_classifier", "trials=4", "epochs=3", "lanes=2", "engine=local", "seed=3"]


@pytest.fixture
def overrides(tmp_path):
    """Overrides of a small search without its storage."""
    (tmp_path / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
    return [f"space={tmp_path}/tiny.yaml", "trials=6", "epochs=3", "lanes=1", "engine=local", "seed=3"]


def command(*arguments):
    """The output of a command that succeeds."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    """The line with which a command ends."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 2 and result.stderr.count("\n") == 1, result.output
    return result.stderr


def results(run):
    """A run's table of trials but for times."""
    return run.trials.drop_columns(["seconds"])


def local_checkpoints(folder):
    """Checkpoints on this machine."""
    return list(folder.rglob("*.safetensors"))


@pytest.mark.slow
def test_a_search_and_the_commands_on_another_machine(s3, caches, tmp_path):
    confirmed = ["param.widths=16", "confirm.top=1", "confirm.seeds=2"]
    outcome = start(resolve([*DIGITS, *confirmed, f"storage={s3}", "name=r"]))
    assert outcome.error is None
    here, remote = outcome.folder, Remote(s3).child("r")
    kept = {row["checkpoint"] for row in open_run(here).confirmed.to_pylist()} - {None}
    assert kept and kept <= remote.files().keys() and "lease.json" not in remote.files()
    assert not local_checkpoints(tmp_path)
    caches("other")
    run = find("r", s3)
    assert run.path != here and results(run) == results(open_run(here))
    assert run.confirmed == open_run(here).confirmed and run.status == "finished"
    assert run.path.joinpath("run.log").read_bytes() == here.joinpath("run.log").read_bytes()
    assert [row["run"] for row in json.loads(command("list", f"storage={s3}", "--json"))] == ["r"]
    assert "finished" in command("show", remote.uri)
    command("report", "r", f"storage={s3}")
    assert "MODEL_CARD.md" in command("export", remote.uri)
    assert {"report.html", "best/model.safetensors"} <= remote.files().keys()
    Image.new("L", (8, 8)).save(tmp_path / "digit.png")
    command("predict", "r", tmp_path / "digit.png", f"storage={s3}", "--out", tmp_path / "predicted")
    assert list((tmp_path / "predicted").iterdir())
    assert not [path for path in local_checkpoints(tmp_path) if path.parent.name != "best"]
    again = ["param.widths=16", "trials=3", "name=later", f"warm_start={remote.uri}"]
    later = open_run(start(resolve([*DIGITS, *again, f"storage={s3}"])).folder)
    assert later.params(later.trials.to_pylist()[0]) == run.params(run.winner())
    command("compare", "later", remote.uri, f"storage={s3}", "--out", tmp_path / "page.html")
    assert "there is a run 'r'" in refused("run", *DIGITS, f"storage={s3}", "name=r")
    assert "did you mean 'later'" in refused("show", "latr", f"storage={s3}")
    assert new_folder(resolve([*DIGITS, f"storage={s3}"])).name == "mnist_classifier-1"


@pytest.mark.slow
def test_a_lost_machine_is_continued_by_another(s3, overrides, caches, tmp_path):
    arguments = [*overrides, f"storage={s3}", "name=r"]
    process = subprocess.run([sys.executable, "-c", DYING, *arguments], cwd=ROOT, capture_output=True)
    assert process.returncode == -9, process.stderr
    remote = Remote(s3).child("r")
    caches("other")
    assert find("r", s3).status == "running"
    assert "its lock runs out in" in refused("resume", remote.uri)
    remote.delete("lease.json")  # in place of a minute
    run = find("r", s3)
    assert run.status == "interrupted" and run.path.is_relative_to(tmp_path / "other")
    assert resume(run.path).error is None
    undisturbed = start(resolve([*overrides, f"storage={tmp_path}", "name=r"])).folder
    assert results(open_run(run.path)) == results(open_run(undisturbed))
    names = {f"checkpoints/{path.name}" for path in (undisturbed / "checkpoints").iterdir()}
    assert {name for name in remote.files() if name.startswith("checkpoints/")} == names
    caches("here")
    folder = cache_folder(Remote(s3)) / "r"
    local = (folder / "study.log").read_bytes()
    if not remote.read("study.log").startswith(local):  # what came after its last copy is lost
        assert "have gone different ways" in refused("show", remote.uri)


@pytest.mark.slow
def test_the_journal_there_refers_only_to_checkpoints_that_are_there(s3, overrides):
    config = resolve([*overrides, f"storage={s3}", "name=r"])
    folder = new_folder(config)
    write_config(folder, config)
    remote, train = remote_of(folder), TrainJob.of(config, folder)
    view = ProgressView(Console(file=io.StringIO()), "", 1)
    queue = Queue(config.space, make_plan(config, WarmStart(), 1), open_study(folder, config))
    deleted, seen = set(), set()

    def check():
        """What a machine would find if this one were lost now."""
        (copy := folder.parent / "copy").mkdir(exist_ok=True)
        (copy / "study.log").write_bytes(remote.read("study.log"))
        there = {name for name in remote.files() if name.startswith("checkpoints/")}
        trials = open_study(copy, config, writable=False).trials()
        assert {trial.checkpoint for trial in trials if trial.state in KEEPING} - {None} <= there
        deleted.update(seen - there)
        seen.update(there)

    with leased(folder):
        recorder = Recorder(queue, folder, view)
        while not isinstance(job := recorder.next_job(), Done):
            for report in train(job):
                recorder.report(report)
                check()
            recorder.finish(job, job.checkpoint)
            check()
            if job.number % 3 == 0:
                recorder.write()
                check()
        recorder.end()
        check()
    assert deleted and len(seen) > len(deleted)


@pytest.mark.slow
def test_a_search_on_ray_leaves_no_checkpoint_on_its_machine(s3, overrides, tmp_path):
    outcome = start(resolve([*overrides, f"storage={s3}", "name=r", "engine=ray", "trials=3"]))
    assert outcome.error is None and open_run(outcome.folder).status == "finished"
    assert Remote(s3).child("r/checkpoints").files()
    assert not local_checkpoints(tmp_path)


def test_a_confirmation_elsewhere_is_seen_here(tmp_path, caches):
    storage, small = f"file://{tmp_path}/storage", ["param.widths=16", "trials=2", "epochs=1"]
    here = start(resolve([*DIGITS, *small, f"storage={storage}", "name=r"])).folder
    caches("other")
    assert confirm(find("r", storage).path, top=1, seeds=2).error is None
    caches("here")
    assert open_run(here).confirmed is None
    assert find("r", storage).confirmed.num_rows == 4 and find("r", storage).path == here


def test_a_storage_that_fails_ends_the_search_in_one_line(tmp_path, overrides, caches):
    storage = tmp_path / "storage"
    config = resolve([*overrides, f"storage=file://{storage}", "name=r", "trials=3", "epochs=3"])
    folder = new_folder(config)
    write_config(folder, config)
    job_files = TrainJob.of(config, folder)
    assert job_files.remote == f"file://{storage}/r"
    storage.rename(tmp_path / "gone")
    storage.touch()  # a file in place of the folder
    with pytest.raises(OSError, match="storage=URI") as caught:
        search(LocalEngine(job_files), config, folder, ProgressView(Console(file=io.StringIO()), "", 1))
    assert "\n" not in str(caught.value)
    storage.unlink()
    (tmp_path / "gone").rename(storage)
    assert fetch(Remote(f"file://{storage}"), "r") is None  # nothing was copied
