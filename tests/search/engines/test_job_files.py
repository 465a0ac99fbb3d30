"""The checkpoints of a job beside a remote storage."""

import socket
import subprocess
import sys

import pytest

from results.remote import Remote
from search.engines.job_files import job_files
from spaces.lane import StorageError

NAME, NEXT = "checkpoints/trial-00000-epoch-1.safetensors", "checkpoints/trial-00000-epoch-3.safetensors"


@pytest.fixture
def remote(tmp_path, caches):
    remote = Remote(f"file://{tmp_path}/storage/r")
    remote.write(NAME, b"1")
    return remote


def test_a_job_fetches_its_start_puts_its_result_and_leaves_nothing(remote, tmp_path):
    with job_files("/nowhere", remote.uri) as files:
        assert files.start(NAME) == str(files.folder / NAME)
        assert (files.folder / NAME).read_bytes() == b"1"
        (files.folder / NEXT).write_bytes(b"3")
        files.keep(NEXT)
        assert remote.read(NEXT) == b"3"
    assert not files.folder.exists()
    assert not list((tmp_path / "here").rglob("*.safetensors"))


def test_a_local_job_uses_the_folder_of_the_run(tmp_path):
    with job_files(str(tmp_path), None) as files:
        assert files.start(NAME) == str(tmp_path / NAME)
        files.keep(NAME)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_worker_has_left_is_deleted(remote):
    with job_files("/nowhere", remote.uri) as mine:
        jobs = mine.folder.parent
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        host = socket.gethostname()
        (jobs / f"{host}@{dead.pid}@x").mkdir()
        (elsewhere := jobs / f"other-{host}@{dead.pid}@x").mkdir()  # of a machine with the same home folder
        with job_files("/nowhere", remote.uri) as other:
            assert {mine.folder, other.folder, elsewhere} == set(jobs.iterdir())


def test_a_machine_without_room_is_no_fault_of_the_trial(remote, tmp_path, caches):
    (tmp_path / "file").touch()
    caches("file")
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"), job_files("/nowhere", remote.uri):
        pass


def test_a_storage_that_fails_is_no_fault_of_the_trial(remote, tmp_path):
    (tmp_path / "storage").rename(tmp_path / "gone")
    (tmp_path / "storage").touch()
    with job_files("/nowhere", remote.uri) as files:
        (files.folder / "checkpoints").mkdir()
        (files.folder / NEXT).write_bytes(b"3")
        with pytest.raises(StorageError, match="can't be used"):
            files.keep(NEXT)
