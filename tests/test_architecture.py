"""The house rules that import-linter cannot state: sizes of files, cycles, and the imports of the core."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search", "trainables", "spaces", "results")
MAX_LINES = 300
MAX_CORE_LINES = 2800
FILES = sorted(
    path.relative_to(ROOT)
    for folder in (*PACKAGES, "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
CORE_IMPORTS = ("spaces", "optuna", "cmaes", "numpy", "scipy", "threadpoolctl")
CORE = [path for path in FILES if path.parts[:2] == ("search", "core")]


def lines(path: Path) -> int:
    return len((ROOT / path).read_text().splitlines())


def test_every_file_can_be_read_in_one_sitting():
    assert {str(path): lines(path) for path in FILES if lines(path) > MAX_LINES} == {}


def test_the_core_is_small():
    assert sum(map(lines, CORE)) < MAX_CORE_LINES


def imported(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and node.level == 0, "imports are absolute"
            yield node.module


@pytest.mark.parametrize("path", CORE, ids=str)
def test_the_core_imports_spaces_numerics_and_the_standard_library(path):
    for module in imported(path):
        package = module.partition(".")[0]
        own = module.startswith("search.core")
        assert own or package in CORE_IMPORTS or package in sys.stdlib_module_names, module


def test_no_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph(*PACKAGES)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert cycle(imports) is None


def cycle(imports: dict[str, set[str]]) -> list[str] | None:
    """A cycle of modules, by depth-first search; None if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str] | None:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return None
        for other in sorted(imports[module]):
            if circle := visit(other, [*path, module]):
                return circle
        done.add(module)
        return None

    return next((circle for module in sorted(imports) if (circle := visit(module, []))), None)


def test_a_cycle_is_reported():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_every_package_says_what_belongs_there():
    for package in {path.parent for path in FILES if path.parts[0] in PACKAGES}:
        text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))
        assert text and len(text.splitlines()) <= 6, package
