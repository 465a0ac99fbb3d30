"""Reads mutations of files, in a process of its own: python -m tests.fuzz.worker GROUP COUNT [KIND].

Prints a line of JSON for each kind. A mutation that hangs, or kills the process, is named in the last line of
stderr. The process may not grow past 2 GB.
"""

import faulthandler
import importlib
import json
import os
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.kind import Failure, Kind, outcome
from tests.fuzz.mutate import mutations

SECONDS = 10  # that reading may take


def examine(name: str, kind: Kind, count: int) -> dict[str, Any]:
    """The outcomes of `count` mutations of a kind of file."""
    failures, outcomes = [], Counter[bool]()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        file = kind.make(whole).relative_to(whole)
        content = kind.before((whole / file).read_bytes())
        for number, data in enumerate(mutations(content, count)):
            used = Path(folder) / f"{number}"
            shutil.copytree(whole, used)
            (used / file).write_bytes(kind.after(data))
            print(f"{name}, mutation {number}", file=sys.stderr, flush=True)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                outcomes[outcome(lambda path=used / file: kind.read(path))] += 1
            except Failure as error:
                cause = error.__cause__ or error
                where = traceback.extract_tb(cause.__traceback__)[-1]
                failures.append(f"mutation {number}: {error} ({where.filename}:{where.lineno})")
            faulthandler.cancel_dump_traceback_later()
            if not os.environ.get("FUZZ_KEEP"):
                shutil.rmtree(used)
    return {"kind": name, "read": outcomes[True], "refused": outcomes[False], "failures": failures}


def megabytes() -> int:
    """The most memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """The body of the process."""
    warnings.simplefilter("ignore")
    group, count, *only = sys.argv[1:]
    kinds: dict[str, Kind] = importlib.import_module(f"tests.fuzz.{group}").KINDS
    for name, kind in kinds.items():
        if not only or name in only:
            before = megabytes()
            found = examine(name, kind, int(count))
            print(json.dumps(found | {"grown": megabytes() - before}), flush=True)


if __name__ == "__main__":
    main()
