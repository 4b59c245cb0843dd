"""Strict scalars inside the parameter objects of the core, which know no validating layer.

A dataclass with plain `float` and `bool` fields is read leniently: `"0.2"` and `true` would pass for numbers.
`strict=True` on the whole model is no way out, because a strict dataclass takes instances only, never a JSON object. So
the scalars alone are made strict, in the schema.
"""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler

SCALARS = frozenset({"float", "int", "bool", "str"})


class StrictScalars:
    """Annotation: every number, flag and string below must have its own JSON type.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> @dataclass
    ... class Half:
    ...     value: float
    >>> TypeAdapter(Annotated[Half, StrictScalars()]).validate_python({"value": "0.5"})
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Half
    value
      Input should be a valid number [type=float_type, input_value='0.5', input_type=str]
        For further information visit https://errors.pydantic.dev/2.14/v/float_type
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Schema of the annotated type with strict scalars."""
        schema = handler(source)
        _tighten(schema, handler, set())
        return schema


def _tighten(node: Any, handler: GetCoreSchemaHandler, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, list | tuple):
        for item in node:
            _tighten(item, handler, seen)
    elif isinstance(node, dict):
        if node.get("type") == "definition-ref":
            _tighten(handler.resolve_ref_schema(node), handler, seen)
        elif node.get("type") in SCALARS:
            node["strict"] = True
        for item in node.values():
            _tighten(item, handler, seen)
