"""A fault that a process brings upon itself at its Nth change of a folder.

Python raises an audit event (PEP 578) before it opens, renames or deletes a file. At the Nth event for a file
of the folder the fault strikes.
"""

import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final, get_args

Kind = Literal["kill", "torn", "full", "term", "clock"]
KINDS: tuple[Kind, ...] = get_args(Kind)
JOURNAL = "study.log"
CLOCK_JUMP = -86_400.0  # seconds
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@final
@dataclass(frozen=True)
class Fault:
    """What happens, and before which change of the folder.

    kill: SIGKILL. torn: SIGKILL in the midst of the next entry of the journal. full: from then on the disk
    has no room for the journal. term: SIGTERM. clock: the clock goes back by a day.
    """

    kind: Kind
    at: int


class Injection:
    """Counts the changes of a folder; `arm` makes it the process's, for good."""

    def __init__(self, folder: Path, fault: Fault | None) -> None:
        self.folder, self.fault, self.changes = str(folder), fault, 0
        self.due = False  # whether the next append to the journal is the one

    def arm(self) -> None:
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if event not in ("open", "os.rename", "os.remove", "os.mkdir"):
            return
        path = str(arguments[0])
        if not path.startswith(self.folder):
            return
        self.changes += 1
        if self.fault and self.changes == self.fault.at:
            self._strike(self.fault.kind)
        if self.due and path.endswith(JOURNAL):
            self.due = False
            self._cut(os.stat(path).st_size + 25)  # in the midst of a line

    def _strike(self, kind: Kind) -> None:
        match kind:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "term":
                os.kill(os.getpid(), signal.SIGTERM)
            case "torn" | "full":
                self.due = True
                if kind == "torn":
                    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it: a failed write raises
            case "clock":
                true = time.time
                time.time = lambda: true() + CLOCK_JUMP

    @staticmethod
    def _cut(size: int) -> None:
        """No file may grow beyond so many bytes."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
