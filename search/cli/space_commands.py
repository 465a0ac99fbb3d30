"""The commands on spaces, before a run. Each imports its modules when it is called."""

import json
from pathlib import Path
from typing import Annotated

import typer

from search.cli.exit_codes import WRONG_INPUT, user_errors
from search.cli.options import AsJson, Overrides, options_of


@user_errors
def check(overrides: Overrides = None) -> None:
    """Check a space before a long search: imports, bounds of every parameter, shapes, memory, disk.

    Example: `python -m search check space=mnist_classifier`

    Takes the arguments of `run`. Ends with code 2 if something is wrong.
    """
    from search.before.check import WRONG, rows
    from search.before.check import check as findings
    from search.cli.tables import print_table
    from search.config.run_config import resolve

    results = list(findings(resolve(overrides or [])))
    print_table(rows(results))
    if any(finding.verdict == WRONG for finding in results):
        raise typer.Exit(WRONG_INPUT)


@user_errors
def new(
    module: Annotated[str, typer.Argument(help="package.module or package.module:Class")],
    options: Annotated[
        list[str] | None, typer.Argument(help="data=package.module:DataClass", show_default=False)
    ] = None,
) -> None:
    """Write a space file for your own module from its arguments.

    Example: `python -m search new my_pkg.my_module:MyLitModule data=my_pkg.my_module:MyDataModule`
    """
    from search.before.new_space import write

    values = options_of(options, data=None)
    path = write(module, values["data"], Path.cwd())
    print(f"wrote {path}; look at it, then: python -m search check space={path.name}")


@user_errors
def spaces(as_json: AsJson = False) -> None:
    """List the spaces that come with Ladder.

    Example: `python -m search spaces`
    """
    from search.cli.tables import print_table
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
