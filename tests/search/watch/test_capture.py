"""The log of a run."""

import os
from pathlib import Path

from search.watch.capture import capture_output


def test_a_log_shows_no_home_folder_and_keeps_its_other_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    log = tmp_path / "run.log"
    log.write_bytes(b"an earlier line \xff\n")
    with capture_output() as output:
        output.keep(log)
        os.write(1, f"File {Path.home()}/project/net.py\n".encode())
        os.write(1, b"/home/someone.else/net.py\n")
    assert log.read_bytes() == b"an earlier line \xff\nFile ~/project/net.py\n/home/someone.else/net.py\n"
