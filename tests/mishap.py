"""Workers that die, for tests of engines. A worker of Ray imports this file: it is quick to load."""

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from spaces.lane import ProcessDied
from tests.formula import Formula


@dataclass(frozen=True)
class Mishap:
    """The formula; who is handed trial 0 dies, hangs or loses a process, the first `times` times."""

    kind: str
    file: Path  # a character for each time
    times: int

    def __call__(self, job):
        before = self.file.read_text() if self.file.exists() else ""
        if job.lanes[0].number == 0 and len(before) < self.times:
            self.file.write_text(before + "x")
            if self.kind == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "loses a process":
                raise ProcessDied("one of its processes ended with SIGKILL")
            threading.Event().wait()
        yield from Formula()(job)
