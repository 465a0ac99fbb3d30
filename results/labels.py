"""The label of an option: the plain value that stands for it in the journal, the tables and the report.

A list or a mapping is no category for Optuna and no cell of a table. Its label is its JSON text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def label(option: Any) -> Any:
    """The label of an option without a name: the option itself, or the JSON text of a list or mapping."""
    return json.dumps(option, ensure_ascii=False) if isinstance(option, list | dict) else option


def labels(choices: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """The labels of the choices in a configuration: the names of a mapping, or that of each option."""
    return list(choices) if isinstance(choices, Mapping) else [label(option) for option in choices]
