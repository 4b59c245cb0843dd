"""Permits: signed, deterministic, never more than their order; nothing altered passes."""

from __future__ import annotations

import base64
import contextlib
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.signatures import check_signature
from services.audit.note import ED25519, VerifierKey
from services.audit.permit import Permit, permit_of_order, read_permit
from services.core.errors import InvalidInput
from trimtab_client.permits import PermitGate, PermitRefused

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
KEY = VerifierKey("risk.example/log1", ED25519, PRIVATE.public_key().public_bytes_raw())
START, END = datetime(2026, 11, 21, 10, tzinfo=UTC), datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
MIDDLE = START + timedelta(minutes=1)
ANSWER = {"evaluation_id": "ev_01a1fb67180070008000000000000001", "received_at": "2026-11-21T10:00:00.000000Z"}
QUANTITIES = st.decimals(Decimal("0.00000001"), Decimal("99999"), places=8)


def order(**changes: Any) -> dict[str, Any]:
    return {
        "client_order_id": "tt-1",
        "symbol": "BTC-PERP",
        "side": "buy",
        "quantity": "0.85",
        "quantity_unit": "base",
        "reduce_only": False,
        "limit_price": "93120.5",
        "valid_until": "2026-11-21T10:05:00.000000Z",
        **changes,
    }


def token(**changes: Any) -> str:
    return permit_of_order(order(**changes), ANSWER, KEY).token(PRIVATE.sign)


def read(text: str) -> Permit:
    return read_permit(text, KEY, check_signature)


def test_the_token_is_what_its_written_form_says() -> None:
    # Independently: RFC 8785 by another implementation, base64url, Ed25519 over the domain and the payload.
    payload = rfc8785.dumps(
        {
            "evaluation_id": ANSWER["evaluation_id"],
            "issuer": "risk.example/log1",
            "key_id": KEY.key_id.hex(),
            "limit_price": "93120.5",
            "max_quantity": "0.85",
            "nonce": "tt-1",
            "reduce_only": False,
            "side": "buy",
            "symbol": "BTC-PERP",
            "unit": "base",
            "v": 1,
            "valid_from": "2026-11-21T10:00:00.000000Z",
            "valid_until": "2026-11-21T10:05:00.000000Z",
            "venue": "okx",
        }
    )
    signed = PRIVATE.sign(b"trimtab/permit/v1\n" + payload)
    parts = [base64.urlsafe_b64encode(raw).decode().rstrip("=") for raw in (payload, signed)]
    assert token(venue="okx") == ".".join(parts)


@given(QUANTITIES, st.booleans(), st.sampled_from(["buy", "sell"]), st.none() | st.sampled_from(["okx", "deribit"]))
def test_a_permit_says_its_order_again(quantity: Decimal, reduce_only: bool, side: str, venue: str | None) -> None:
    extra = {} if venue is None else {"venue": venue}
    found = read(token(quantity=f"{quantity:f}", reduce_only=reduce_only, side=side, **extra))
    assert (found.max_quantity, found.reduce_only, found.side, found.venue) == (quantity, reduce_only, side, venue)
    assert not found.refusals(at=MIDDLE, quantity=quantity, side=side)
    assert found.refusals(at=MIDDLE, quantity=quantity + Decimal("0.00000001"))


@pytest.mark.parametrize(
    ("at", "quantity", "given_order", "count"),
    [
        (START, "0.85", {}, 0),
        (END - timedelta(microseconds=1), "0.01", {"symbol": "BTC-PERP", "side": "buy", "venue": None}, 0),
        (END, "0.85", {}, 1),
        (START - timedelta(microseconds=1), "0.85", {}, 1),
        (MIDDLE, "0", {}, 1),
        (MIDDLE, "-1", {}, 1),
        (MIDDLE, "0.86", {"symbol": "ETH-PERP", "side": "sell", "venue": "okx"}, 4),
    ],
)
def test_what_it_does_not_allow_is_named(at: datetime, quantity: str, given_order: dict[str, Any], count: int) -> None:
    assert len(read(token()).refusals(at=at, quantity=Decimal(quantity), **given_order)) == count


