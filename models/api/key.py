"""Wire models of API keys."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Time
from models.api.breaker import Text
from models.api.evaluation import AuditOut

KEY_ID_PATTERN = r"^key_[a-z2-7]{16}$"
MAX_NETWORKS = 64
MAX_UNITS = 1_000_000
ScopeName = Literal[
    "evaluate",
    "observe",
    "read",
    "portfolio:write",
    "policy:write",
    "breaker:write",
    "audit:read",
    "metrics:read",
    "admin",
]


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise PydanticCustomError(
            "ip_network", "must be an address or a network such as 10.1.0.0/16, with no bit set behind the prefix"
        ) from None


def _public_key(value: str) -> str:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise PydanticCustomError("public_key", "must be the 32 bytes of an Ed25519 public key in base64")
    return value


Network = Annotated[str, Strict(), StringConstraints(min_length=2, max_length=49), AfterValidator(_network)]
PublicKey = Annotated[str, Strict(), StringConstraints(min_length=44, max_length=44), AfterValidator(_public_key)]
Units = Annotated[int, Strict(), Field(ge=1, le=MAX_UNITS)]


class CreateKeyRequest(Model):
    """A key for the tenant of the caller."""

    label: Text = Field(description="Whose it is and what for; shown in lists.")
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=9)] = Field(
        description="What it may do; each operation names the one that it needs."
    )
    expires_at: Time | None = Field(None, description="From when it opens nothing. Default: until it is revoked.")
    networks: Annotated[list[Network], Field(max_length=MAX_NETWORKS)] = Field(
        default_factory=list, description="Addresses from which it may be used. Default: any."
    )
    signing: Literal["bearer", "ed25519", "hmac"] = Field(
        "bearer",
        description="`bearer`: requests carry the key. `ed25519`, `hmac`: they are signed, and no bearer key is made.",
    )
    public_key: PublicKey | None = Field(None, description="Of `ed25519`: 32 bytes, base64.")
    units_per_second: Units | None = Field(None, description="Rate of its own. Default: that of the service.")
    burst_units: Units | None = Field(None, description="Units at once. Default: that of the service.")

    @model_validator(mode="after")
    def _fits(self) -> CreateKeyRequest:
        if len(set(self.scopes)) < len(self.scopes):
            raise PydanticCustomError("key_form", "scopes must name each scope once")
        if (self.public_key is not None) != (self.signing == "ed25519"):
            raise PydanticCustomError("key_form", "public_key goes with signing ed25519, and is required by it")
        return self


class KeyOut(Model):
    """One key, without its secret."""

    key_id: str
    tenant_id: str
    label: str
    scopes: list[str]
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    networks: list[str] = Field(description="Addresses from which it may be used; empty: any.")
    signing: Literal["bearer", "ed25519", "hmac"]
    public_key: str | None
    units_per_second: int | None
    burst_units: int | None


class KeyPage(Model):
    """Keys of the tenant by id, also those that open nothing any more."""

    items: list[KeyOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
    staleness_seconds: float = Field(description="Age at which a change is surely seen by every process.")


class KeyChanged(KeyOut):
    """A key after a change, as it is on record."""

    by: str | None = Field(description="Key that made the change; null where none was needed.")
    event_id: str
    audit: AuditOut


class KeyCreated(KeyChanged):
    """The new key. Its secret is in this answer alone: the record and a repeated answer have null in its place."""

    key: str | None = Field(description="What to send as Authorization: Bearer.")
    signing_secret: str | None = Field(description="Of signing `hmac`: 32 bytes, base64.")
    note: str


class CurrentKey(Model):
    """Who calls."""

    tenant_id: str
    key_id: str | None = Field(description="null while the service has no keys, and trusts who reaches it.")
    label: str | None
    scopes: list[str]
    expires_at: Time | None
    networks: list[str]
    keys_required: bool = Field(description="Whether a call without a key is refused.")
