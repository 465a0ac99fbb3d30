"""`import pytorch_lightning` gives `lightning.pytorch`: the same code under its earlier name.

The two packages have classes of their own, and a Trainer of one refuses modules of the other. So code that
imports the earlier name gets the classes of the later one, also where only that is installed.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, final

EARLIER, LATER = "pytorch_lightning", "lightning.pytorch"


@final
class Alias(MetaPathFinder, Loader):
    """Finds each module of the earlier name as the module of the later one."""

    def __init__(self) -> None:
        self.specs: dict[str, ModuleSpec | None] = {}  # of the modules, which an import replaces

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != EARLIER:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(LATER + spec.name.removeprefix(EARLIER))
        self.specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.specs.pop(module.__name__)


def came_first(value: Any) -> str:
    """What to do about a class or an object of the earlier package itself, which came before the alias.

    Empty if it is none.
    """
    kind = value if isinstance(value, type) else type(value)
    if not any(base.__module__.partition(".")[0] == EARLIER for base in kind.__mro__):
        return ""
    return (
        f"{kind.__name__} has a base class of {EARLIER}, which was imported before search and has classes of "
        f"its own; put `import search` above `import {EARLIER}` (in a notebook after a restart), or import "
        f"{LATER} in its place"
    )


def alias() -> None:
    """Makes the alias, unless the earlier package is imported already or there is one."""
    if EARLIER not in sys.modules and not any(isinstance(finder, Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, Alias())
