"""Train the dictionary that audit bodies are compressed with: `python -m scripts.train_audit_dictionary FILE`.

Entries of the log are alike: the same names and words in the same order. A dictionary spares each of them from spelling
these out, which halves the small ones. The samples are synthetic calls, answered by the service itself and read back
from a log of its own; nobody's data goes in.

A published dictionary never changes, because stored bodies need it for ever. A new one gets the next number: write it
beside the others and name it in `app.adapters.audit_codec`.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import zstandard

from app.lifespan import open_container
from app.main import create_app
from app.ports import AuditLog
from app.settings import Settings

SIZE = 16_384
LEVEL = 3
CALLS = 400
REQUEST_BYTES = 2_000
"""Of a request only its head: prices of a series are noise."""
BARS = 90
DAY = timedelta(days=1)
SYMBOLS = [
    *("BTC-PERP", "ETH-PERP", "SOL-PERP", "ADA-PERP", "LINK-PERP", "DOT-PERP", "ATOM-PERP", "ARB-PERP", "OP-PERP"),
    *(
        "BTCUSDT",
        "ETHUSDT",
        "XRPUSDT",
        "AVAXUSDT",
        "BNBUSDT",
        "NEARUSDT",
        "DOGE/USDT:USDT",
        "LTC-USD",
        "kPEPE",
        "SPY",
        "GLD",
    ),
]

Json = dict[str, Any]


def time_text(moment: datetime) -> str:
    """RFC 3339."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def walk(draw: random.Random) -> list[float]:
    """Closes of one symbol."""
    price, deviation = draw.choice([0.3, 4.0, 50.0, 3_000.0, 90_000.0]), draw.uniform(0.005, 0.05)
    prices = []
    for _ in range(BARS):
        price *= 1.0 + draw.gauss(0.0, deviation)
        prices.append(float(f"{price:.6g}"))
    return prices


def observations(draw: random.Random, now: datetime) -> Json:
    """Closes that warm the cached states of all symbols."""
    last = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [
        {"symbol": symbol, "interval": "P1D", "close_time": time_text(last - DAY * (BARS - 1 - bar)), "close": close}
        for symbol in SYMBOLS
        for bar, close in enumerate(walk(draw))
    ]
    return {"observations": rows}


def instrument(draw: random.Random, symbol: str) -> Json:
    """Description of a contract."""
    return {
        "symbol": symbol,
        "kind": draw.choice(["linear", "linear", "spot"]),
        "lot": draw.choice(["0.001", "0.01", "1"]),
        "tick": draw.choice(["0.1", "0.01"]),
        "min_notional": draw.choice(["5", "10"]),
    }


def snapshot(draw: random.Random, now: datetime) -> Json:
    """A call of some size and some style."""
    symbols = draw.sample(SYMBOLS, draw.choice([1, 1, 2, 3, 5, 8, 12, 20]))
    last = now.replace(hour=0, minute=0, second=0, microsecond=0)
    posted = draw.random() < 0.4
    paths = {symbol: walk(draw) for symbol in symbols}
    body: Json = {
        "as_of": time_text(now),
        "account": {"equity": str(draw.randrange(5_000, 2_000_000)), "currency": "USD"},
        "positions": [
            {
                "symbol": symbol,
                "quantity": f"{draw.gauss(0, 20):.{draw.randrange(4)}f}",
                "mark_price": f"{paths[symbol][-1]:.6f}",
            }
            for symbol in symbols
        ],
        "policy": {
            "sizing": draw.choice(
                [
                    {"method": "volatility_target", "target_volatility": round(draw.uniform(0.05, 0.6), 2)},
                    {"method": "constant_leverage", "leverage": draw.choice([0.5, 1, 2])},
                ]
            )
        },
    }
    if posted:
        body["series"] = [
            {"symbol": symbol, "interval": "P1D", "end": time_text(last), "close": paths[symbol]} for symbol in symbols
        ]
    if draw.random() < 0.8:
        body["signals"] = [{"symbol": symbol, "direction": round(draw.uniform(-1, 1), 2)} for symbol in symbols]
    if draw.random() < 0.6:
        body["instruments"] = [instrument(draw, symbol) for symbol in symbols]
    if draw.random() < 0.2:
        body["options"] = {"view": "compact"}
    return body


async def call(http: httpx.AsyncClient, path: str, body: Json) -> None:
    """Send one call; every one must be answered."""
    response = await http.post(path, content=orjson.dumps(body), headers={"Content-Type": "application/json"})
    if response.status_code != 200:
        raise RuntimeError(f"{path}: {response.status_code} {response.text[:500]}")


async def send(http: httpx.AsyncClient, draw: random.Random) -> None:
    """Warm the states, then call doors of every kind."""
    await call(http, "/v1/observations", observations(draw, datetime.now(UTC)))
    for number in range(CALLS):
        body = snapshot(draw, datetime.now(UTC))
        path = "/v1/targets" if number % 10 == 0 else "/v1/evaluations"
        if number % 10 == 1:
            path = "/v1/margin"
            body = {name: value for name, value in body.items() if name in ("as_of", "account", "positions", "series")}
        await call(http, path, body)
        if number % 10 == 2:
            query = {"symbol": draw.choice(SYMBOLS), "interval": "P1D", "target_volatility": "0.2"}
            (await http.get("/v1/scalar", params=query)).raise_for_status()


async def samples(log: AuditLog) -> list[bytes | bytearray | memoryview]:
    """Bodies as they are compressed, without the length of their prices."""
    bodies: list[bytes | bytearray | memoryview] = []
    for summary in await log.entries("local", after=None, limit=10 * CALLS):
        entry = await log.get("local", summary.event_id)
        if entry is not None:
            bodies.append(entry.request[:REQUEST_BYTES] + entry.response + entry.state + entry.versions)
    return bodies


async def train(directory: Path) -> bytes:
    """Run the service in this process, ask it, learn from its log."""
    app = create_app(Settings.from_mapping({"TRIMTAB_DATA_DIR": str(directory)}))
    async with open_container(app.state.settings) as container:
        app.state.container = container
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            await send(http, random.Random(1))  # noqa: S311 - samples, not secrets
        return zstandard.train_dictionary(SIZE, await samples(container.audit), level=LEVEL).as_bytes()


def main() -> None:
    """Write the dictionary to the file named on the command line."""
    with tempfile.TemporaryDirectory() as directory:
        content = asyncio.run(train(Path(directory)))
    Path(sys.argv[1]).write_bytes(content)
    print(f"{sys.argv[1]}: {len(content)} bytes")


if __name__ == "__main__":
    main()
