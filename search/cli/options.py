"""Arguments that several commands share, and the reading of `storage=FOLDER` and similar options."""

from typing import Annotated, Any

import typer

Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value ..., in Hydra's grammar", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="name of a run in storage, path of its folder, or its URI")]
Storage = Annotated[
    list[str] | None, typer.Argument(help="storage=FOLDER or URI (default: runs)", show_default=False)
]
Options = Annotated[
    list[str] | None,
    typer.Argument(help="key=value ..., among them storage=FOLDER or URI", show_default=False),
]


def storage_of(arguments: list[str] | None) -> str:
    """The folder or URI in `storage=...`. Raises ValueError for any other argument."""
    return str(options_of(arguments, storage="runs")["storage"])


def options_of(arguments: list[str] | None, **defaults: Any) -> dict[str, Any]:
    """The defaults, overridden by the arguments. Raises ValueError for a key without a default."""
    from search.config.overrides import parse_overrides

    values = parse_overrides(arguments or [])
    if set(values) - set(defaults):
        keys = ", ".join("storage=FOLDER" if key == "storage" else f"{key}=..." for key in defaults)
        raise ValueError(f"{arguments} is not understood here; only {keys}")
    return {**defaults, **values}
