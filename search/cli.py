"""The command line. A user's ValueError becomes one line and exit code 2; see `python -m search --help`."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Search hyperparameters of PyTorch Lightning models.\n\n"
    "Begin with: `python -m search run space=slice_reg`",
)

Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value ..., in Hydra's grammar", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="a run's name in storage, or the path of its folder")]
Storage = Annotated[
    list[str] | None, typer.Argument(help="storage=FOLDER (default: runs)", show_default=False)
]

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


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
        except BrokenPipeError:
            raise typer.Exit(FAILED) from None

    return wrapped


@app.command()
@user_errors
def run(overrides: Overrides = None) -> None:
    """Search a space.

    Example: `python -m search run space=slice_reg name=first trials=20 param.lr.high=0.1`

    Keys are those of search/config.yaml, `data=SOURCE`, `data.OPTION=...`, the space's settings, and
    `param.NAME=...`: a value fixes it, a list `[a,b]` gives choices, `.low=` and `.high=` move its ends.
    """
    from search.config import resolve
    from search.run import start

    ended(start(resolve(overrides or [])), as_json=False)


@app.command()
@user_errors
def resume(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Go on with a run that was interrupted.

    Example: `python -m search resume first`
    """
    from search.run import find
    from search.run import resume as go_on

    ended(go_on(find(name, storage_of(storage)).path), as_json)


@app.command()
@user_errors
def show(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Show what a run has found.

    Example: `python -m search show first --json`
    """
    from search.run import find
    from search.show import print_run, summary

    run = find(name, storage_of(storage))
    if as_json:
        print(json.dumps(summary(run), indent=2))
    else:
        print_run(run)


@app.command("list")
@user_errors
def list_runs(storage: Storage = None, as_json: AsJson = False) -> None:
    """List the runs in a storage folder.

    Example: `python -m search list storage=runs`
    """
    from results.store import open_run
    from search.show import brief, print_table

    folders = sorted(path.parent for path in Path(storage_of(storage)).glob("*/config.yaml"))
    rows = [brief(open_run(folder)) for folder in folders]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print_table(rows)
    else:
        print(f"no runs in {storage_of(storage)}; begin with: python -m search run space=slice_reg")


@app.command()
@user_errors
def spaces(as_json: AsJson = False) -> None:
    """List the spaces that Ladder brings.

    Example: `python -m search spaces`
    """
    from search.show import print_table
    from spaces.read import names, read

    rows = [
        {
            "space": space.name,
            "about": space.about,
            "objective": f"{space.objective.metric} ({space.objective.mode})",
            "params": ", ".join(space.params),
        }
        for space in map(read, names())
    ]
    print(json.dumps(rows, indent=2)) if as_json else print_table(rows)


def storage_of(arguments: list[str] | None) -> str:
    """The folder in `storage=FOLDER`. Raises ValueError for any other argument."""
    from search.config import parse_overrides

    given = parse_overrides(arguments or [])
    if set(given) - {"storage"}:
        raise ValueError(f"{arguments} is not understood here; only storage=FOLDER is")
    return str(given.get("storage", "runs"))


def ended(outcome: Any, as_json: bool) -> None:
    """Says how a run ended, and ends the command with the code for it."""
    from results.store import open_run
    from search.run import short
    from search.show import print_run, summary

    if outcome.interrupted or outcome.unwritable:
        why = "interrupted" if outcome.interrupted else f"error: {outcome.unwritable}"
        print(f"{why}; what was finished is kept.", file=sys.stderr)
        if outcome.folder.exists():
            print(f"go on with: python -m search resume {short(outcome.folder)}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED if outcome.interrupted else FAILED)
    found = open_run(outcome.folder)
    if as_json:
        print(json.dumps(summary(found), indent=2))
    else:
        print_run(found)
    if found.status == "failed":
        raise typer.Exit(FAILED)
