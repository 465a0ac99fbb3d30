"""`storage=...` is a folder of this machine."""

import pytest

from search.cli.options import storage_of
from search.config.run_config import resolve


@pytest.mark.parametrize("storage", ["s3://bucket/x", "gs://b/x", "S3://b", "memory://x", "file://host/x"])
def test_an_address_elsewhere_is_refused(storage):
    for read in (lambda: resolve([f"storage={storage}"]), lambda: storage_of([f"storage={storage}"])):
        with pytest.raises(ValueError, match="but must be a folder that this machine can write to") as caught:
            read()
        assert storage in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("storage", "folder"),
    [
        ("runs", "runs"),
        ("/mnt/a b", "/mnt/a b"),
        ("file:///mnt/runs", "/mnt/runs"),
        ("file://localhost/a%20b", "/a b"),
    ],
)
def test_a_folder_stays_one(storage, folder):
    assert resolve([f"storage='{storage}'"]).storage == folder
    assert storage_of([f"storage='{storage}'"]) == folder
