"""The command `stop`: ends a trial of a search that runs in another process."""

from typing import Annotated

import typer

from search.cli.options import Name, Storage, storage_of


def stop(
    name: Name,
    trial: Annotated[int, typer.Argument(min=0, help="number of a trial")],
    storage: Storage = None,
) -> None:
    """Stop a trial of a running search: it does not go on after its next rung.

    Example: `python -m search stop first 7`
    """
    from search.runs.find import find
    from search.runs.stop_requests import request

    request(find(name, storage_of(storage)), trial)
    print(f"trial {trial} will not go on: it stops at once if it waits at a rung, else at its next rung")
