"""The command `try`: trains one configuration in a run that exists."""

from typing import Annotated

import typer

from search.cli.exit_codes import end_run
from search.cli.options import AsJson, Name


def try_configuration(
    name: Name,
    values: Annotated[
        list[str] | None,
        typer.Argument(help="parameter=value ..., and storage=FOLDER or URI", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a trial with values of your own to a run, and train it to the last epoch.

    Example: `python -m search try first lr=0.01`

    Parameters that are not given have the values of the best trial.
    """
    from search.after.report_process import ReportProcess
    from search.config.overrides import parse_overrides
    from search.runs.by_hand import try_configuration as try_in_run
    from search.runs.find import find

    given = parse_overrides(values or [])
    run = find(name, str(given.pop("storage", "runs")))
    with ReportProcess(run.config.get("gallery")) as report:
        end_run(try_in_run(run.path, given, report.begin), report, as_json)
