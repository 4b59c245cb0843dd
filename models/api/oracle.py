"""Wire models of `POST /v1/oracles:aggregate`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Time
from models.api.evaluation import Assumption, AuditOut
from models.api.market import MAX_SYMBOLS
from models.api.price_sources import (
    MAX_KEYS,
    MAX_ORACLE_OBSERVATIONS,
    MAX_RATES,
    OracleIn,
    OracleOut,
    PublicKey,
    RateIn,
)
from models.api.strict import StrictScalars
from services.guards.policy import OraclePolicy


class OraclesRequest(Model):
    """Prices of many sources, by symbol."""

    oracles: Annotated[list[OracleIn], Field(min_length=1, max_length=MAX_SYMBOLS, fail_fast=True)]
    rates: Annotated[list[RateIn], Field(max_length=MAX_RATES, fail_fast=True)] = []
    keys: Annotated[list[PublicKey], Field(max_length=MAX_KEYS, fail_fast=True)] = Field(
        [], description="Ed25519 public keys whose signatures count."
    )
    policy: Annotated[OraclePolicy, StrictScalars()] = OraclePolicy()
    as_of: Time | None = Field(None, description="The moment that prices are for; default: the time of receipt.")

    @model_validator(mode="after")
    def _consistent(self) -> OraclesRequest:
        count = sum(len(item.observations) for item in self.oracles)
        if count > MAX_ORACLE_OBSERVATIONS:
            text = "a request may hold {limit} observations, this one holds {found}"
            raise PydanticCustomError("inconsistent", text, {"limit": MAX_ORACLE_OBSERVATIONS, "found": count})
        _once("oracles", [item.symbol for item in self.oracles])
        _once("keys", self.keys)
        _once("rates", [f"{item.currency} of {item.source or 'no source'}" for item in self.rates])
        if self.policy.min_signers > len(self.keys):
            text = "policy.min_signers is {wanted} and keys holds {found}: no answer could have a quorum"
            raise PydanticCustomError(
                "inconsistent", text, {"wanted": self.policy.min_signers, "found": len(self.keys)}
            )
        return self


def _once(field: str, names: list[str]) -> None:
    if len(names) != len(set(names)):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise PydanticCustomError("duplicate_row", "{field} holds {key} more than once", {"field": field, "key": twice})


class OraclesAnswer(Model):
    """One row a symbol, in the order of the request."""

    evaluation_id: str
    as_of: Time
    received_at: Time
    oracles: list[OracleOut]
    assumptions: list[Assumption]
    audit: AuditOut
