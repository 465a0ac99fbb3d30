"""The report at the end of a run, made by a process of its own.

Pictures of a model need PyTorch, which takes seconds to load. So the process starts with the search, loads
its libraries while processors are idle, and waits for the end of the run. The searching process does without
PyTorch, and closes its engine meanwhile.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Self

from spaces.messages import one_line

PICTURES = "pictures"  # the argument of a process that loads what a gallery needs


class ReportProcess:
    """Makes one report: `begin`, then `finish`. The process lives as long as the block at most.

    `gallery` is that of the space, which draws the pictures.
    """

    def __init__(self, gallery: str | None) -> None:
        self.folder: Path | None = None
        self.command = [sys.executable, "-m", "search.after.report_process", *([PICTURES] if gallery else [])]

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def begin(self, folder: Path) -> None:
        """Starts the report of the run in `folder`, which has ended."""
        self.folder = folder
        assert self.process.stdin
        with suppress(BrokenPipeError):  # the process has died; `finish` reports that
            self.process.stdin.write(f"{folder}\n")
            self.process.stdin.flush()

    def finish(self) -> str:
        """Waits for the report and returns the line to print, in case of a failure too."""
        try:
            out, errors = self.process.communicate()
        except KeyboardInterrupt:
            return f"the report was interrupted; make it with: python -m search report {self.folder}"
        if self.process.returncode:
            reason = (errors.strip().splitlines() or [f"code {self.process.returncode}"])[-1]
            return f"the report can't be made: {reason.removeprefix('error: ')}"
        return f"report: {out.strip()}"


def main() -> None:
    """The body of the process. It ends also when its parent has died."""
    loading = Thread(target=load_idle, args=[PICTURES in sys.argv], daemon=True)
    loading.start()
    folder = sys.stdin.readline().strip()
    if not folder:
        os._exit(0)  # at once, because the thread may be in the middle of an import
    if loading.is_alive() and not restore_priority(loading):
        os.execv(sys.executable, [sys.executable, "-m", "search", "report", folder])
    loading.join()
    print_report(folder)


def print_report(folder: str) -> None:
    """Makes the report of the run in `folder` and prints its path."""
    from search.after.report import make
    from search.runs.find import open_whole
    from search.runs.folder import short

    try:
        print(short(make(open_whole(Path(folder)))))
    except ValueError as error:
        sys.exit(f"error: {one_line(error)}")


def load_idle(pictures: bool) -> None:
    """Imports the libraries of a report at idle priority, which holds for the calling thread alone."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    from trainables.training.memory import importing

    with importing():
        from search.after import report  # noqa: F401

        if pictures:
            from search.after import models  # noqa: F401


def restore_priority(thread: Thread) -> bool:
    """Gives a thread full priority again; whether it could. Most systems allow it to administrators alone."""
    if sys.platform == "linux":
        assert thread.native_id
        try:
            os.sched_setscheduler(thread.native_id, os.SCHED_OTHER, os.sched_param(0))
        except PermissionError:
            return False
        except ProcessLookupError:  # it has just ended
            return True
    return True


if __name__ == "__main__":
    main()
