"""The command line `python -m search`: all its commands, in the order of its help."""

import typer

from search.cli import run_commands as runs
from search.cli import space_commands as spaces

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Search hyperparameters of PyTorch Lightning models.\n\n"
    "Begin with: `python -m search run space=slice_reg`",
)

for command in (runs.run, runs.resume, runs.show, runs.confirm, runs.export, runs.predict, runs.report):
    app.command()(command)
for command in (runs.compare, runs.replay):
    app.command()(command)
app.command("list")(runs.list_runs)
for command in (runs.dashboard, spaces.check, spaces.new, spaces.spaces):
    app.command()(command)
