"""The end of a command: its last lines and its exit code."""

import json
import select
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import typer

from spaces.messages import one_line

if TYPE_CHECKING:
    from search.after.report_process import ReportProcess
    from search.runs.run import Outcome

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
STDOUT = 1


def user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: a ValueError is a mistake of the user, and becomes one line on stderr and exit code 2."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ValueError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            raise typer.Exit(WRONG_INPUT) from error
        except KeyboardInterrupt:
            print("interrupted.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError as error:
            if reader_left():
                raise typer.Exit(FAILED) from None
            raise RuntimeError("a pipe to another process broke") from error

    return wrapped


def reader_left() -> bool:
    """Whether standard output is a pipe whose reader, such as `head` or a pager, has ended."""
    poll = select.poll()
    poll.register(STDOUT, 0)  # errors are always reported
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def end_run(
    outcome: "Outcome", report: "ReportProcess", as_json: bool = False, again: str | None = None
) -> None:
    """Prints how a run ended and makes its report; ends the command unless the run was successful.

    `again` is the command that continues an interrupted run.
    """
    from results.store import open_run
    from search.cli.tables import print_run, summary
    from search.opened import SearchRun
    from search.runs.folder import address

    if outcome.interrupted or outcome.error:
        why = "interrupted" if outcome.interrupted else f"error: {outcome.error}"
        print(f"{why}; what was finished is kept.", file=sys.stderr)
        if (outcome.folder / "config.yaml").exists():
            verb = "confirm" if open_run(outcome.folder).status == "finished" else "resume"
            again = again or f"{verb} {address(outcome.folder)}"
            print(f"go on with: python -m search {again}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED if outcome.interrupted else FAILED)
    if mistake := SearchRun(outcome.folder).mistake:
        raise ValueError(mistake)
    run = open_run(outcome.folder)
    if as_json:
        print(json.dumps(summary(run), indent=2))
    else:
        print_run(run)
    if report.folder is None:
        report.begin(outcome.folder)
    print(report.finish(), file=sys.stderr if as_json else sys.stdout)
    if run.status == "failed":
        raise typer.Exit(FAILED)
