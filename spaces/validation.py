"""Validation of plain values by pydantic; each mistake becomes one line: field, value, rule.

A type states its rule in words beside the constraints that pydantic checks:

    PositiveInt = Annotated[int, Field(strict=True, ge=1), Rule("be a whole number >= 1")]
    validate(RunConfig, {"trials": 0, ...}, at=str, change="{}=...")
    ValueError: trials is 0, but must be a whole number >= 1 (trials=...)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, StrictFloat, StrictInt, TypeAdapter, ValidationError
from pydantic_core import core_schema


@dataclass(frozen=True)
class Rule:
    """The end of the sentence "x is 3, but must ...", in place of pydantic's own message for a type."""

    text: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.custom_error_schema(
            handler(source), custom_error_type="rule", custom_error_message=self.text
        )


PositiveInt = Annotated[int, Field(strict=True, ge=1), Rule("be a whole number >= 1")]
NonNegativeInt = Annotated[int, Field(strict=True, ge=0), Rule("be a whole number >= 0")]
Number = Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False), Rule("be a number")]
Bool = Annotated[bool, Field(strict=True), Rule("be true or false")]

adapter = cache(TypeAdapter)  # building one takes milliseconds


def validate(kind: Any, plain: Any, at: Callable[..., str], change: str = "") -> Any:
    """`plain` as `kind`: a dataclass of plain values, or a type annotated with a `Rule`.

    Raises ValueError for the first mistake. `at` makes the name of a field from its path, and `change` says
    where to change it, with {} for that name.
    """
    try:
        return adapter(kind).validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = at(*map(str, first["loc"]))
        match first["type"]:
            case "missing":
                mistake = "is missing"
            case "unexpected_keyword_argument":
                mistake = "is no known field"
            case "dataclass_type":
                mistake = f"is {first['input']!r}, but must hold fields of its own"
            case _:
                mistake = f"is {first['input']!r}, but must {first['msg']}"
        place = f" ({change.replace('{}', name)})" if change else ""
        raise ValueError(f"{name} {mistake}{place}") from error


def check_value(kind: Any, key: str, value: Any) -> Any:
    """`value` of the option `key=...` of a command. Raises ValueError if it breaks the rule of `kind`."""
    return validate(kind, value, lambda: key, "{}=...")
