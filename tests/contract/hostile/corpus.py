"""The corpus, by the rule that each case tries (S1 to S17 of the security checklist).

A case gives the exact bytes; `statuses` are the answers that are allowed. Cases that are legal, though odd, allow 200.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.examples import HEDGES, INSTRUMENTS, OBSERVATIONS, POLICY, SMALLEST
from app.oracle_examples import DEPEG, SIGNED
from models.api.market import InstrumentIn, PositionIn

EVALUATIONS = "/v1/evaluations"
OBSERVE = "/v1/observations"
STORE = "/v1/policies"
JSON = (("Content-Type", "application/json"),)
REFUSED = frozenset({400, 413, 415, 422})
MALFORMED = frozenset({400})
INVALID = frozenset({422})
LEGAL = frozenset({200})
EITHER = REFUSED | LEGAL
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Case:
    """One request."""

    name: str
    body: bytes
    statuses: frozenset[int] = REFUSED
    path: str = EVALUATIONS
    headers: tuple[tuple[str, str], ...] = JSON
    method: str = field(default="POST")


def changed(pointer: str, value: Any, base: dict[str, Any] = SMALLEST) -> bytes:
    """The base request with the value at a JSON pointer replaced or added."""
    copy = json.loads(json.dumps(base))
    *parents, last = pointer.strip("/").split("/")
    here = copy
    for part in parents:
        here = here[int(part)] if isinstance(here, list) else here[part]
    here[int(last) if isinstance(here, list) else last] = value
    return json.dumps(copy).encode()


MARK = '"@@"'


def spelled(pointer: str, text: str, base: dict[str, Any] = SMALLEST) -> bytes:
    """The base request with raw text at a JSON pointer, whatever it is."""
    return changed(pointer, "@@", base).replace(MARK.encode(), text.encode("utf-8", "surrogatepass"), 1)


FLOATS = (
    "/policy/sizing/target_volatility",
    "/signals/0/direction",
    "/series/0/close/3",
    "/account/equity",
    "/positions/0/quantity",
    "/positions/0/mark_price",
)


def not_finite() -> Iterator[Case]:
    """S1: numbers that are none, in every kind of numeric field."""
    for pointer in FLOATS:
        for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400"):
            yield Case(f"S1 {text} at {pointer}", spelled(pointer, text), MALFORMED)
        for text in ('"NaN"', '"inf"', '"Infinity"'):
            yield Case(f"S1 {text} at {pointer}", spelled(pointer, text), INVALID)


def encodings() -> Iterator[Case]:
    """S2: bytes that are no UTF-8 text, or hold what breaks others."""
    text = json.dumps(SMALLEST)
    yield Case("S2 lone surrogate as value", spelled("/client_reference", '"\\ud800"'), MALFORMED)
    yield Case("S2 lone surrogate as key", text.replace('"as_of"', '"\\ud800"').encode(), MALFORMED)
    yield Case("S2 reversed surrogates", spelled("/client_reference", '"\\udc00\\ud800"'), MALFORMED)
    yield Case("S2 raw surrogate bytes", spelled("/client_reference", '"\ud800"'), MALFORMED)
    yield Case("S2 escaped NUL", spelled("/client_reference", '"a\\u0000b"'), INVALID)
    yield Case("S2 raw NUL", text.replace("BTC-PERP", "BTC\x00PERP").encode(), MALFORMED)
    yield Case("S2 byte order mark", b"\xef\xbb\xbf" + text.encode(), MALFORMED)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"):
        allowed = EITHER if encoding == "utf-7" else MALFORMED
        yield Case(f"S2 {encoding}", text.encode(encoding), allowed)
    yield Case("S2 latin-1", text.replace("BTC-PERP", "BTÇ").encode("latin-1"), MALFORMED)
    yield Case("S2 overlong slash", text.encode().replace(b"BTC-PERP", b"BTC\xc0\xafPERP"), MALFORMED)
    yield Case("S2 truncated sequence", text.encode().replace(b"BTC-PERP", b"BTC\xe2\x82"), MALFORMED)


def duplicates() -> Iterator[Case]:
    """S3: keys that are there twice, also where a quick look would miss them."""
    text = json.dumps(SMALLEST)
    yield Case("S3 top level", (text[:-1] + ', "as_of": "2019-10-17T00:00:06Z"}').encode(), INVALID)
    yield Case("S3 nested", text.replace('"equity": "100000"', '"equity": "1", "equity": "100000"').encode(), INVALID)
    yield Case("S3 equal value", text.replace('"equity"', '"equity": "100000", "equity"', 1).encode(), INVALID)
    escaped = text.replace('"equity": "100000"', '"equity": "100000", "\\u0065quity": "1"')
    yield Case("S3 one of them escaped", escaped.encode(), INVALID)
    row = '{"symbol": "A", "quantity": "1", "quantity": "2"}'
    yield Case("S3 in a list", spelled("/positions/0", row), INVALID)
    yield Case("S3 behind a number in a list", spelled("/series/0/close/0", f"1.5, {row}"), INVALID)
    yield Case("S3 behind a string in a list", spelled("/series/0/close/0", f'"1:5", {row}'), INVALID)
    yield Case(
        "S3 beside an escaped colon", spelled("/client_reference", '"a\\u003ab", "client_reference": "c"'), INVALID
    )
    balanced = text[:-1] + ', "b": "\\u003a", "b": 1}'
    yield Case("S3 the escape balances the count of colons", balanced.encode(), INVALID)
    many = ", ".join(['"a": 1'] * 50_000)
    yield Case("S3 fifty thousand times the same key", f"{{{many}}}".encode())
    padded = "1.5," * 480_000
    yield Case("S3 after many numbers", f'{{"series": [{padded}{row}]}}'.encode())


def nesting() -> Iterator[Case]:
    """S4: depth."""
    for depth in (1_000, 100_000, 1_000_000):
        yield Case(f"S4 {depth} lists", b"[" * depth + b"]" * depth)
        yield Case(f"S4 {depth} open lists", b"[" * depth)
    yield Case("S4 100000 objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield Case("S4 900 deep inside the policy", spelled("/policy/sizing", '{"a":' * 900 + "1" + "}" * 900))


def integers() -> Iterator[Case]:
    """S5: digits."""
    for pointer in FLOATS:
        yield Case(f"S5 5000 digits at {pointer}", spelled(pointer, "9" * 5_000), MALFORMED)
    yield Case("S5 2^64 as equity", spelled("/account/equity", "18446744073709551616"), INVALID)
    yield Case("S5 300 digits as a price", spelled("/series/0/close/3", "9" * 300), EITHER)
    yield Case("S5 huge exponent that underflows", spelled("/account/equity", "1e-999999"), EITHER)
    yield Case("S5 4 MB of digits", spelled("/account/equity", "1" * 4_000_000), MALFORMED)


DECIMALS = (
    "1E5", "1e5", " 1", "1 ", "1_0", "١", "+1", "01", ".5", "1.", "1\n", "1" * 40, "0x10", "1,000", "−1", "１",
    "", "-", "--1", "1.0.0", "1." + "0" * 19, "$1", "1%", "NaN", "٣.٥", "1e", "0b1", "1/2",
)  # fmt: skip


def decimals() -> Iterator[Case]:
    """S6: decimal strings that lenient parsers take."""
    for text in DECIMALS:
        yield Case(f"S6 {text[:12]!a} ({len(text)})", changed("/account/equity", text), INVALID)
    yield Case("S6 price list", changed("/series/0/close/3", "1e5"), INVALID)
    yield Case("S6 17 significant digits", spelled("/account/equity", "0.12345678901234567"), INVALID)
    yield Case("S6 below the smallest", spelled("/account/equity", "1e-300"), INVALID)


def types() -> Iterator[Case]:
    """S7: one JSON type for another."""
    for pointer in FLOATS:
        yield Case(f"S7 true at {pointer}", changed(pointer, True), INVALID)
        yield Case(f"S7 object at {pointer}", changed(pointer, {}), INVALID)
        yield Case(f"S7 null at {pointer}", changed(pointer, None), EITHER)
    yield Case("S7 string for a statistic", changed("/policy/sizing/target_volatility", "0.2"), INVALID)
    yield Case("S7 string for a limit", changed("/policy/limits", {"max_leverage": "2"}), INVALID)
    yield Case("S7 one for a flag", changed("/options", {"explain": 1}), INVALID)
    yield Case("S7 word for a flag", changed("/policy/sizing/derisk_only", "yes"), INVALID)
    yield Case("S7 float for a version", changed("/policy", {"preset": "default", "version": 1.0}), INVALID)
    yield Case("S7 number for a symbol", changed("/positions/0/symbol", 7), INVALID)
    yield Case("S7 number for a time", changed("/as_of", 1571270405), INVALID)
    yield Case("S7 list for an object", changed("/account", []), INVALID)
    yield Case("S7 object for a list", changed("/positions", {}), INVALID)
    for text in ("[]", "null", "1", '"text"', "true"):
        yield Case(f"S7 body is {text}", text.encode(), INVALID)


def extras() -> Iterator[Case]:
    """S8: fields that do not exist."""
    for name in (
        "tenant_id",
        "seq",
        "__proto__",
        "constructor",
        "qty",
        "a" * 10_000,
        "\u202eevil",
        "</script>",
        "a\nb",
    ):
        yield Case(f"S8 {name[:12]!a}", changed(f"/{name.replace('/', '')}", 1), INVALID)
    yield Case("S8 in a method", changed("/policy/sizing/leverage", 1), INVALID)
    yield Case("S8 a hundred of them", changed("/account", {f"x{index}": 1 for index in range(100)}), INVALID)
    yield Case("S8 fifty thousand", json.dumps({f"x{index}": 1 for index in range(50_000)}).encode())
    rows = [{**{f"x{key}": 1 for key in range(90)}, "symbol": f"S{row}"} for row in range(200)]
    yield Case("S8 ninety in each of two hundred rows", changed("/positions", rows), INVALID)


def sizes() -> Iterator[Case]:
    """S9, S10: too large, or compressed."""
    text = json.dumps(SMALLEST).encode()
    yield Case("S9 one byte too many", text + b" " * (4 * MEBIBYTE + 1 - len(text)), frozenset({413}))
    yield Case("S9 exactly the cap", text + b" " * (4 * MEBIBYTE - len(text)), LEGAL)
    yield Case("S9 empty", b"", MALFORMED)
    yield Case("S9 spaces only", b" " * 100_000, MALFORMED)
    yield Case("S9 a million floats", b'{"a":[' + b"1.5," * 1_000_000 + b"1]}")
    yield Case("S9 two million ints", b"[" + b"1," * 2_000_000 + b"1]")
    yield Case("S9 a million empty objects", b"[" + b"{}," * 1_000_000 + b"{}]")
    yield Case("S9 a million empty lists", b"[" + b"[]," * 1_000_000 + b"[]]")
    yield Case("S9 a million empty strings", b"[" + b'"",' * 1_000_000 + b'""]')
    yield Case("S9 just below the limit of values", b'{"a":[' + b"1.5," * 490_000 + b"1]}", INVALID)
    yield Case("S9 just below the limit of objects", b'{"a":[' + b'{"b":1},' * 79_000 + b"{}]}", INVALID)
    yield Case("S9 backslashes", b'{"a":"' + b"\\\\" * 2_000_000 + b'"}', INVALID)
    yield Case("S9 escaped quotes", b'{"a":"' + b'\\"' * 2_000_000 + b'"}', INVALID)
    yield Case("S9 unterminated string", b'{"a":"' + b"x" * 4_000_000, MALFORMED)
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, identity"):
        headers = (*JSON, ("Content-Encoding", encoding))
        yield Case(f"S10 {encoding}", gzip.compress(b" " * 10_000_000), frozenset({415}), headers=headers)


def limits() -> Iterator[Case]:
    """S11, S12: more rows or points than allowed, and lists of nothing but errors."""
    rows = [{"symbol": f"S{row}", "quantity": "1"} for row in range(201)]
    yield Case("S11 201 positions", changed("/positions", rows), INVALID)
    yield Case("S11 200 positions without prices", changed("/positions", rows[:200]), LEGAL)
    series = {"symbol": "A", "interval": "P1D", "end": "2019-10-17T00:00:00Z"}
    yield Case("S11 20001 points", changed("/series/0", {**series, "close": [1.5] * 20_001}), INVALID)
    many = [{**series, "symbol": f"S{row}", "close": [1.5, 1.25] * 9_000} for row in range(23)]
    yield Case("S11 414000 points", changed("/series", many), INVALID)
    point = {"symbol": "A", "interval": "P1D", "close_time": "2019-10-17T00:00:00Z", "close": 1.0}
    yield Case("S11 10001 observations", json.dumps({"observations": [point] * 10_001}).encode(), INVALID, OBSERVE)
    bad = {**point, "close": "x"}
    yield Case("S12 10000 bad observations", json.dumps({"observations": [bad] * 10_000}).encode(), INVALID, OBSERVE)
    yield Case("S12 100000 bad rows", b'{"positions":[' + b"0," * 100_000 + b"0]}", INVALID)
    yield Case("S12 400000 bad prices", changed("/series/0/close", [True] * 400_000), INVALID)
    yield Case("S12 200 rows with every field wrong", changed("/positions", [WRONG_POSITION] * 200), INVALID)
    wrong = [WRONG_INSTRUMENT] * 2_000
    yield Case(
        "S12 2000 wrong instruments",
        json.dumps({"instruments": wrong}).encode(),
        INVALID,
        "/v1/instruments",
        method="PUT",
    )


WRONG_POSITION: dict[str, Any] = {key: [] for key in PositionIn.model_fields}
WRONG_INSTRUMENT: dict[str, Any] = {key: {} for key in InstrumentIn.model_fields}


def expressions() -> Iterator[Case]:
    """S14: texts on which careless regular expressions run for ever."""
    for pointer in (
        "/account/equity",
        "/positions/0/symbol",
        "/series/0/interval",
        "/as_of",
        "/client_reference",
        "/account/currency",
    ):
        for text in (
            "1" * 50_000,
            "1." * 25_000,
            "P" + "T" * 50_000,
            "-" * 50_000,
            "a" * 49_999 + "!",
            "0" * 50_000 + "x",
        ):
            yield Case(f"S14 {text[:6]!a}… at {pointer}", changed(pointer, text), INVALID)


def degenerate() -> Iterator[Case]:
    """S15: numbers that are legal and break formulas; every answer must be finite."""
    closes = "/series/0/close"
    yield Case("S15 equal prices", changed(closes, [100.0] * 60), LEGAL)
    yield Case("S15 zero price", changed(f"{closes}/30", 0), EITHER)
    yield Case("S15 negative price", changed(f"{closes}/30", -5.5), EITHER)
    yield Case("S15 tiny prices", changed(closes, [1e-308] * 30 + [2e-308] * 30), EITHER)
    yield Case("S15 subnormal prices", changed(closes, [5e-324, 1e-323] * 30), EITHER)
    yield Case("S15 huge prices", changed(closes, [1e308, 1.1e308] * 30), EITHER)
    yield Case("S15 from tiny to huge", changed(closes, [1e-300, 1e300] * 30), EITHER)
    yield Case("S15 zero equity", changed("/account/equity", "0"), LEGAL)
    yield Case("S15 negative equity", changed("/account/equity", "-1000"), LEGAL)
    yield Case("S15 smallest equity", changed("/account/equity", "0.000000000000000001"), LEGAL)
    yield Case("S15 largest equity", changed("/account/equity", "9" * 20), LEGAL)
    yield Case("S15 smallest mark", changed("/positions/0/mark_price", "0.000000000000000001"), LEGAL)
    yield Case("S15 largest mark", changed("/positions/0/mark_price", "9" * 20), LEGAL)
    yield Case("S15 largest position", changed("/positions/0/quantity", "-" + "9" * 20), LEGAL)
    yield Case("S15 smallest target", changed("/policy/sizing/target_volatility", 1e-300), LEGAL)
    twins = [{**SMALLEST["series"][0], "symbol": symbol} for symbol in ("A", "B", "C")]
    held = [{"symbol": item["symbol"], "quantity": "1"} for item in twins]
    body = {**SMALLEST, "series": twins, "positions": held, "signals": [{"symbol": "A", "direction": 1}]}
    yield Case("S15 singular covariance", json.dumps(body).encode(), LEGAL)
    yield Case(
        "S15 expiry at once",
        changed("/instruments/0/expiry", "2019-10-17T00:00:05.000001Z", HEDGES),
        LEGAL,
        "/v1/hedges",
    )
    yield Case("S15 strike far away", changed("/instruments/0/strike", "9" * 20, HEDGES), LEGAL, "/v1/hedges")
    yield Case(
        "S15 volatility of a thousand per cent",
        changed("/positions/0/implied_volatility", 10, HEDGES),
        LEGAL,
        "/v1/hedges",
    )
    yield Case("S15 tiny volatility", changed("/positions/0/implied_volatility", 1e-300, HEDGES), LEGAL, "/v1/hedges")
    yield Case("S15 interval of nothing", changed("/series/0/interval", "P0D"), REFUSED)
    yield Case("S15 year 0001", changed("/as_of", "0001-01-01T00:00:00Z"), INVALID)
    yield Case("S15 year 9999", changed("/as_of", "9999-12-31T23:59:59.999999+00:00"), INVALID)
    yield Case("S15 beyond the calendar", changed("/series/0/end", "9999-12-31T23:59:59-14:00"), INVALID)
    rows = [[float(index), 1.0, 1.0, 1.0, 1.0 + index % 2, 0.0] for index in range(30)]
    bare = {"symbol": "BTC-PERP", "interval": "P1D"}
    yield Case("S15 bars a millisecond apart", changed("/series/0", {**bare, "ohlcv": rows}), INVALID)
    yield Case("S15 bar at infinity", changed("/series/0", {**bare, "ohlcv": [[1e300, 1, 1, 1, 1, 1]]}), INVALID)
    yield Case("S15 bar long before time", changed("/series/0", {**bare, "ohlcv": [[-1e300, 1, 1, 1, 1, 1]]}), INVALID)
    price = {"observations": [{**OBSERVATIONS["observations"][0], "symbol": "HOSTILE", "close": 1e308}]}
    yield Case("S15 huge observation", json.dumps(price).encode(), LEGAL, OBSERVE)


def media() -> Iterator[Case]:
    """S16: what is not sent as JSON."""
    body = json.dumps(SMALLEST).encode()
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/jsonp",
        "*/*",
        "",
    ):
        yield Case(f"S16 {media_type!r}", body, frozenset({415}), headers=(("Content-Type", media_type),))
    yield Case("S16 none", body, frozenset({415}), headers=())
    yield Case("S16 upper case", body, LEGAL, headers=(("Content-Type", "Application/JSON; Charset=UTF-8"),))


def symbols() -> Iterator[Case]:
    """S17: names that look like others, or reach for keys and paths."""
    hostile = ("ВТС-PERP", "BTC PERP", "BTC\u200bPERP", "", "A" * 65, "BTC\tPERP", "BTC\u00a0PERP", "ＢＴＣ", "🚀")
    for symbol in hostile:
        yield Case(f"S17 {symbol[:12]!a} ({len(symbol)})", changed("/positions/0/symbol", symbol), INVALID)
    for symbol in ("../../etc/passwd", "{a}:*", "%00", "'; DROP TABLE audit; --", "${jndi:ldap://x}", "A" * 64):
        allowed = INVALID if " " in symbol else LEGAL
        yield Case(f"S17 {symbol[:12]!a} ({len(symbol)})", changed("/positions/0/symbol", symbol), allowed)
    spec = {**INSTRUMENTS["instruments"][0], "symbol": "{}:\\%2e%2e/{tenant}"}
    yield Case("S17 registered", json.dumps({"instruments": [spec]}).encode(), LEGAL, "/v1/instruments", method="PUT")


def policies() -> Iterator[Case]:
    """Names, numbers and texts of stored policies."""
    for name in ("../admin", "desk%00", "a" * 65, "", "ｄｅｓｋ", "desk\x00", {"$ne": ""}, ["desk"], 7, None):
        shown = f"{str(name)[:12]!a} ({len(str(name))})"
        yield Case(f"policy named {shown}", changed("/policy", {"id": name}), INVALID)
        if name is not None:
            yield Case(f"policy stored as {shown}", changed("/policy_id", name, POLICY), INVALID, STORE)
    for version in (0, -1, 2**31, 2**63, 1.0, "1", True):
        yield Case(f"policy version {version!r}", changed("/policy", {"id": "desk", "version": version}), INVALID)
    for comment in ("nul \x00", "two\nlines", "\x7f", "x" * 501, ""):
        yield Case(f"policy comment {comment[:8]!a}", changed("/comment", comment, POLICY), INVALID, STORE)
    yield Case("policy comment of a surrogate", spelled("/comment", '"\\ud800"', POLICY), MALFORMED, STORE)
    yield Case("policy comment in emoji", changed("/comment", "🚀" * 500, POLICY), LEGAL, STORE)
    yield Case("policy beside its name", changed("/policy", {"id": "desk", "limits": {}}), INVALID)
    yield Case("policy in a policy", changed("/policy", {"id": "desk", **POLICY["policy"]}, POLICY), INVALID, STORE)


ORACLES = "/v1/oracles:aggregate"


def oracles() -> Iterator[Case]:
    """Prices of strangers: what is no JSON of ours is refused, what is no price is an outcome."""
    row = "/oracles/0/observations/0"
    for text in ("NaN", "1e400", "-Infinity"):
        yield Case(f"oracle price {text}", spelled(f"{row}/price", text, DEPEG), MALFORMED, ORACLES)
    for value in (0, "-1", "0.000000000000000001", "99999999999999999999"):
        yield Case(f"oracle price {value!r}", changed(f"{row}/price", value, DEPEG), LEGAL, ORACLES)
        yield Case(f"oracle rate {value!r}", changed("/rates/0/rate", value, DEPEG), LEGAL, ORACLES)
        yield Case(f"oracle confidence {value!r}", changed(f"{row}/confidence", value, DEPEG), LEGAL, ORACLES)
    for value in (0, -1, 1e9, True, "60", None):
        yield Case(f"oracle heartbeat {value!r}", changed(f"{row}/heartbeat_seconds", value, DEPEG), INVALID, ORACLES)
    for name in ("a b", "a\nb", "é", "", "x" * 65, 7, None):
        yield Case(f"oracle source {name!a:.20}", changed(f"{row}/source", name, DEPEG), INVALID, ORACLES)
    for moment in ("2023-03-11T07:17:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 1678519020, "soon"):
        yield Case(f"oracle as_of {moment!r}", changed(f"{row}/as_of", moment, DEPEG), INVALID, ORACLES)
    signature = "/oracles/0/observations/0/signature"
    for text in ("", "00" * 63, "00" * 65, "zz" * 64, "AB" * 64, 1):
        body = changed(f"{signature}/signature", text, SIGNED)
        yield Case(f"oracle signature {text!r:.20} ({len(str(text))})", body, INVALID, ORACLES)
    for key in ("00" * 32, "ff" * 32, "01" + "00" * 31):
        yield Case(f"oracle key {key[:4]}", changed(f"{signature}/key", key, SIGNED), LEGAL, ORACLES)
    many = [{**DEPEG["oracles"][0]["observations"][0], "source": f"s{number}"} for number in range(51)]
    yield Case("oracle sources 51", changed("/oracles/0/observations", many, DEPEG), INVALID, ORACLES)
    busy = [{"symbol": f"S{number}", "observations": many[:50]} for number in range(80)]
    yield Case("oracle observations 4000", changed("/oracles", busy, DEPEG), LEGAL, ORACLES)
    more = [*busy, {"symbol": "S", "observations": many[:1]}]
    yield Case("oracle observations 4001", changed("/oracles", more, DEPEG), INVALID, ORACLES)


def headers() -> Iterator[Case]:
    """Headers that this service reads."""
    body = json.dumps(SMALLEST).encode()
    for name, value in (
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "x" * 256),
        ("Idempotency-Key", "caf\xe9"),
        ("Request-Timeout-Ms", "0"),
        ("Request-Timeout-Ms", "60001"),
        ("Request-Timeout-Ms", "1e3"),
        ("Request-Timeout-Ms", "-5"),
        ("Request-Timeout-Ms", "9" * 5_000),
        ("X-Request-Id", "a b"),
        ("X-Request-Id", "x" * 129),
        ("X-Request-Id", "\xff"),
    ):
        yield Case(f"header {name}: {value[:12]!a}", body, MALFORMED, headers=(*JSON, (name, value)))
    for name, value in (("Idempotency-Key", "a"), ("Request-Timeout-Ms", "1000")):
        yield Case(f"header {name} twice", body, MALFORMED, headers=(*JSON, (name, value), (name, value)))
    yield Case("query parameter", body, INVALID, f"{EVALUATIONS}?debug=1")


def corpus() -> list[Case]:
    """Every case."""
    groups = (
        not_finite, encodings, duplicates, nesting, integers, decimals, types, extras, sizes, limits, expressions,
        degenerate, media, symbols, policies, oracles, headers,
    )  # fmt: skip
    return [case for group in groups for case in group()]
