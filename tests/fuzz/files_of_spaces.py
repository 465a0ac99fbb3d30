"""Space files."""

from pathlib import Path

from search.config.run_config import resolve
from spaces.read import FOLDER, read
from tests.fuzz.kind import Kind
from tests.results.made import SPACE

STRUCTURED = Path(__file__).parents[1] / "spaces" / "structured.yaml"


def make(folder: Path) -> Path:
    """A space with all kinds of parameters."""
    path = folder / "learning.yaml"
    path.write_text(SPACE)
    return path


def structured(folder: Path) -> Path:
    """A space whose options are lists and mappings with names."""
    path = folder / "structured.yaml"
    path.write_bytes(STRUCTURED.read_bytes())
    return path


def shipped(folder: Path) -> Path:
    """A space of Ladder's own."""
    path = folder / "slice_reg.yaml"
    path.write_bytes((FOLDER / "slice_reg.yaml").read_bytes())
    return path


def resolved(path: Path) -> None:
    """The configuration of a run, and its default point."""
    config = resolve([f"space={path}", "trials=3"])
    config.space.default()
    config.plain()


KINDS = {
    "space": Kind(make, resolved),
    "structured space": Kind(structured, resolved),
    "shipped space": Kind(shipped, lambda path: read(str(path))),
}
