"""`storage=...` is a folder of this machine, or the URI of a remote one."""

import pytest

from search.cli.options import storage_of
from search.config.run_config import resolve

MOTO = "s3://bucket/x?endpoint_override=127.0.0.1:9&scheme=http"


@pytest.mark.parametrize("storage", ["S3://b", "memory://x", "file://host/x", "s3:///x", "gs://", "file://x"])
def test_an_address_that_names_no_storage_is_refused(storage):
    for read in (lambda: resolve([f"storage={storage}"]), lambda: storage_of([f"storage={storage}"])):
        with pytest.raises(ValueError, match=r"storage=URI, docs/cluster.md") as caught:
            read()
        assert storage in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("storage", ["runs", "/mnt/a b"])
def test_a_folder_stays_one(storage):
    assert resolve([f"storage='{storage}'"]).storage == storage
    assert storage_of([f"storage='{storage}'"]) == storage


@pytest.mark.parametrize("storage", [MOTO, f"'{MOTO}'", f'"{MOTO}"', "gs://b/x", "file:///mnt/runs"])
def test_a_uri_stands_as_it_is(storage):
    config = resolve([f"storage={storage}", f"warm_start={storage}"])
    assert config.storage == config.warm_start == storage_of([f"storage={storage}"]) == storage.strip("'\"")


@pytest.mark.parametrize(
    "storage",
    [
        "s3://KEYID:hidden@bucket/x",
        "s3://hidden@bucket/x",
        "s3://KEYID:hidden/hidden@bucket/x",
        "s3://bucket/x?secret_key=hidden",
        "hdfs://u:hidden@h/x",
    ],
)
def test_a_secret_is_refused_and_not_printed(storage):
    for text in (f"storage={storage}", f"storage='{storage}'"):
        with pytest.raises(ValueError, match="AWS_SECRET_ACCESS_KEY") as caught:
            storage_of([text])
        assert "hidden" not in str(caught.value)


def test_the_secret_of_a_torn_override_is_not_printed():
    with pytest.raises(ValueError, match="is no override") as caught:
        storage_of(["storage='s3://KEYID:hidden@bucket/x"])
    assert "hidden" not in str(caught.value)
