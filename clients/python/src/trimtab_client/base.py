"""Base of the models: immutable, finite, and open to members that are newer than this client."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

TAGS = frozenset({"method", "kind"})
"""Members that say which of several shapes an object has."""


class Model(BaseModel):
    """A body, or part of one.

    Members that this version does not know are kept, in both directions: control state that a newer service answers
    goes back to it whole. A slip in the name of a member is refused by the service, which says what it found.
    A model of an answer may stand where a request takes the same members (`previous=answer.state`).
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, allow_inf_nan=False, defer_build=True, protected_namespaces=()
    )

    @model_validator(mode="before")
    @classmethod
    def _members_of_another_model(cls, value: Any) -> Any:
        return members(value) if isinstance(value, Model) and not isinstance(value, cls) else value

    def model_post_init(self, context: Any, /) -> None:
        # The tag of a method counts as set, also where its class says it already.
        self.__pydantic_fields_set__.update(
            name for name, field in type(self).model_fields.items() if name in TAGS and _is_constant(field.annotation)
        )


def members(model: Model) -> dict[str, Any]:
    """What was set, as plain values; what was left out stays out, so that the service decides it.

    A function, because a body may have a member of any name.
    """
    return model.model_dump(exclude_unset=True, by_alias=True)


def _is_constant(annotation: Any) -> bool:
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1
