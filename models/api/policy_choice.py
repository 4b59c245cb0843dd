"""How a request says its policy: the fields themselves, or the name of a stored one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Name
from models.api.policy import HedgesPolicyIn, MarginPolicyIn, PolicyIn

MAX_VERSION = 2_147_483_647


class PolicyReference(Model):
    """A stored policy by name, exactly as it was resolved when it was stored."""

    id: Name = Field(description="`policy_id` of a policy stored with POST /v1/policies.")
    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)] | None = Field(
        None, description="Default: the newest when the request is received, listed as an assumption."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_override(cls, value: Any) -> Any:
        beside = [key for key in value if key not in cls.model_fields] if isinstance(value, dict) else []
        if beside:
            raise PydanticCustomError(
                "inconsistent",
                "goes beside no id: changed, it would not be the stored policy; store a version with the change, "
                "or send the whole policy without id",
                {"field": beside[0]},
            )
        return value


def _form(fields: str) -> Callable[[Any], str]:
    # Decided by one field, not by trying: the errors of a policy are then those of the form that was meant.
    def choose(value: Any) -> str:
        named = isinstance(value, PolicyReference) or (isinstance(value, dict) and "id" in value)
        return PolicyReference.__name__ if named else fields

    return choose


_Reference = Annotated[PolicyReference, Tag("PolicyReference")]
PolicyChoice = Annotated[Annotated[PolicyIn, Tag("PolicyIn")] | _Reference, Discriminator(_form("PolicyIn"))]
MarginPolicyChoice = Annotated[
    Annotated[MarginPolicyIn, Tag("MarginPolicyIn")] | _Reference, Discriminator(_form("MarginPolicyIn"))
]
HedgesPolicyChoice = Annotated[
    Annotated[HedgesPolicyIn, Tag("HedgesPolicyIn")] | _Reference, Discriminator(_form("HedgesPolicyIn"))
]
