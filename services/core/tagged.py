"""A union of parameter objects that is told apart by `method`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Tagged:
    """Annotation of a union of dataclasses: `field` of each holds the literal that names it.

    A validating layer that follows the ``__get_pydantic_core_schema__`` protocol then picks the one member that is
    named, and complains about that one only. The core itself needs no such layer.

    Examples
    --------
    >>> from typing import Annotated
    >>> Method = Annotated[int | str, Tagged()]
    """

    field: str = "method"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """Schema of the union, with its discriminator."""
        choices = {tag: handler.generate_schema(member) for member in get_args(source) for tag in self._tags(member)}
        return {"type": "tagged-union", "choices": choices, "discriminator": self.field}

    def _tags(self, member: type) -> tuple[str, ...]:
        return get_args(get_type_hints(member)[self.field])
