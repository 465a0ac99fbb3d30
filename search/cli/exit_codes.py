"""How a command ends: what it says at last, and its exit code."""

import json
import select
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
STDOUT = 1


def user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """A ValueError is the user's: one line on stderr, exit code 2."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ValueError as error:
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            raise typer.Exit(WRONG_INPUT) from error
        except KeyboardInterrupt:
            print("interrupted before anything was begun.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError as error:
            if nobody_reads():
                raise typer.Exit(FAILED) from None
            raise RuntimeError("a pipe to another process broke") from error

    return wrapped


def nobody_reads() -> bool:
    """Whether standard output is a pipe whose reader has left: `head`, or a pager."""
    poll = select.poll()
    poll.register(STDOUT, 0)  # of an error it always tells
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def ended(outcome: Any, reporter: Any, as_json: bool = False, again: str | None = None) -> None:
    """Says how a run ended, and ends the command with the code for it. `again` is how to go on."""
    from results.store import open_run
    from search.cli.tables import print_run, summary
    from search.runs.folder import short

    if outcome.interrupted or outcome.unwritable:
        why = "interrupted" if outcome.interrupted else f"error: {outcome.unwritable}"
        print(f"{why}; what was finished is kept.", file=sys.stderr)
        if outcome.folder.exists():
            verb = "confirm" if open_run(outcome.folder).status == "finished" else "resume"
            again = again or f"{verb} {short(outcome.folder)}"
            print(f"go on with: python -m search {again}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED if outcome.interrupted else FAILED)
    found = open_run(outcome.folder)
    if as_json:
        print(json.dumps(summary(found), indent=2))
    else:
        print_run(found)
    if reporter.folder is None:
        reporter.begin(outcome.folder)
    said = reporter.finish()
    print(said, file=sys.stderr if as_json else sys.stdout)
    if found.status == "failed":
        raise typer.Exit(FAILED)
