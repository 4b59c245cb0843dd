"""Signed requests over HTTP: what was signed passes once, and nothing else does anything."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.adapters.memory_doors import MemoryDoors
from app.container import Container
from app.door_ports import DoorsUnsure
from app.examples import SMALLEST
from app.lifespan import open_container
from app.request_signature import HEADERS
from app.settings import Settings
from tests.support.http import client_of
from tests.support.keys import make_key
from tests.support.live import SetClock
from trimtab_client.calls import encode
from trimtab_client.signing import Signer

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
BODY = encode(SMALLEST)
JSON = {"Content-Type": "application/json"}
PATH = "/v1/evaluations"


@dataclasses.dataclass
class Service:
    """A service in process whose clock stands, and a signer of each kind."""

    container: Container
    http: httpx.AsyncClient
    clock: SetClock

    async def signer(self, kind: str = "ed25519", **fields: Any) -> Signer:
        more = {"public_key": PUBLIC} if kind == "ed25519" else {}
        made = await make_key(self.container, signing=kind, **more, **fields)
        sign = PRIVATE.sign
        signer = Signer(made["key_id"], sign)
        if kind == "hmac":
            signer = Signer.hmac(made["key_id"], base64.b64decode(made["signing_secret"]))
        signer.now_ms = lambda: int(self.clock.now().timestamp() * 1000)
        return signer

    async def post(self, headers: dict[str, str], body: bytes = BODY, path: str = PATH) -> httpx.Response:
        return await self.http.post(path, content=body, headers={**JSON, **headers})


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with open_container(Settings(data_dir=tmp_path)) as container:
        clock = SetClock(container.clock.now().replace(microsecond=0))
        container = dataclasses.replace(container, clock=clock, doors=MemoryDoors(0))
        async with client_of(container) as http:
            yield Service(container, http, clock)


def assert_refused(answer: httpx.Response, code: str, status: int = 401) -> None:
    assert (answer.status_code, answer.json()["code"], answer.json()["outcome"]) == (status, code, "rejected")
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Signature")


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
async def test_a_signed_request_passes_once(service: Service, kind: str) -> None:
    signer = await service.signer(kind)
    headers = signer.headers("POST", PATH, BODY)
    answer = await service.post(headers)
    assert answer.status_code == 200, answer.text
    size = await service.container.audit.size()
    assert_refused(await service.post(headers), "nonce_replayed")
    assert await service.container.audit.size() == size
    assert (await service.post(signer.headers("POST", PATH, BODY))).status_code == 200


async def test_a_key_that_signs_cannot_be_sent_and_a_key_that_is_sent_cannot_sign(service: Service) -> None:
    signer = await service.signer()
    bearer = await make_key(service.container)
    for text in (signer.key_id, PUBLIC, f"ttb_live_{signer.key_id.removeprefix('key_')}_{'A' * 43}000000"):
        assert (await service.post({"Authorization": f"Bearer {text}"})).status_code == 401
    forger = dataclasses.replace(signer, key_id=bearer["key_id"])
    assert_refused(await service.post(forger.headers("POST", PATH, BODY)), "invalid_signature")
    both = signer.headers("POST", PATH, BODY) | {"Authorization": f"Bearer {bearer['key']}"}
    assert_refused(await service.post(both), "invalid_signature")


async def test_any_flipped_bit_is_refused_and_recorded_nowhere(service: Service) -> None:
    """Headers and body bit by bit, some two hundred of them; the pure module is tried with all kinds of requests."""
    signer = await service.signer()
    size, random = await service.container.audit.size(), Random(3)
    for _ in range(200):
        service.container.attempts._failures.clear()  # that an address is not listened to is another test
        headers, body = signer.headers("POST", PATH, BODY), bytearray(BODY)
        name = random.choice([*HEADERS, "body"])
        if name == "body":
            body[random.randrange(len(body))] ^= 1 << random.randrange(8)
        else:
            changed = bytearray(headers[name].encode())
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(7)
            headers[name] = changed.decode("latin-1")
            if not headers[name].isprintable() or headers[name] != headers[name].strip():
                continue  # no client library sends it
        answer = await service.post(headers, bytes(body))
        assert answer.status_code == 401, (name, headers, answer.text)
    assert await service.container.audit.size() == size


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", PATH), ("POST", "/v1/targets"), ("POST", PATH + "?"), ("POST", PATH + "?x=1"), ("WS", "/v1/stream")],
)
async def test_another_method_or_place_is_another_request(service: Service, method: str, target: str) -> None:
    signer = await service.signer()
    assert_refused(await service.post(signer.headers(method, target, BODY)), "invalid_signature")


async def test_the_query_is_signed_as_it_is_sent(service: Service) -> None:
    signer = await service.signer()
    for target in ("/v1/volatility?symbol=BTC%2FUSDT&interval=P1D", "/v1/portfolios"):
        answer = await service.http.get(target, headers=signer.headers("GET", target))
        assert answer.status_code in (200, 404), answer.text
    swapped = "/v1/volatility?interval=P1D&symbol=BTC%2FUSDT"
    answer = await service.http.get(swapped, headers=signer.headers("GET", "/v1/volatility?symbol=BTC%2FUSDT"))
    assert_refused(answer, "invalid_signature")


@pytest.mark.parametrize(
    ("late", "passes"), [(0.0, True), (5.0, True), (5.1, False), (-1.0, True), (-1.1, False), (120.0, False)]
)
async def test_the_window_of_time(service: Service, late: float, passes: bool) -> None:
    signer = await service.signer()
    headers = signer.headers("POST", PATH, BODY)
    service.clock.move(seconds=late)
    answer = await service.post(headers)
    if passes:
        assert answer.status_code == 200, answer.text
        return
    assert_refused(answer, "clock_skew")
    signer.hear(answer.json()["server_time"])
    assert "server_time" in answer.json() and f"{abs(late):.3f} s" in answer.json()["detail"]


async def test_a_nonce_is_remembered_as_long_as_its_signature_holds(service: Service) -> None:
    seconds = [0.0]
    service.container = dataclasses.replace(service.container, doors=MemoryDoors(0, lambda: seconds[0]))
    async with client_of(service.container) as service.http:
        signer = await service.signer()
        headers = signer.headers("POST", PATH, BODY)
        assert (await service.post(headers)).status_code == 200
        for late in (0.5, 4.9, 5.0):
            service.clock.move(seconds=late - seconds[0])
            seconds[0] = late
            assert_refused(await service.post(headers), "nonce_replayed")


async def test_a_copy_whose_body_comes_slowly_is_refused(service: Service) -> None:
    """Its head came within the window, and its body when a memory of the window alone would have ended."""
    seconds = [0.0]
    service.container = dataclasses.replace(service.container, doors=MemoryDoors(0, lambda: seconds[0]))
    async with client_of(service.container) as service.http:
        headers = (await service.signer()).headers("POST", PATH, BODY)
        assert (await service.post(headers)).status_code == 200

        async def slowly() -> AsyncIterator[bytes]:
            yield BODY[:1]
            late = service.container.settings.body_timeout_seconds - 1.0
            service.clock.move(seconds=late)
            seconds[0] += late
            yield BODY[1:]

        service.clock.move(seconds=4.9)
        seconds[0] += 4.9
        copy = {"Content-Type": "application/json", **headers}
        assert_refused(await service.http.post(PATH, content=slowly(), headers=copy), "nonce_replayed")


async def test_of_many_at_once_one_passes(service: Service) -> None:
    headers = (await service.signer()).headers("POST", PATH, BODY)
    answers = await asyncio.gather(*(service.post(headers) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9


async def test_the_body_is_read_only_for_a_known_key_at_the_right_time(service: Service) -> None:
    signer = await service.signer()
    read = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield BODY

    stranger = dataclasses.replace(signer, key_id="key_aaaaaaaaaaaaaaaa")
    assert_refused(await service.post(stranger.headers("POST", PATH, BODY), parts()), "invalid_signature")  # type: ignore[arg-type]
    signer.offset_ms = -60_000
    assert_refused(await service.post(signer.headers("POST", PATH, BODY), parts()), "clock_skew")  # type: ignore[arg-type]
    assert read == 0
    signer.offset_ms = 0
    assert (await service.post(signer.headers("POST", PATH, BODY), parts())).status_code == 200  # type: ignore[arg-type]


async def test_while_nobody_knows_the_nonces_nobody_is_let_in(service: Service) -> None:
    class Unsure(MemoryDoors):
        async def claim(self, *_: Any, **__: Any) -> bool:
            raise DoorsUnsure("the store of nonces does not answer", 0.4)

    container = dataclasses.replace(service.container, doors=Unsure(0))
    async with client_of(container) as service.http:
        signer = await service.signer()
        size = await container.audit.size()
        answer = await service.post(signer.headers("POST", PATH, BODY))
        assert_refused(answer, "nonces_unavailable", 503)
        assert answer.headers["retry-after"] == "1" and answer.json()["retryable"]
        assert await container.audit.size() == size


async def test_scopes_expiry_and_addresses_hold_for_signers_too(service: Service) -> None:
    reader = await service.signer(scopes=["read"])
    answer = await service.post(reader.headers("POST", PATH, BODY))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_scope")
    elsewhere = await service.signer(networks=["10.0.0.0/8"])
    answer = await service.post(elsewhere.headers("POST", PATH, BODY))
    assert (answer.status_code, answer.json()["code"]) == (403, "address_denied")


async def test_bad_signatures_count_as_failures_of_the_address(service: Service) -> None:
    signer = await service.signer()
    break_it: Callable[[dict[str, str]], dict[str, str]] = lambda headers: {**headers, HEADERS[2]: "n" * 16}  # noqa: E731
    for _ in range(20):
        assert_refused(await service.post(break_it(signer.headers("POST", PATH, BODY))), "invalid_signature")
    answer = await service.post(break_it(signer.headers("POST", PATH, BODY)))
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_failures")
