"""Door of authentication to the stored API keys, and to the pepper under which they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from app.caller import Scope

Network = IPv4Network | IPv6Network


class Signing(StrEnum):
    """How requests prove that they come from the holder of a key."""

    BEARER = "bearer"
    """They carry the key itself."""
    ED25519 = "ed25519"
    """They carry signatures of a private key that the service never sees."""
    HMAC = "hmac"
    """They carry HMAC-SHA256 under a secret that the service derives from its pepper and does not store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key, without its secret.

    Parameters
    ----------
    key_id : str
        ``key_`` and 16 letters; no secret.
    tenant_id : str
        Whose data it opens.
    scopes : frozenset of Scope
        What it may do.
    label : str
        What its owner calls it.
    created_at : datetime
        Aware, UTC.
    expires_at, revoked_at : datetime, optional
        From when it opens nothing.
    networks : tuple of networks
        Addresses that may use it; any where empty.
    signing : Signing
        Only signed requests are taken of a key that signs: there is no secret that could be sent instead.
    public_key : bytes, optional
        32 bytes of Ed25519; of a key that signs so.
    digest : bytes, optional
        HMAC-SHA256 of the key under the pepper; of a bearer key.
    units_per_second, burst_units : int, optional
        Its own rate plan; that of the settings where None.
    """

    key_id: str
    tenant_id: str
    scopes: frozenset[Scope]
    label: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    networks: tuple[Network, ...] = ()
    signing: Signing = Signing.BEARER
    public_key: bytes | None = None
    digest: bytes | None = field(default=None, repr=False)
    units_per_second: int | None = None
    burst_units: int | None = None

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def allows(self, address: str | None) -> bool:
        """Whether it may be used from an address; an unknown one is in no list."""
        if not self.networks:
            return True
        try:
            given = ip_address((address or "").partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(given, "ipv4_mapped", None) or given
        return any(mapped in network for network in self.networks)


class Pepper(Protocol):
    """Holder of the secret without which the stored digests are of no use to a thief of the database."""

    def digest(self, key: str) -> bytes:
        """HMAC-SHA256 of the whole text of a key."""
        ...

    def signing_secret(self, key_id: str) -> bytes:
        """Secret of a key that signs by HMAC: 32 bytes, the same whenever it is asked for, stored nowhere."""
        ...


class KeyStore(Protocol):
    """API keys. None is ever removed: a revoked one stays, so that its name says who did what.

    Every coroutine raises `AuditUnavailable` if the store cannot answer.
    """

    staleness_seconds: float
    """Age of the oldest copy that `find` answers with."""

    def any(self) -> bool:
        """Whether there is a key, of whatever state: then every caller needs one.

        Known without a look at the store: one that has come to another process is known here after
        `staleness_seconds`, or once the store can be reached again.
        """
        ...

    async def find(self, key_id: str) -> ApiKey | None:
        """Key of any tenant, from a copy of at most `staleness_seconds`; a store that is away opens nothing."""
        ...

    async def add(self, key: ApiKey) -> None:
        """Store a new key, durably."""
        ...

    async def revoke(self, tenant_id: str, key_id: str, moment: datetime) -> ApiKey | None:
        """End a key of a tenant, durably; the key as it is now (of two revocations the first stays), None where the
        tenant has none of this id.
        """
        ...

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        """At most `limit` keys with ids above `after`, in the order of the bytes of their ids."""
        ...
