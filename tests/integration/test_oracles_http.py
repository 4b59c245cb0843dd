"""POST /v1/oracles:aggregate through the service: outcomes, signatures, audit, replay, state that travels."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.oracle_examples import AS_OF, DEPEG, SIGNED
from app.oracle_signatures import signed_message
from app.usecases.aggregate_oracles import oracles_response, takes_long
from app.usecases.discover import error_catalogue
from models.api.oracle import OraclesAnswer, OraclesRequest
from models.api.price_sources import MAX_SOURCES, ObservationIn
from services.guards.outcome import STATUS_TEXT, OracleReason, OracleStatus, SourceReason
from tests.support.http import client

PATH = "/v1/oracles:aggregate"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


def feed(source: str, price: object, **more: Any) -> dict[str, Any]:
    return {"source": source, "price": price, "as_of": AS_OF, "heartbeat_seconds": 60, **more}


def asked(*oracles: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"as_of": AS_OF, "oracles": list(oracles), **more}


def three(symbol: str = "BTC-USD", price: str = "100", **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "observations": [feed(name, price) for name in "abc"], **more}


async def rows(http: httpx.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    OraclesAnswer.model_validate_json(answer.content)
    return list(answer.json()["oracles"])


async def test_one_bad_symbol_never_fails_the_call(http: httpx.AsyncClient) -> None:
    bad = [
        {"symbol": "NONE", "observations": []},
        {"symbol": "ZERO", "observations": [feed(name, 0) for name in "abc"]},
        {"symbol": "LESS", "observations": [feed(name, "-1", confidence="-1") for name in "abc"]},
        {"symbol": "OLD", "observations": [feed(name, 1, as_of="2023-03-11T07:00:00Z") for name in "abc"]},
        {"symbol": "EUR", "observations": [feed(name, 1, currency="EUR") for name in "abc"]},
    ]
    found = await rows(http, asked(*bad, three()))
    assert [row["status"] for row in found] == ["refused"] * 5 + ["ok"]
    assert {row["reason"] for row in found[:5]} == {"no_quorum"}
    assert [row["price"] for row in found] == [None] * 5 + ["100"]
    assert [{item["reason"] for item in row["rejected"]} for row in found[1:5]] == [
        {"invalid_price"},
        {"invalid_price"},
        {"stale"},
        {"rate_missing"},
    ]


async def test_the_state_of_an_answer_is_the_previous_of_the_next_request(http: httpx.AsyncClient) -> None:
    (first,) = await rows(http, asked(three()))
    later = {"as_of": "2023-03-11T07:18:00Z"}
    crashed = [feed(name, "80", **later) for name in "abc"]
    (held,) = await rows(http, {**asked({**three(), "observations": crashed, "previous": first["state"]}), **later})
    assert (held["status"], held["reason"], held["price"]) == ("close_only", "jump_unconfirmed", "100")
    assert held["state"]["pending"] == {"price": "80", "as_of": "2023-03-11T07:18:00.000000Z"}
    again = {"as_of": "2023-03-11T07:19:00Z"}
    witnessed = [feed(name, "80", **again) for name in "abc"]
    (confirmed,) = await rows(
        http, {**asked({**three(), "observations": witnessed, "previous": held["state"]}), **again}
    )
    assert (confirmed["status"], confirmed["price"]) == ("ok", "80")
    (lost,) = await rows(
        http,
        {**asked({"symbol": "X", "observations": [], "previous": confirmed["state"]}), "as_of": "2023-03-11T07:20:00Z"},
    )
    assert (lost["status"], lost["price"], lost["allowed"]) == ("fallback", "80", ["reduce", "liquidate"])


@pytest.mark.parametrize("price", ["0.000000000000000001", "0.0000000123456789", "9999999999999999999"])
async def test_the_state_of_any_price_can_be_sent_back(http: httpx.AsyncClient, price: str) -> None:
    (first,) = await rows(http, asked(three(price=price)))
    (second,) = await rows(http, asked(three(price=price, previous=first["state"])))
    assert second["status"] == "ok"


def signed(secret: Ed25519PrivateKey, source: str, price: str, **more: Any) -> dict[str, Any]:
    """Feed with the signature of what it says."""
    row = feed(source, price, currency="USD", **more)
    parsed = ObservationIn.model_validate(row)
    message = signed_message(
        symbol="BTC-USD",
        source=source,
        currency="USD",
        price=parsed.price,
        confidence=parsed.confidence,
        as_of=parsed.as_of,
    )
    public = secret.public_key().public_bytes_raw().hex()
    return {**row, "signature": {"key": public, "signature": secret.sign(message).hex()}}


SECRETS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 5)]
KEYS = [secret.public_key().public_bytes_raw().hex() for secret in SECRETS]


async def test_k_of_n_keys(http: httpx.AsyncClient) -> None:
    feeds = [signed(secret, f"s{place}", "100.10") for place, secret in enumerate(SECRETS)]
    body = asked({"symbol": "BTC-USD", "observations": feeds[:2]}, keys=KEYS[:3])
    body["policy"] = {"quorum": 2, "min_signers": 2}
    (found,) = await rows(http, body)
    assert (found["status"], found["signers"]) == ("ok", 2)
    body["oracles"][0]["observations"] = [feeds[0], signed(SECRETS[0], "s1", "100.10")]
    (one_key,) = await rows(http, body)
    assert (one_key["status"], one_key["voices"]) == ("refused", 1)
    body["oracles"][0]["observations"] = [feeds[0], feeds[3]]
    (stranger,) = await rows(http, body)
    assert [item["reason"] for item in stranger["rejected"]] == ["signer_not_allowed"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "100.1"),
        ("confidence", "0.1"),
        ("currency", "USDC"),
        ("as_of", "2023-03-11T07:16:59Z"),
        ("source", "x"),
    ],
)
async def test_what_was_changed_after_signing_is_rejected_whatever_the_policy(
    http: httpx.AsyncClient, field: str, value: str
) -> None:
    changed = {**signed(SECRETS[0], "s", "100.10"), field: value}
    (found,) = await rows(http, asked({"symbol": "BTC-USD", "observations": [changed]}))
    assert [item["reason"] for item in found["rejected"]] == ["signature_invalid"]
    (other,) = await rows(http, asked({"symbol": "ETH-USD", "observations": [signed(SECRETS[0], "s", "100.10")]}))
    assert [item["reason"] for item in other["rejected"]] == ["signature_invalid"], "of another symbol"


@pytest.mark.parametrize("key", ["00" * 32, "01" + "00" * 31, "ff" * 32])
async def test_a_key_that_is_none_is_an_invalid_signature(http: httpx.AsyncClient, key: str) -> None:
    weak = feed("s", "1", signature={"key": key, "signature": "01" + "00" * 63})
    (found,) = await rows(http, asked({"symbol": "BTC-USD", "observations": [weak]}, keys=[key]))
    assert [item["reason"] for item in found["rejected"]] == ["signature_invalid"]


async def test_recorded_found_replayed_and_repeated(http: httpx.AsyncClient) -> None:
    for body in (DEPEG, SIGNED):
        headers = {"Idempotency-Key": f"k{len(body)}"}
        answer = await http.post(PATH, json=body, headers=headers)
        again = await http.post(PATH, json=body, headers=headers)
        assert (again.content, again.headers["Idempotency-Replayed"]) == (answer.content, "true")
        other = await http.post(PATH, json={**body, "rates": []}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        name = answer.json()["evaluation_id"]
        assert (await http.get(f"/v1/evaluations/{name}")).content == answer.content
        replay = (await http.post(f"/v1/evaluations/{name}:replay")).json()
        assert (replay["match"], replay["differences"]) == (True, [])
    page = (await http.get("/v1/evaluations", params={"kind": "oracle"})).json()["items"]
    assert [item["kind"] for item in page] == ["oracle", "oracle"]
    assert len((await http.get("/v1/audit/entries", params={"kind": "oracle"})).json()["items"]) == 2


async def test_without_as_of_the_time_of_receipt_is_an_assumption_and_replays(http: httpx.AsyncClient) -> None:
    body = asked(three())
    del body["as_of"]
    answer = (await http.post(PATH, json=body)).json()
    assert {item["pointer"] for item in answer["assumptions"]} == {"/as_of", "/oracles"}
    assert answer["oracles"][0]["status"] == "refused", "the prices are of 2023"
    assert (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()["match"] is True


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"as_of": "2199-01-01T00:00:00Z"}, "/as_of", "rule"),
        ({"policy": {"quorum": 3, "of": 2}}, "/quorum", "rule"),
        ({"policy": {"min_signers": 1}}, "", "inconsistent"),
        ({"policy": {"quorum": 0}}, "/policy/quorum", "out_of_range"),
        ({"policy": {"quorum": True}}, "/policy/quorum", "wrong_type"),
        ({"policy": {"max_jumps": 0.1}}, "/policy/max_jumps", "unknown_field"),
        ({"keys": ["AB" * 32]}, "/keys/0", "bad_format"),
        ({"keys": [KEYS[0]] * 2}, "/keys", "duplicate_row"),
        ({"oracles": [three(), three()]}, "/oracles", "duplicate_row"),
        ({"oracles": []}, "/oracles", "too_short"),
    ],
)
async def test_malformed_requests_name_the_place(
    http: httpx.AsyncClient, change: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await http.post(PATH, json=asked(three()) | change)
    assert answer.status_code == 422
    assert [(item["pointer"], item["code"]) for item in answer.json()["errors"]] == [(pointer, code)]


async def test_a_large_request_of_many_signatures_leaves_the_loop(http: httpx.AsyncClient) -> None:
    body = copy.deepcopy(SIGNED)
    row = body["oracles"][0]["observations"][0]
    body["oracles"] = [
        {"symbol": f"S{number}", "observations": [{**row, "source": f"s{place}"} for place in range(MAX_SOURCES)]}
        for number in range(4)
    ]
    assert takes_long(OraclesRequest.model_validate(body))
    assert not takes_long(OraclesRequest.model_validate(DEPEG))
    found = await rows(http, body)
    assert {item["reason"] for row in found for item in row["rejected"]} == {"signature_invalid"}


def test_every_code_is_explained_where_codes_are_explained() -> None:
    catalogue = error_catalogue()
    assert catalogue["oracle_reasons"].keys() == {reason.value for reason in OracleReason}
    assert catalogue["oracle_source_reasons"].keys() == {reason.value for reason in SourceReason}
    assert STATUS_TEXT.keys() == set(OracleStatus)


def test_an_answer_depends_on_the_request_alone() -> None:
    request = OraclesRequest.model_validate(DEPEG)
    moment = request.as_of
    assert moment is not None
    first, second = (oracles_response(request, "ev_1", moment) for _ in range(2))
    assert first == second
    assert orjson.loads(first)["oracles"][0]["price"] == "20318.21"
