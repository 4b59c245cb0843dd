"""Who calls: what authentication found out of a request, and what the rest of the service asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from app.container import LOCAL_TENANT
from app.token_bucket import RatePlan

CALLER_KEY = "trimtab.caller"
"""Place of the caller in the scope of a request or a handshake."""


class Scope(StrEnum):
    """What a key may do; each route asks for one of these, or for none."""

    EVALUATE = "evaluate"
    OBSERVE = "observe"
    READ = "read"
    PORTFOLIO_WRITE = "portfolio:write"
    POLICY_WRITE = "policy:write"
    BREAKER_WRITE = "breaker:write"
    AUDIT_READ = "audit:read"
    METRICS_READ = "metrics:read"
    ADMIN = "admin"


class Open(Enum):
    """Who may pass without a certain scope."""

    TO_ALL = "everyone"
    TO_ANY_KEY = "any key"


PUBLIC, ANY_KEY = Open.TO_ALL, Open.TO_ANY_KEY
Needs = Scope | Open
"""What a route asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One authenticated caller.

    Parameters
    ----------
    tenant_id : str
        Whose data it sees.
    key_id : str, optional
        Its API key; None where the service has none and trusts everyone who reaches the port.
    scopes : frozenset of Scope
        What it may do.
    plan : RatePlan, optional
        What its key may spend, where that differs from what all may.
    """

    tenant_id: str
    key_id: str | None
    scopes: frozenset[Scope]
    plan: RatePlan | None = None


LOCAL = Caller(tenant_id=LOCAL_TENANT, key_id=None, scopes=frozenset(Scope))
"""Everyone, where there are no keys."""


NOBODY = Caller(tenant_id="", key_id=None, scopes=frozenset())
"""Whoever asks for what is open to all: of no tenant, so that nothing of one can slip out there."""


def caller_of(scope: Any) -> Caller:
    """Caller of a request; authentication has put it into the scope.

    Raises
    ------
    KeyError
        If nothing has: a route that nobody guards answers nobody.
    """
    caller: Caller = scope[CALLER_KEY]
    return caller
