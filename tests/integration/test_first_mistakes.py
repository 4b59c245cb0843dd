"""The first mistakes of a bot author, and whether each can be mended from the text of the answer alone.

Each row holds a request as a newcomer would write it, the status it gets, where the answer points, and words that
the text must hold: the rule, what was found, and what to write instead. `python -m
tests.integration.test_first_mistakes URL` prints the texts of a running service, for a reader to judge.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from tests.support.bodies import AS_OF, DAY, closes, midnight, smallest, text
from tests.support.service import running

JSON = {"Content-Type": "application/json"}
Edit = Callable[[dict[str, Any]], object]
BARS = closes(1, 120, start=90_000.0)
PERPETUAL = {"symbol": "BTC-PERP", "kind": "linear", "quote_currency": "USD"}


def bars_as_ccxt(scale: int = 1000, last_open_days_ago: int = 1) -> list[list[float]]:
    """Rows as ccxt returns them: labelled by the open, in milliseconds, oldest first."""
    last = midnight(AS_OF) - DAY * last_open_days_ago
    return [
        [
            int((last - DAY * (len(BARS) - 1 - index)).timestamp()) * scale,
            price,
            price * 1.01,
            price * 0.99,
            price,
            10.0,
        ]
        for index, price in enumerate(BARS)
    ]


@dataclass(frozen=True)
class Mistake:
    """One request and what its answer must say."""

    name: str
    edit: Edit | None
    status: int
    place: str
    words: tuple[str, ...]
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))

    def body(self) -> bytes:
        """Bytes to send: the smallest call with the mistake in it, or given bytes."""
        if self.raw is not None:
            return self.raw
        value = copy.deepcopy(smallest())
        assert self.edit is not None
        self.edit(value)
        return orjson.dumps(value)


def put(path: str, value: object) -> Edit:
    """Set the member at a JSON pointer."""

    def edit(body: dict[str, Any]) -> None:
        parent, key = walk(body, path)
        parent[key] = value

    return edit


def drop(path: str) -> Edit:
    """Remove the member at a JSON pointer."""

    def edit(body: dict[str, Any]) -> None:
        parent, key = walk(body, path)
        del parent[key]

    return edit


def rename(path: str, name: str) -> Edit:
    """Give a member another name."""

    def edit(body: dict[str, Any]) -> None:
        parent, key = walk(body, path)
        parent[name] = parent.pop(key)

    return edit


def both(*edits: Edit) -> Edit:
    """All of the edits."""

    def edit(body: dict[str, Any]) -> None:
        for one in edits:
            one(body)

    return edit


def walk(body: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Container and key of a JSON pointer."""
    *parents, last = path.strip("/").split("/")
    for part in parents:
        body = body[int(part)] if isinstance(body, list) else body[part]
    return body, int(last) if isinstance(body, list) else last


def everywhere(symbol: str) -> Edit:
    """Use another symbol in every block."""
    return both(*(put(f"/{block}/0/symbol", symbol) for block in ("positions", "series", "signals")))


def ohlcv(rows: list[list[float]]) -> Edit:
    """Send bars as ccxt returns them, instead of closes."""
    return both(put("/series/0/ohlcv", rows), drop("/series/0/close"), drop("/series/0/end"))


def as_text(edit: Callable[[str], str]) -> bytes:
    """Bytes of the smallest call after an edit of its text."""
    return edit(orjson.dumps(smallest()).decode()).encode()


