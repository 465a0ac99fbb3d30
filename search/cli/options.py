"""What several commands of the command line take, and how `storage=FOLDER` and its like are read."""

from typing import Annotated, Any

import typer

Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value ..., in Hydra's grammar", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="a run's name in storage, or the path of its folder")]
Storage = Annotated[
    list[str] | None, typer.Argument(help="storage=FOLDER (default: runs)", show_default=False)
]
Options = Annotated[
    list[str] | None, typer.Argument(help="key=value ..., storage=FOLDER among them", show_default=False)
]


def storage_of(arguments: list[str] | None) -> str:
    """The folder in `storage=FOLDER`. Raises ValueError for any other argument."""
    return str(options_of(arguments, storage="runs")["storage"])


def options_of(arguments: list[str] | None, **defaults: Any) -> dict[str, Any]:
    """The defaults with what the arguments give in their place. Raises ValueError for any other key."""
    from search.config.run_config import parse_overrides

    given = parse_overrides(arguments or [])
    if set(given) - set(defaults):
        known = ", ".join("storage=FOLDER" if key == "storage" else f"{key}=..." for key in defaults)
        raise ValueError(f"{arguments} is not understood here; only {known}")
    return {**defaults, **given}
