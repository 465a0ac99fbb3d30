"""Files that are written whole or not at all."""

import pytest

from results.files import replacing, sweep, write_text


def test_a_file_is_replaced_at_the_end(tmp_path):
    file = write_text(tmp_path / "a.txt", "old")
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_writer_that_fails_leaves_the_file_as_it_was(tmp_path):
    file = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(OSError, match="disk"), replacing(file) as temporary:
        temporary.write_text("ne")
        raise OSError("disk full")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_only_files_of_killed_writers_are_swept(tmp_path):
    kept = {"a.txt", ".hidden", ".a.txt.old", "a.123", ".b.7"}
    for name in kept - {".b.7"}:
        (tmp_path / name).touch()
    (tmp_path / ".b.7").mkdir()
    (tmp_path / ".a.txt.123").touch()
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert {path.name for path in tmp_path.iterdir()} == kept
