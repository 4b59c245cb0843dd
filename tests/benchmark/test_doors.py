"""What it costs to let a request in: its key or signature, its price, its units.

Hypothesis: a bearer key costs an HMAC and a look into a dictionary (some 20 µs), an Ed25519 signature about 0.1 ms and
a pass of SHA-256 over the body (2 ms for 4 MiB), a bucket in the process a few µs, in Valkey one round trip on the
loopback (0.2 ms of processor time of the client, most of it in the driver). Processor time of this process, because
the machine is shared; a round trip is shown on the clock too. `make bench` prints the table, nothing is asserted.
"""

from __future__ import annotations

import base64
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.adapters.memory_doors import MemoryDoors
from app.adapters.redis_doors import BEGAN_KEY, RedisDoors, open_redis_doors
from app.authentication import authenticate
from app.costs import SIZED
from app.lifespan import open_container
from app.request_signature import signed_head
from app.settings import Settings
from app.signed_requests import authenticate_signed
from app.token_bucket import RatePlan
from tests.support.keys import make_key
from trimtab_client.signing import Signer

pytestmark = pytest.mark.benchmark

CALLS, ROUNDS = 200, 7
PLAN = RatePlan.of(1_000_000, 1_000_000)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SMALL, LARGE = b"x" * 2_000, b"x" * 4 * 1024 * 1024


async def measured(work: Callable[[], Awaitable[object]], calls: int = CALLS) -> tuple[float, float]:
    """Median processor time and time on the clock of one call [us], over rounds of calls."""
    await work()
    processor, clock = [], []
    for _ in range(ROUNDS):
        began = time.process_time(), time.perf_counter()
        for _ in range(calls):
            await work()
        processor.append((time.process_time() - began[0]) / calls * 1e6)
        clock.append((time.perf_counter() - began[1]) / calls * 1e6)
    return statistics.median(processor), statistics.median(clock)


async def test_the_price_of_being_let_in(tmp_path: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[tuple[str, float, float]] = []

    async def row(name: str, work: Callable[[], Awaitable[object]], calls: int = CALLS) -> None:
        rows.append((name, *await measured(work, calls)))

    async with (
        open_container(Settings(data_dir=tmp_path, signature_window_seconds=60.0)) as container,
        open_redis_doors(redis_url, processes=1, alone=False) as shared,
    ):
        memory: MemoryDoors = container.doors  # type: ignore[assignment]
        memory._began_ms = 0
        await shared._client.set(BEGAN_KEY, 0)
        bearer = (await make_key(container))["key"]
        public = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
        made = {
            "Ed25519": await make_key(container, signing="ed25519", public_key=public),
            "HMAC-SHA256": await make_key(container, signing="hmac"),
        }
        secret = base64.b64decode(made["HMAC-SHA256"]["signing_secret"])
        signers = {
            "Ed25519": Signer(made["Ed25519"]["key_id"], PRIVATE.sign),
            "HMAC-SHA256": Signer.hmac(made["HMAC-SHA256"]["key_id"], secret),
        }
        headers = [(b"authorization", b"Bearer " + bearer.encode())]
        await row("bearer key", lambda: authenticate(container, headers, "127.0.0.1", container.clock))
        for kind, signer in signers.items():
            for name, body, calls in (("2 kB", SMALL, CALLS), ("4 MiB", LARGE, 10)):

                async def given(body: bytes = body) -> bytes:
                    return body

                heads = [
                    signed_head([(key.lower().encode(), value.encode()) for key, value in one.items()])
                    for one in (signer.headers("POST", "/v1/evaluations", body) for _ in range(calls * ROUNDS + 1))
                ]
                left = iter(heads)

                async def let_in(left=left, given=given) -> object:  # type: ignore[no-untyped-def]
                    head = next(left)
                    assert head is not None
                    return await authenticate_signed(container, head, "POST", "/v1/evaluations", given, "127.0.0.1")

                await row(f"{kind}, body of {name}", let_in, calls)
        await row("bucket in the process", lambda: memory.take("a", PLAN, 1))
        await row("bucket in Valkey", lambda: shared.take("a", PLAN, 1))
        nonces = iter(range(10**6))
        now = time.time_ns() // 1_000_000
        for name, doors in (("process", memory), ("Valkey", shared)):

            async def claim(doors: MemoryDoors | RedisDoors = doors) -> object:
                return await doors.claim("k", str(next(nonces)), signed_at_ms=now, now_ms=now, seconds=7.0)

            await row(f"nonce in {'the process' if name == 'process' else name}", claim)
        body = {"series": [{"symbol": str(n), "close": [1.0] * 500} for n in range(20)]}

        async def price() -> object:
            return SIZED.of(body)

        await row("price of 20 symbols and 10,000 points", price)
    with capsys.disabled():
        print("\n| what | processor [us] | clock [us] |\n|---|---|---|")
        for name, processor, clock in rows:
            print(f"| {name} | {processor:.1f} | {clock:.1f} |")
    assert all(processor >= 0.0 for _, processor, _ in rows)
