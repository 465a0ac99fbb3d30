"""Files of a run that can't be read: one line that names the file, the reason, and what can be done."""

from pathlib import Path
from typing import final


class DamagedFile(ValueError):
    """A file of a run is torn, changed or of another format."""

    def __init__(self, path: Path, reason: object, advice: str) -> None:
        self.path = path
        text = " ".join(str(reason).split()) or type(reason).__name__
        super().__init__(f"{path} can't be read: {text[:300]} ({advice})")


@final
class DamagedTable(DamagedFile):
    """A file that a search derives from its journal, and can write again."""

    def __init__(self, path: Path, reason: object) -> None:
        name = path.parent.parent.name
        advice = f"it can be made again from the journal: python -m search show {name}"
        super().__init__(path, reason, advice)
