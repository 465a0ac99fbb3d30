"""`python -m search`."""

from search.cli import app

app(prog_name="python -m search")
