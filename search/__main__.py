"""`python -m search`."""

from search.cli.commands import app

app(prog_name="python -m search")
