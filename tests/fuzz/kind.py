"""A kind of file that Ladder reads, and what reading a damaged one must end in."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from search.cli.commands import app
from search.cli.exit_codes import WRONG_INPUT

COMMANDS = get_command(app)  # made once, for all mutations


@dataclass(frozen=True)
class Kind:
    """`make` writes a whole file into an empty folder; `read` uses it as Ladder does.

    `check` says whether reading has ended well; it returns True if the file was read, False if it was
    refused. `content` is what is mutated, where that is not the file itself: of a packed one what is packed.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    before: Callable[[bytes], bytes] = bytes
    after: Callable[[bytes], bytes] = bytes


class Failure(Exception):
    """Reading has ended in something else than the right content or one line."""


def outcome(read: Callable[[], Any]) -> bool:
    """Whether the file was read; False if it was refused in one line. Raises Failure otherwise."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            read()
    except Failure:
        raise
    except ValueError as error:
        text = str(error)
        if "\n" in text or len(text) < 20 or len(text) > 2000:
            raise Failure(f"{type(error).__name__} is no helpful line: {text!r:.300}") from error
        if type(error) is not ValueError and not type(error).__module__.startswith(("results", "trainables")):
            raise Failure(f"not ours: {type(error).__name__}: {text:.200}") from error
        return False
    except BaseException as error:
        raise Failure(f"{type(error).__name__}: {error!s:.200}") from error
    return True


def command(*arguments: str) -> str:
    """The output of a command. Raises ValueError with its line if it refuses, and Failure if it crashes."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), None
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            COMMANDS(arguments)
    except SystemExit as end:
        code = end.code
    except Exception as error:
        raise Failure(f"{arguments[0]}: {error!r:.300}") from error
    if code == WRONG_INPUT:
        lines = stderr.getvalue().strip().splitlines()
        if len(lines) != 1 or not lines[0].startswith("error: "):
            raise Failure(f"{arguments} ends in {len(lines)} lines: {stderr.getvalue():.300}")
        raise ValueError(lines[0])
    if code:
        raise Failure(f"{arguments[0]} ends with {code}: {stderr.getvalue():.300}")
    return stdout.getvalue()
