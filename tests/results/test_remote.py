"""A folder at a remote file system, on an S3 server of this machine and on a local path."""

import os
import pickle
import socket
from urllib.request import Request, urlopen

import pytest

from results.cached import cache_folder, is_elsewhere, note_elsewhere, remote_of
from results.remote import Remote, RemoteError


@pytest.fixture(params=["s3", "file"])
def remote(request, tmp_path):
    """A folder in a storage that does not exist yet."""
    uri = request.getfixturevalue("s3") if request.param == "s3" else f"file://{tmp_path}/storage"
    storage = Remote(uri)
    storage.check_writable()
    return storage.child("r")


def test_files_go_there_and_come_back(remote, tmp_path):
    assert remote.files() == {} and remote.parent.folders() == [] and remote.info("a") is None
    (tmp_path / "a").write_bytes(b"1" * 10**7)  # more than one part of an upload
    before = remote.parent.check_writable()
    remote.put(tmp_path / "a", "checkpoints/a")
    remote.write("config.yaml", b"{}")
    assert remote.parent.folders() == ["r"]
    assert {name: info.size for name, info in remote.files().items()} == {
        "checkpoints/a": 10**7,
        "config.yaml": 2,
    }
    assert remote.info("config.yaml").at >= before - 1  # S3 counts whole seconds
    other = pickle.loads(pickle.dumps(remote))
    other.fetch("checkpoints/a", tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b"]
    assert other.read("config.yaml") == b"{}" and other.read("none") is None
    remote.delete("checkpoints/a")
    remote.delete("checkpoints/a")
    assert list(remote.files()) == ["config.yaml"]
    with pytest.raises(FileNotFoundError):
        remote.fetch("checkpoints/a", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_name_that_leaves_the_folder_is_no_file(remote):
    remote.write("a/../../evil", b"1")
    assert not [name for name in remote.files() if "evil" in name]


def test_the_parameters_of_a_uri_stay_with_its_folders():
    remote = Remote("s3://bucket/x/?region=eu-west-1")
    assert remote.child("r").uri == "s3://bucket/x/r?region=eu-west-1"
    assert remote.child("r").parent.uri == "s3://bucket/x?region=eu-west-1"
    assert remote.child("r").name == "r" and Remote("s3://bucket/r").parent.uri == "s3://bucket"
    assert Remote("s3://bucket").child("r").uri == "s3://bucket/r"


def refused(uri, action=Remote.check_writable):
    """The one line with which a storage is refused."""
    with pytest.raises(RemoteError) as caught:
        action(Remote(uri))
    text = str(caught.value)
    assert uri in text and "\n" not in text and "storage=URI" in text
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, OSError)
    return text


def test_a_bucket_that_does_not_exist_is_refused(s3):
    assert "bucket does not exist" in refused(s3.replace("&allow_bucket_creation=true", ""))


def test_a_storage_without_permission_is_refused(s3, s3_server):
    def forbid(after):
        """Calls after so many are refused."""
        url, text = f"http://{s3_server}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urlopen(Request(url, data=after, headers=text)).close()

    Remote(s3).check_writable()
    forbid(b"0")
    try:
        assert "INVALID_ACCESS_KEY_ID" in refused(s3) or "ACCESS_DENIED" in refused(s3)
        refused(s3, Remote.files)
    finally:
        forbid(b"inf")


def test_an_endpoint_that_is_not_there_is_refused(caches):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert "NETWORK_CONNECTION" in refused(f"s3://bucket/x?endpoint_override={address}&scheme=http")


def test_a_parameter_that_pyarrow_does_not_know_is_refused():
    assert "'colour'" in refused("s3://bucket/x?colour=red")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused(f"file://{tmp_path}/file/x")


def test_the_folder_of_a_run_knows_its_remote_copy(caches, tmp_path):
    storage = Remote("s3://bucket/x?region=eu-west-1")
    folder = cache_folder(storage)
    assert folder.parent == tmp_path / "here" / "ladder-search" and folder.name.startswith("s3-bucket-x-")
    assert remote_of(folder / "r") == storage.child("r")
    assert remote_of(tmp_path / "r") is None
    assert cache_folder(Remote("s3://bucket/x")) == folder
    others = {cache_folder(Remote(uri)) for uri in ("s3://bucket/x-", "s3://bucket/x?endpoint_override=h:1")}
    assert len(others | {folder}) == 3
    caches("other")
    assert cache_folder(storage) != folder and cache_folder(storage).name == folder.name
    assert os.listdir(cache_folder(storage)) == ["storage.uri"]


def test_a_search_elsewhere_is_noted_until_it_runs_out(tmp_path):
    assert not is_elsewhere(tmp_path)
    note_elsewhere(tmp_path, 60)
    assert is_elsewhere(tmp_path)
    note_elsewhere(tmp_path, 1e-9)
    assert not is_elsewhere(tmp_path)
    note_elsewhere(tmp_path, 0)
    assert not list(tmp_path.iterdir())
