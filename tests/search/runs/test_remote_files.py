"""The remote copy of a run: its lock, what is fetched and put, and journals that have gone different ways."""

import os
import time

import pytest

from results.cached import cache_folder
from results.remote import Remote, RemoteError
from search.runs.fetch import fetch
from search.runs.find import run_names
from search.runs.lease import SECONDS, check_free, leased
from search.runs.mirror import Mirror


@pytest.fixture
def storage(tmp_path, caches):
    """A remote storage with a run, which was never on this machine."""
    remote = Remote(f"file://{tmp_path}/storage")
    remote.write("r/config.yaml", b"{}")
    remote.write("r/study.log", b"1\n2\n")
    return remote


def test_a_run_is_searched_on_one_machine_at_a_time(storage, caches):
    here = fetch(storage, "r")
    with leased(here):
        caches("other")
        other = fetch(storage, "r")
        with (
            pytest.raises(ValueError, match=rf"by process {os.getpid()} on .*runs out in \d+ s"),
            leased(other),
        ):
            pass
    with leased(other):
        with pytest.raises(ValueError, match="is being searched"):
            check_free(here)
        check_free(other)
    check_free(here)


def test_a_lock_that_is_not_renewed_runs_out(storage, caches, tmp_path):
    here = fetch(storage, "r")
    lock = leased(here)
    lock.__enter__()
    caches("other")
    other = fetch(storage, "r")
    past = time.time() - SECONDS - 1
    os.utime(tmp_path / "storage" / "r" / "lease.json", (past, past))
    with leased(other):  # so the first one has lost it, and copies nothing any more
        with pytest.raises(RemoteError, match="is now searched by another machine"):
            Mirror(here).copy()
        Mirror(other).copy()
    lock.__exit__(None, None, None)


def test_a_killed_search_is_continued_in_its_own_folder_at_once(storage):
    here = fetch(storage, "r")
    killed = leased(here)
    killed.__enter__()
    assert storage.info("r/lease.json")
    check_free(here)
    with leased(here):
        pass


def test_the_longer_journal_wins(storage, caches):
    here = fetch(storage, "r")
    (here / "study.log").write_bytes(b"1\n2\n3\n4")  # half a line at its end
    assert fetch(storage, "r") == here and (here / "study.log").read_bytes() == b"1\n2\n3\n4"
    storage.write("r/study.log", b"1\n2\n3\n5\n6\n")
    fetch(storage, "r")
    assert (here / "study.log").read_bytes() == b"1\n2\n3\n5\n6\n"
    storage.write("r/study.log", b"1\n2\n7\n")
    with pytest.raises(ValueError, match=f"gone different ways.*remove {here}"):
        fetch(storage, "r")


def test_files_are_fetched_again_only_if_they_have_changed(storage):
    here = fetch(storage, "r")
    storage.write("r/results/trials.parquet", b"1")
    storage.write("r/checkpoints/trial-00000-epoch-1.safetensors", b"1")
    storage.write("r/report.html", b"1")
    os.chmod(here / "config.yaml", 0o400)  # a file that is fetched again is another one
    fetch(storage, "r")
    assert (here / "results" / "trials.parquet").read_bytes() == b"1"
    assert (here / "config.yaml").stat().st_mode & 0o777 == 0o400
    assert not (here / "checkpoints").exists() and not (here / "report.html").exists()
    (here / "config.yaml").chmod(0o600)
    (here / "config.yaml").write_bytes(b"[]")
    fetch(storage, "r")
    assert (here / "config.yaml").read_bytes() == b"{}"


def test_a_folder_is_replaced_by_another_one(storage):
    here = fetch(storage, "r")
    storage.write("r/best/model.onnx", b"old")
    (here / "best").mkdir()
    (here / "best" / "model.ckpt").write_bytes(b"new")
    Mirror(here).replace("best")
    assert list(storage.child("r/best").files()) == ["model.ckpt"]


def test_only_runs_are_listed(storage):
    storage.write("other/file", b"1")
    assert run_names(storage.uri) == ["r"]


def test_a_run_that_is_not_there_is_none(storage):
    assert fetch(storage, "none") is None
    assert not (cache_folder(storage) / "none").exists()
