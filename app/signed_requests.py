"""Signed requests at the door: the key, the clock, the bytes, the nonce, in this order; then who calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from app.authentication import admit, key_for_check, refused_attempt
from app.caller import Caller
from app.container import Container
from app.door_ports import DoorsUnsure
from app.key_port import ApiKey, Signing
from app.problems import RequestProblem
from app.request_signature import (
    AHEAD_MS,
    ED25519,
    HMAC_SHA256,
    BadSignature,
    SignedHead,
    Verifier,
    is_signed_by,
    signed_head,
    skew_ms,
)

CHALLENGE = (("WWW-Authenticate", 'Signature realm="trimtab"'),)

STORE_SECONDS = 5.0
"""Longest time that the stores take while a request is let in [s]."""


async def authenticate_signed(
    container: Container,
    head: SignedHead,
    method: str,
    target: str,
    body: Callable[[], Awaitable[bytes]],
    address: str | None,
) -> Caller:
    """Caller of a request; its body is read once the clock and the name of the key are right.

    The nonce is used up last: a request that is refused for anything else can be repeated with the same signature.

    Raises
    ------
    RequestProblem
        401 where it is not proven, was used before, or the clocks differ; 503 where that cannot be told; else as
        `app.authentication.admit`.
    """
    now = container.clock.now()
    window = round(1000 * container.settings.signature_window_seconds)
    now_ms = int(now.timestamp() * 1000)
    if (late := skew_ms(head, now_ms, window)) is not None:
        raise _skewed(late, window)
    key = await key_for_check(container, head.key_id, address, now)
    verifier = verifier_of(container, key)
    if key is None or verifier is None or not is_signed_by(verifier, head, method, target, await body()):
        refused_attempt(container, address, now)
        raise unsigned("the signature does not fit the key and the request")
    caller = admit(container, key, address, now)
    await _use(container, head, window)
    return caller


def verifier_of(container: Container, key: ApiKey | None) -> Verifier | None:
    """What checks the signatures of a key; None for one that does not sign."""
    if key is None:
        return None
    if key.signing is Signing.ED25519 and key.public_key is not None:
        return Verifier(ED25519, key.public_key)
    if key.signing is Signing.HMAC and container.pepper is not None:
        return Verifier(HMAC_SHA256, container.pepper.signing_secret(key.key_id))
    return None


def unsigned(detail: str) -> RequestProblem:
    """401 of a request that is not signed as it must be."""
    return RequestProblem("invalid_signature", detail, headers=CHALLENGE)


def check_signed_head(container: Container, headers: Iterable[tuple[bytes, bytes]], address: str | None) -> SignedHead:
    """The signature of a request that carries one; the address pays for what is none.

    Raises
    ------
    RequestProblem
        401 `invalid_signature`.
    """
    try:
        if any(name == b"authorization" for name, _ in headers):
            raise BadSignature("a signed request carries no Authorization")
        head = signed_head(headers)
        assert head is not None, "asked for"
    except BadSignature as error:
        refused_attempt(container, address, container.clock.now())
        raise unsigned(str(error)) from None
    return head


def _skewed(late: int, window: int) -> RequestProblem:
    seconds = abs(late) / 1000.0
    found = f"{seconds:.3f} s old" if late > 0 else f"{seconds:.3f} s ahead"
    detail = f"the timestamp may be {window / 1000:g} s old and {AHEAD_MS / 1000:g} s ahead, found {found}"
    return RequestProblem("clock_skew", detail, headers=CHALLENGE)


async def _use(container: Container, head: SignedHead, window: int) -> None:
    now_ms = int(container.clock.now().timestamp() * 1000)
    # A copy whose head came in time may take as long as its body may, and what is asked of the stores before.
    late = container.settings.body_timeout_seconds + STORE_SECONDS
    seconds = (window + 2 * AHEAD_MS) / 1000.0 + late
    try:
        fresh = await container.doors.claim(
            head.key_id, head.nonce, signed_at_ms=head.at_ms, now_ms=now_ms, seconds=seconds
        )
    except DoorsUnsure as error:
        wait = str(max(1, -int(-error.retry_seconds // 1)))
        raise RequestProblem("nonces_unavailable", error.detail, headers=(("Retry-After", wait),)) from None
    if not fresh:
        raise RequestProblem("nonce_replayed", "this nonce was used with this key", headers=CHALLENGE)
