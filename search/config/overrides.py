"""Overrides of the command line: Hydra's grammar, unknown keys, and values of the wrong type.

Hydra's own parser reads them, so quotes, lists and numbers work as in Hydra. `hydra.compose` is not used: see
docs/decisions/0002-configuration.md.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from results.remote import check_uri
from spaces.messages import did_you_mean
from spaces.space import Space

ADDRESSES = ("storage", "warm_start")  # keys whose value may be a URI
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Key and value of each override, in Hydra's grammar.

    Raises ValueError for text that is not `key=value`, for additions, deletions and sweeps, and as `address`
    does.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    values: dict[str, Any] = {}
    for text in overrides:
        if pair := address(text):
            values[pair[0]] = pair[1]
            continue
        try:
            override = parser.parse_override(text)
        except (HydraException, RecursionError) as error:
            hint = "key=value, with quotes around text that has spaces or commas"
            text = re.sub(r"://\S*@", "://...@", text)  # a secret
            raise ValueError(f"{text!r} is no override: write {hint}") from error
        if override.is_add() or override.is_delete() or override.is_sweep_override():
            raise ValueError(f"{text!r}: write key=value; a list of choices is key=[a,b]")
        key, value = override.key_or_group, override.value()
        quoted = address(f"{key}={value}")  # in Hydra's quotes
        values[key] = quoted[1] if quoted else value
    return values


def address(text: str) -> tuple[str, str] | None:
    """Key and value of `storage=URI` or `warm_start=URI`, which stands as it is: Hydra's grammar has no `?`.

    Raises ValueError if the URI can't name a storage.
    """
    key, _, value = text.partition("=")
    return (key, check_uri(value)) if key in ADDRESSES and ADDRESS.match(value) else None


def check_keys(overrides: Mapping[str, Any], keys: Sequence[str], space: Space) -> None:
    """Raises ValueError for a key that is neither in `keys` nor one of the space."""
    known = [*keys, "data", *space.settings, *(f"data.{name}" for name in space.options)]
    known += [f"param.{name}" for name in space.params]
    for key in overrides:
        parameter = space.split_key(key.removeprefix("param."))[0]
        if key not in known and not (key.startswith("param.") and parameter in space.params):
            raise ValueError(
                f"there is no key {key!r} in space {space.name}{did_you_mean(key, known)} ({key}=...)"
            )


def check_types(prefix: str, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises ValueError for a value of another type than its default in the space file.

    A default of null accepts any type, and a float accepts an integer.
    """
    for key, value in values.items():
        default = defaults.get(key)
        if default is None or type(value) is type(default):
            continue
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            continue
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        rule = kind.get(type(default), f"a {type(default).__name__}")
        raise ValueError(f"{prefix}{key} is {value!r}, but must be {rule} ({prefix}{key}={default})")
