"""The client signs what it sends, anew for each attempt, and follows the clock of the service once."""

from __future__ import annotations

import json

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app import request_signature as service
from tests.unit.client.test_calls import AT_ONCE, REQUEST, SCALAR, problem
from trimtab_client import Signer, Trimtab
from trimtab_client.errors import AccessRefused

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def holds(request: httpx.Request, kind: str, material: bytes) -> service.SignedHead:
    """Signature of a request, as the service takes it apart."""
    head = service.signed_head([(name.lower().encode(), value.encode()) for name, value in request.headers.items()])
    assert head is not None
    path, _, query = request.url.raw_path.partition(b"?")
    target = service.target_of(path, query)
    assert service.is_signed_by(service.Verifier(kind, material), head, request.method, target, request.content)
    return head


@pytest.mark.parametrize("kind", [service.ED25519, service.HMAC_SHA256])
def test_every_attempt_is_signed_anew(kind: str) -> None:
    secret = b"s" * 32
    signer = Signer.ed25519("key_1", PEM) if kind == service.ED25519 else Signer.hmac("key_1", secret)
    material = KEY.public_key().public_bytes_raw() if kind == service.ED25519 else secret
    heads = []

    def answer(request: httpx.Request) -> httpx.Response:
        heads.append(holds(request, kind, material))
        assert "authorization" not in request.headers
        return problem("audit_unavailable") if len(heads) < 3 else httpx.Response(200, json={})

    with Trimtab(signer=signer, retry=AT_ONCE, transport=httpx.MockTransport(answer)) as client:
        client.request("POST", "/v1/evaluations", REQUEST)
    assert len({head.nonce for head in heads}) == 3 and {head.key_id for head in heads} == {"key_1"}


def test_path_and_query_are_signed_as_they_are_sent() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        holds(request, service.ED25519, KEY.public_key().public_bytes_raw())
        assert b"?" in request.url.raw_path and b"%" in request.url.raw_path
        return httpx.Response(200, json=SCALAR)

    with Trimtab(signer=Signer.ed25519("key_1", PEM), transport=httpx.MockTransport(answer)) as client:
        client.request("GET", "/v1/scalar", query={"symbol": "BTC/USDT:USDT & ü"})


def test_the_clock_of_the_service_is_followed_once() -> None:
    signer, seen = Signer.hmac("key_1", b"s"), []
    signer.now_ms = lambda: 1_000_000_000_000

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(int(request.headers[service.TIMESTAMP]))
        return problem("clock_skew", server_time="2026-11-20T00:00:00Z")

    with (
        Trimtab(signer=signer, retry=AT_ONCE, transport=httpx.MockTransport(answer)) as client,
        pytest.raises(AccessRefused) as caught,
    ):
        client.request("GET", "/v1/scalar")
    assert caught.value.code == "clock_skew"
    assert seen == [1_000_000_000_000, 1_795_132_800_000]


def test_another_kind_of_key_is_refused() -> None:
    pem = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="Ed25519"):
        Signer.ed25519("key_1", pem)
    assert "sign" not in repr(Signer.hmac("key_1", json.dumps("secret").encode())).removeprefix("Signer")