def test_a_thousand_alterations_are_refused() -> None:
    genuine, chance = token(), random.Random(5)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
    gate = PermitGate(KEY.text(), now=lambda: MIDDLE)
    for _ in range(1000):
        at = chance.randrange(len(genuine))
        altered = genuine[:at] + chance.choice(alphabet.replace(genuine[at], "")) + genuine[at + 1 :]
        with pytest.raises(InvalidInput):
            read(altered)
        with contextlib.suppress(PermitRefused):
            # Two bits after the last byte of a base64url text mean nothing; the gate counts by nonce, not by token.
            assert gate.read(altered) == gate.read(genuine)


def test_a_signature_for_another_purpose_or_of_another_key_is_none() -> None:
    payload = permit_of_order(order(), ANSWER, KEY).payload()
    encoded = [base64.urlsafe_b64encode(raw).decode().rstrip("=") for raw in (payload, PRIVATE.sign(payload))]
    with pytest.raises(InvalidInput):
        read(".".join(encoded))
    other = VerifierKey("risk.example/log2", ED25519, KEY.public)
    with pytest.raises(InvalidInput):
        read_permit(token(), other, check_signature)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"side": "hold"},
        {"max_quantity": "-1"},
        {"max_quantity": 1},
        {"max_quantity": "1e5"},
        {"valid_until": "2026-11-21"},
        {"reduce_only": "false"},
        {"comment": "more"},
        {"venue": 1},
    ],
)
def test_a_signed_payload_of_another_form_is_refused(change: dict[str, Any]) -> None:
    payload = rfc8785.dumps({**json.loads(permit_of_order(order(), ANSWER, KEY).payload()), **change})
    encoded = [
        base64.urlsafe_b64encode(raw).decode().rstrip("=")
        for raw in (payload, PRIVATE.sign(b"trimtab/permit/v1\n" + payload))
    ]
    with pytest.raises(InvalidInput):
        read(".".join(encoded))


@given(st.lists(QUANTITIES, min_size=1, max_size=12), QUANTITIES)
def test_a_gate_never_lets_more_through_than_the_permit(wanted: list[Decimal], allowed: Decimal) -> None:
    gate, passed = PermitGate(KEY.text(), now=lambda: MIDDLE), Decimal(0)
    permits = [token(quantity=f"{allowed:f}"), token(quantity=f"{allowed:f}", limit_price="93000")]
    for place, quantity in enumerate(wanted):
        try:
            gate.spend(permits[place % 2], quantity, symbol="BTC-PERP", side="buy")
        except PermitRefused:
            assert passed + quantity > allowed
        else:
            passed += quantity
    assert passed <= allowed


def test_a_gate_refuses_other_orders_other_times_and_what_names_too_little() -> None:
    gate = PermitGate(KEY.text(), now=lambda: MIDDLE)
    for changed in ({"symbol": "ETH-PERP"}, {"side": "sell"}, {"venue": "okx"}):
        with pytest.raises(PermitRefused):
            gate.spend(token(), "0.1", **{"symbol": "BTC-PERP", "side": "buy", **changed})
    with pytest.raises(PermitRefused):
        gate.spend(token(), "0.1", symbol="BTC-PERP")
    for late in (END, START - timedelta(seconds=1)):
        with pytest.raises(PermitRefused):
            PermitGate(KEY.text(), now=lambda late=late: late).spend(token(), "0.1", symbol="BTC-PERP", side="buy")
    assert gate.used == {}
    gate.spend(token(), "0.8", symbol="BTC-PERP", side="buy")
    gate.give_back(token(), "0.3")
    assert Decimal(gate.used["tt-1"]) == Decimal("0.5")
    with pytest.raises(PermitRefused):
        gate.give_back(token(), "0.6")
