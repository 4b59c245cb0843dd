"""Who calls: from the headers of a request or a handshake to a `Caller`, or to the problem that says why not.

Nothing here knows the framework; routes and streams call it, and nothing is computed or recorded before it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from app.api_key import NotAKey, id_of
from app.caller import LOCAL, Caller, Scope
from app.container import Container
from app.key_port import ApiKey, Signing
from app.limits import BURST_SECONDS, RATE_UNITS_PER_SECOND
from app.ports import AuditUnavailable
from app.problems import RequestProblem
from app.settings import Settings
from app.token_bucket import MAX_BURST, RatePlan

Headers = Iterable[tuple[bytes, bytes]]
REALM = 'Bearer realm="trimtab"'
_MAX_HEADER = 512
_NO_DIGEST = bytes(32)


class Ticking(Protocol):
    """A clock."""

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        ...


def keys_required(container: Container) -> bool:
    """Whether a caller needs a key: always by the settings, else as soon as there is one."""
    return container.settings.require_keys or container.keys.any()


async def authenticate(container: Container, headers: Headers, address: str | None, clock: Ticking) -> Caller:
    """Caller of a request with these headers from this address; everyone is `LOCAL` where no key is required.

    Raises
    ------
    RequestProblem
        401 without a key that opens, 403 for one that is not for this address, 429 after too many failures from
        there, 503 where the keys cannot be read.
    """
    if not keys_required(container):
        return LOCAL
    return await authenticate_bearer(container, bearer_of(headers), address, clock.now())


def bearer_of(headers: Headers) -> str:
    """Text of the one header `Authorization: Bearer …`.

    Raises
    ------
    RequestProblem
        401 where there is none, or something else.
    """
    given = [value for name, value in headers if name == b"authorization"]
    if not given:
        raise RequestProblem("unauthorized", "send Authorization: Bearer with an API key", headers=_challenge())
    scheme, _, text = given[0].decode("latin-1").strip().partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or len(given[0]) > _MAX_HEADER:
        raise RequestProblem(
            "unauthorized", "Authorization must be sent once, as Bearer and an API key", headers=_challenge()
        )
    return text.strip()


async def authenticate_bearer(container: Container, text: str, address: str | None, now: datetime) -> Caller:
    """Caller that a key names, wherever it came from.

    Raises
    ------
    RequestProblem
        As `authenticate`.
    """
    try:
        key_id = id_of(text)
    except NotAKey as error:  # no attempt: it cannot be right, and no store is asked
        raise RequestProblem("malformed_key", str(error), headers=_challenge("invalid_token")) from None
    key = await key_for_check(container, key_id, address, now)
    digest = _digest(container, text)
    # One comparison, whether or not there is such a key: how long an answer takes says nothing.
    known = _NO_DIGEST if key is None or key.digest is None else key.digest
    if not hmac.compare_digest(digest, known) or key is None or key.signing is not Signing.BEARER:
        raise refused_attempt(container, address, now)
    return admit(container, key, address, now)


async def key_for_check(container: Container, key_id: str, address: str | None, now: datetime) -> ApiKey | None:
    """Key of this id, which is yet to be proven; None where there is none.

    Raises
    ------
    RequestProblem
        429 after too many failures from this address, 503 where the keys cannot be read.
    """
    check_attempts(container, key_id, address, now)
    try:
        return await container.keys.find(key_id)
    except AuditUnavailable as error:
        raise RequestProblem("keys_unavailable", error.detail) from None


def check_attempts(container: Container, key_id: str, address: str | None, now: datetime) -> None:
    """Refuse an address that failed too often.

    Raises
    ------
    RequestProblem
        429, with the time to wait.
    """
    if wait := container.attempts.wait_seconds(address, key_id, now):
        raise RequestProblem(
            "too_many_failures",
            "too many attempts from this address failed",
            headers=(("Retry-After", str(int(wait) + 1)),),
        )


def refused_attempt(container: Container, address: str | None, now: datetime) -> RequestProblem:
    """Problem of a proof that fails, which is counted: the same for an unknown key and a wrong secret or signature."""
    container.attempts.failed(address, now)
    return RequestProblem("unauthorized", "the API key is not valid", headers=_challenge("invalid_token"))


def admit(container: Container, key: ApiKey, address: str | None, now: datetime) -> Caller:
    """Caller of a key that was proven.

    Raises
    ------
    RequestProblem
        401 where it was revoked or has expired, 403 where it is not for this address.
    """
    code = "revoked_key" if key.revoked_at is not None else "expired_key" if key.expired(now) else ""
    if code:
        container.attempts.failed(address, now)
        raise RequestProblem(code, f"{key.key_id} opens nothing any more", headers=_challenge("invalid_token"))
    if not key.allows(address):
        container.attempts.failed(address, now)
        raise RequestProblem("address_denied", f"{key.key_id} may not be used from this address")
    container.attempts.succeeded(address, key.key_id, now)
    plan = plan_of_key(key, container.settings)
    return Caller(tenant_id=key.tenant_id, key_id=key.key_id, scopes=key.scopes, plan=plan)


def plan_of_key(key: ApiKey, settings: Settings) -> RatePlan | None:
    """Rate plan of a key that has one; what it leaves open is as for all."""
    if key.units_per_second is None and key.burst_units is None:
        return None
    rate = key.units_per_second or settings.rate_units_per_second or RATE_UNITS_PER_SECOND
    burst = key.burst_units or min(round(BURST_SECONDS * rate), MAX_BURST)
    return RatePlan.of(rate, burst)


def check_scope(caller: Caller, needed: Scope) -> None:
    """Refuse a caller without a scope.

    Raises
    ------
    RequestProblem
        403, which names the scope.
    """
    if needed not in caller.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{needed.value}"'
        raise RequestProblem(
            "forbidden_scope", f"the key needs the scope {needed.value}", headers=(("WWW-Authenticate", challenge),)
        )


def _digest(container: Container, text: str) -> bytes:
    if container.pepper is None:
        raise RequestProblem("keys_unavailable", "this process has no pepper: TRIMTAB_KEY_PEPPER_FILE names its file")
    return container.pepper.digest(text)


def _challenge(error: str = "") -> tuple[tuple[str, str], ...]:
    return (("WWW-Authenticate", f'{REALM}, error="{error}"' if error else REALM),)
