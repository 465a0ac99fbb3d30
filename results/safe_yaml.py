"""Reads YAML that anybody may have written: within bounds of time and memory.

An alias stands for all that its anchor holds, so nine short lines can stand for a billion values. A document
is refused while it is read, before anything is built from it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer

MAX_BYTES = 2**20  # PyYAML takes 0.3 s for them
MAX_NODES = 50_000  # keys and values, those behind aliases counted each time
MAX_DEPTH = 50
MAX_DIGITS = 100  # of a number; longer ones are no float any more
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class BoundedLoader(Composer, yaml.CSafeLoader):
    """PyYAML's safe loader that raises ValueError for a document beyond the bounds.

    libyaml parses the text: it is several times as fast as the parser in Python. The nodes are composed in
    Python, since libyaml's own composer can't be stopped. The base of loaders with other rules for scalars.
    """

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)
        self.nodes, self.depth = 0, 0
        self.sizes: dict[int, int] = {}  # nodes in each finished node, by its identity

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; PyYAML calls it for each. Counts the nodes behind it."""
        event = self.peek_event()
        assert event is not None and event.start_mark is not None, "PyYAML asks for a node where one begins"
        line = event.start_mark.line + 1
        is_alias, before = self.check_event(yaml.AliasEvent), self.nodes
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"line {line} is nested more than {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if is_alias and id(node) not in self.sizes:
            raise ValueError(f"the alias in line {line} stands for something that holds it")
        self.nodes += self.sizes[id(node)] if is_alias else 1
        if self.nodes > MAX_NODES:
            raise ValueError(f"up to line {line} there are more than {MAX_NODES:,} values, aliases expanded")
        if isinstance(node, yaml.ScalarNode) and node.tag in NUMBERS and len(node.value) > MAX_DIGITS:
            raise ValueError(f"the number in line {line} has more than {MAX_DIGITS} characters")
        self.sizes.setdefault(id(node), self.nodes - before)
        return node


class ScientificLoader(BoundedLoader):
    """YAML in which 1e-3 is a number; in YAML 1.1, which PyYAML implements, it is text."""


ScientificLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_node(
    path: Path, loader: type[BoundedLoader] = BoundedLoader
) -> tuple[yaml.MappingNode, dict[str, Any]]:
    """The node of the fields in a YAML file, which knows their lines, and the fields.

    Raises OSError if the file can't be read, and ValueError with one line, which does not name the file, if
    it is no text in UTF-8, no YAML, beyond the bounds, or no mapping.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    text = data.decode("utf-8-sig")
    try:
        parser = loader(text)
        node = parser.get_single_node()
        plain = parser.construct_document(node) if node else None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except (ArithmeticError, LookupError, TypeError, AttributeError) as error:
        # PyYAML's own, for a scalar that its tag does not fit: `!!int ''`
        raise ValueError(f"a value does not fit its tag ({type(error).__name__}: {error})") from error
    if not isinstance(node, yaml.MappingNode) or not isinstance(plain, dict):
        raise ValueError(f"it holds {plain!r:.40}, but must hold fields (name: value)")
    return node, plain


def read_fields(path: Path) -> Mapping[str, Any]:
    """The fields in a YAML file, whose names are text. Raises as `read_node` does."""
    plain = read_node(path)[1]
    for key in plain:
        if not isinstance(key, str):
            raise ValueError(f"its field {key!r:.40} must be a name; put it in quotes if it is one")
    return plain