TARGET, CLOSE, SERIES = "/policy/sizing/target_volatility", "/series/0/close", "/series/0"
OPTION = {"kind": "option", "strike": "100000", "right": "call", "underlying": "BTC-PERP"}
MISTAKES = (
    # Units
    Mistake("percent for fraction", put(TARGET, 20), 422, TARGET, ("fractions, not percent", "0.20 is 20 %", "20")),
    Mistake(
        "direction in percent",
        put("/signals/0/direction", 100),
        422,
        "/signals/0/direction",
        ("-1", "1", "100", "forecast"),
    ),
    Mistake(
        "direction 2 for double size",
        put("/signals/0/direction", 2),
        422,
        "/signals/0/direction",
        ("-1", "1", "forecast"),
    ),
    Mistake(
        "mark in cents",
        put("/positions/0/mark_price", "9312050"),
        200,
        "price_inconsistent",
        ("9312050", "last close", "units"),
    ),
    Mistake(
        "negative mark", put("/positions/0/mark_price", "-93120.5"), 422, "/positions/0/mark_price", ("> 0", "-93120.5")
    ),
    Mistake("numeric string for a statistic", put(TARGET, "0.2"), 422, TARGET, ("number", "without quotes", "0.2")),
    Mistake(
        "number with 17 digits",
        put("/account/equity", 100000.12345678912),
        422,
        "/account/equity",
        ("15 significant digits", "decimal string"),
    ),
    Mistake(
        "exponent in a decimal string",
        put("/account/equity", "1e5"),
        422,
        "/account/equity",
        ("plain decimal", "no exponent", "1e5"),
    ),
    Mistake(
        "thousands separator",
        put("/account/equity", "100,000"),
        422,
        "/account/equity",
        ("plain decimal", "separator", "100,000"),
    ),
    Mistake(
        "leverage above the limit's range",
        put("/policy/limits", {"max_leverage": 0}),
        422,
        "/policy/limits/max_leverage",
        ("> 0", "0"),
    ),
    # Names
    Mistake("qty for quantity", rename("/positions/0/quantity", "qty"), 422, "/positions/0/qty", ("quantity",)),
    Mistake("size for quantity", rename("/positions/0/quantity", "size"), 422, "/positions/0/size", ("quantity",)),
    Mistake(
        "side beside a signed quantity",
        put("/positions/0/side", "short"),
        422,
        "/positions/0/side",
        ("signed", "quantity"),
    ),
    Mistake(
        "leverage in the sizing block",
        put("/policy/sizing/leverage", 2),
        422,
        "/policy/sizing/leverage",
        ("max_leverage", "limits"),
    ),
    Mistake("vol_target", rename(TARGET, "vol_target"), 422, "/policy/sizing/vol_target", ("target_volatility",)),
    Mistake("balance for equity", rename("/account/equity", "balance"), 422, "/account/balance", ("equity",)),
    Mistake("unknown block", put("/wallets", []), 422, "/wallets", ("wallets", "unknown")),
    Mistake(
        "unknown method",
        put("/policy/sizing/method", "vol_target"),
        422,
        "/policy/sizing/method",
        ("volatility_target", "constant_leverage", "vol_target"),
    ),
    Mistake(
        "unknown preset",
        put("/policy/preset", "aggressive"),
        422,
        "/policy",
        ("aggressive", "crypto_perp_conservative", "default"),
    ),
    # Missing parts
    Mistake("missing equity", drop("/account/equity"), 422, "/account/equity", ("required",)),
    Mistake("missing account", drop("/account"), 422, "/account", ("required",)),
    Mistake("missing policy", drop("/policy"), 422, "/policy", ("required", "sizing")),
    Mistake("missing sizing", put("/policy", {}), 422, "/policy/sizing", ("required", "volatility_target")),
    Mistake("missing target", drop(TARGET), 422, TARGET, ("required",)),
    Mistake(
        "nothing to size",
        both(drop("/positions"), drop("/series"), drop("/signals")),
        422,
        "",
        ("positions", "signals", "series"),
    ),
    Mistake(
        "hedging without an instrument",
        put("/policy/hedging", {"method": "threshold", "max_delta": 0.5}),
        422,
        "/policy/hedging/instrument",
        ("required",),
    ),
    Mistake(
        "no price history anywhere",
        drop("/series"),
        200,
        "volatility_unavailable",
        ("no cached state", "send series", "observations"),
    ),
    Mistake("zero equity", put("/account/equity", "0"), 200, "equity_not_positive", ("equity",)),
    # Time
    Mistake("naive time", put("/as_of", "2026-11-20T00:00:05"), 422, "/as_of", ("time zone", "z for utc")),
    Mistake(
        "milliseconds for a time", put("/as_of", 1795132805000), 422, "/as_of", ("rfc 3339", "2026-11-20t00:00:05z")
    ),
    Mistake(
        "as_of in the future",
        put("/as_of", "2126-11-20T00:00:05Z"),
        422,
        "/as_of",
        ("future", "server time", "/v1/time"),
    ),
    Mistake(
        "end labels the open of the bar",
        put("/series/0/end", text(midnight(AS_OF) - DAY)),
        200,
        "bar_missing",
        ("open of a bar", "plus one interval"),
    ),
    Mistake(
        "bar still open",
        put("/series/0/end", text(midnight(AS_OF) + DAY)),
        422,
        "/series/0/end",
        ("last complete bar", "still open", "leave it out"),
    ),
    Mistake(
        "stale series",
        put("/series/0/end", text(midnight(AS_OF) - 9 * DAY)),
        200,
        "stale_price",
        ("last bar closed", "allows"),
    ),
    Mistake("interval 1d", put("/series/0/interval", "1d"), 422, "/series/0/interval", ("p1d", "iso 8601", "1d")),
    Mistake(
        "interval of other bars",
        both(ohlcv(bars_as_ccxt()), put("/series/0/interval", "P7D")),
        422,
        "/series/0/interval",
        ("86400 s apart", "p7d"),
    ),
    # Series
    Mistake("empty closes", put(CLOSE, []), 422, CLOSE, ("1 to 20000",)),
    Mistake("one bar", put(CLOSE, BARS[-1:]), 200, "insufficient_history", ("2",)),
    Mistake("ten bars", put(CLOSE, BARS[-10:]), 200, "insufficient_history", ("20", "prior_volatility")),
    Mistake("flat price", put(CLOSE, [BARS[-1]] * 60), 200, "stale_price", ("has not changed", "59 bars")),
    Mistake("newest close first", put(CLOSE, BARS[::-1]), 200, "mark_far_from_close", ("last close", "oldest first")),
    Mistake(
        "newest bar first",
        ohlcv(bars_as_ccxt()[::-1]),
        422,
        "/series/0/ohlcv/1",
        ("later than the row before", "oldest first"),
    ),
    Mistake(
        "bars in seconds",
        ohlcv(bars_as_ccxt(scale=1)),
        422,
        "/series/0/ohlcv",
        ("milliseconds", "multiply seconds by 1000"),
    ),
    Mistake(
        "unfinished last bar",
        ohlcv(bars_as_ccxt(last_open_days_ago=0)),
        200,
        "unfinished_bar_dropped",
        ("still open", "left out"),
    ),
    Mistake(
        "close with ohlcv",
        put("/series/0/ohlcv", bars_as_ccxt()),
        422,
        SERIES,
        ("either close", "or ohlcv", "not both"),
    ),
    Mistake("close without end", drop("/series/0/end"), 422, SERIES, ("end", "close time of the last complete bar")),
    Mistake("zero in the closes", put("/series/0/close/60", 0), 200, "invalid_price", ("60",)),
    Mistake("null in the closes", put("/series/0/close/60", None), 422, CLOSE, ("numbers", "decimal strings")),
    # Symbols and instruments
    Mistake(
        "inverse symbol undescribed (ccxt)",
        everywhere("BTC/USD:BTC"),
        200,
        "instrument_required",
        ("btc/usd:btc", "instruments[]", "kind", "put /v1/instruments"),
    ),
    Mistake(
        "inverse symbol undescribed (Deribit)",
        everywhere("BTC-PERPETUAL"),
        200,
        "instrument_required",
        ("btc-perpetual", "instruments[]", "kind"),
    ),
    Mistake("USDT contract on a USD account", everywhere("BTC/USDT:USDT"), 200, "fx_required", ("fx", "usd per usdt")),
    Mistake("symbol with a space", everywhere("BTC PERP"), 422, "/positions/0/symbol", ("space", "64", "btc perp")),
    Mistake(
        "series under another name",
        put("/series/0/symbol", "BTCUSD"),
        200,
        "volatility_unavailable",
        ("btc-perp", "series were sent for btcusd"),
    ),
    Mistake(
        "option without its terms",
        put("/instruments", [{"symbol": "BTC-PERP", "kind": "option"}]),
        422,
        "/instruments/0",
        ("strike", "expiry", "right"),
    ),
    Mistake(
        "duplicate position",
        both(lambda body: body["positions"].append(body["positions"][0])),
        422,
        "/positions",
        ("btc-perp", "more than once"),
    ),
    Mistake("positions as an object", put("/positions", {"BTC-PERP": "0.85"}), 422, "/positions", ("list",)),
    Mistake(
        "direction and forecast",
        put("/signals/0/forecast", 10),
        422,
        "/signals/0",
        ("either direction", "or forecast", "not both"),
    ),
    Mistake("signal as a word", put("/signals/0/direction", "long"), 422, "/signals/0/direction", ("number", "long")),
    # The body itself
    Mistake(
        "NaN",
        None,
        400,
        "malformed_json",
        ("nan", "leave"),
        raw=as_text(lambda body: body.replace('"direction":1', '"direction":NaN')),
    ),
    Mistake(
        "trailing comma", None, 400, "malformed_json", ("comma", "line"), raw=as_text(lambda body: body[:-1] + ",}")
    ),
    Mistake(
        "single quotes",
        None,
        400,
        "malformed_json",
        ("double quotes",),
        raw=as_text(lambda body: body.replace('"', "'")),
    ),
    Mistake("empty body", None, 400, "malformed_json", ("empty",), raw=b""),
    Mistake("a list of requests", None, 422, "", ("object",), raw=as_text(lambda body: f"[{body}]")),
    Mistake(
        "key twice",
        None,
        422,
        "/account",
        ("equity", "twice"),
        raw=as_text(lambda body: body.replace('"equity":"100000"', '"equity":"100000","equity":"1"')),
    ),
    Mistake(
        "content type missing",
        put("/as_of", text(AS_OF)),
        415,
        "unsupported_media_type",
        ("application/json",),
        headers={},
    ),
    Mistake(
        "form encoded",
        None,
        415,
        "unsupported_media_type",
        ("application/json", "x-www-form-urlencoded"),
        raw=b"equity=100",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Mistake(
        "gzip body",
        put("/as_of", text(AS_OF)),
        415,
        "unsupported_media_type",
        ("content-encoding", "gzip"),
        headers={**JSON, "Content-Encoding": "gzip"},
    ),
)


def send(url: str, mistake: Mistake) -> httpx.Response:
    """Send one mistake."""
    with httpx.Client(base_url=url, timeout=15.0, trust_env=False) as http:
        return http.post("/v1/evaluations", content=mistake.body(), headers=mistake.headers)


def lessons(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """(place, text) of everything in an answer that teaches: broken rules; or outcomes, warnings and assumptions."""
    if "errors" in answer or "code" in answer:
        rules = [(rule["pointer"], rule["detail"]) for rule in answer.get("errors", [])]
        return [*rules, (answer["code"], f"{answer['title']}. {answer['detail']}")]
    outcomes = [
        (row["reason"], f"{row['status']}: {row['symbol']}: {row.get('detail', '')}") for row in answer["targets"]
    ]
    warnings = [(item["code"], item["detail"]) for item in answer["warnings"]]
    return [
        *outcomes,
        *warnings,
        *((item["pointer"], f"{item['value']}: {item['effect']}") for item in answer["assumptions"]),
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh embedded service."""
    with running(tmp_path_factory.mktemp("mistakes")) as service:
        yield service.url


def test_the_call_without_a_mistake_is_sized(url: str) -> None:
    answer = send(url, Mistake("none", put("/account/currency", "USD"), 200, "", ())).json()
    assert [(row["status"], row["reason"]) for row in answer["targets"]] in ([("ok", "none")], [("limited", "limit")])
    assert answer["warnings"] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_is_mendable_from_the_text(url: str, mistake: Mistake) -> None:
    response = send(url, mistake)
    assert response.status_code == mistake.status, response.text
    found = [text for place, text in lessons(response.json()) if place == mistake.place]
    assert found, f"nothing points at {mistake.place}: {lessons(response.json())}"
    spoken = " ".join(found).lower()
    missing = [word for word in mistake.words if word not in spoken]
    assert not missing, f"{missing} not said in: {spoken}"
    if response.status_code >= 400:
        assert response.headers["content-type"].startswith("application/problem+json")
        assert len(response.content) < 8192


def main(url: str) -> None:
    """Print what the service says to each mistake."""
    for mistake in MISTAKES:
        response = send(url, mistake)
        print(f"\n{mistake.name}: {response.status_code}")
        for place, said in lessons(response.json()):
            print(f"    {'*' if place == mistake.place else ' '} {place}: {said}")


if __name__ == "__main__":
    main(sys.argv[1])
