"""Orders of a decision as unsigned intents: what ccxt's `create_order` takes, or EIP-712 typed data.

Nothing here signs or sends. The digest of typed data is made where it is signed: every wallet computes it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from app.translate.answer import time_text
from models.api.auto import AutoIn, SettlementIn
from services.core.book import Row
from services.core.decimals import plain
from services.core.instrument import Kind
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Order

WORD = 32
"""Bytes of a word of the Ethereum machine."""
DOMAIN_TYPE = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))
INTENT_TYPE = (
    ("portfolio", "string"),
    ("account", "string"),
    ("market", "string"),
    ("buy", "bool"),
    ("quantity", "uint256"),
    ("limitPrice", "uint256"),
    ("reduceOnly", "bool"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
    ("bundle", "bytes32"),
    ("position", "uint256"),
    ("size", "uint256"),
)
"""Members of the struct `Intent`, in order."""


def intent_rows(
    inputs: EvaluationInputs, orders: Sequence[Order], auto: AutoIn, portfolio_id: str
) -> list[dict[str, Any]]:
    """intents[] of an answer, in the order in which they are to be sent; those that cannot be written are left out."""
    settled = {item.venue: item for item in auto.settlements}
    bundles = _bundles(orders)
    rows = []
    for order in orders:
        row, bundle = inputs.rows[order.row], bundles[order.bundle_id]
        settlement = settled.get(_venue(row) or "")
        if settlement is not None and not _exact(bundle, settlement):
            continue
        rows.append(
            {
                "client_order_id": order.client_order_id,
                "venue": _venue(row),
                "account_id": row.account_id,
                "nonce": str(_nonce(order)),
                "valid_until": time_text(order.valid_until),
                "bundle": {
                    "bundle_id": order.bundle_id,
                    "position": bundle.index(order),
                    "size": len(bundle),
                    "atomic": True,
                },
                **(
                    {"ccxt": _ccxt(row, order, inputs.policy.orders.time_in_force)}
                    if settlement is None
                    else {"eip712": _typed_data(row, order, bundle, settlement, portfolio_id)}
                ),
            }
        )
    return rows


def intent_warnings(inputs: EvaluationInputs, orders: Sequence[Order], auto: AutoIn) -> list[dict[str, Any]]:
    """Orders whose quantity has more digits than the settlement of their venue: no intent is written of them."""
    settled = {item.venue: item for item in auto.settlements}
    found = []
    for bundle in _bundles(orders).values():
        row = inputs.rows[bundle[0].row]
        settlement = settled.get(_venue(row) or "")
        if settlement is not None and not _exact(bundle, settlement):
            text = f"no intent: a lot of {plain(row.instrument.lot)} is finer than quantity_decimals of its settlement"
            found.append({"code": "intent_inexact", "symbol": row.symbol, "detail": text})
    return found


def _bundles(orders: Sequence[Order]) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = {}
    for order in orders:
        found.setdefault(order.bundle_id, []).append(order)
    return found


def _venue(row: Row) -> str | None:
    return row.venue or row.instrument.venue


def _nonce(order: Order) -> int:
    """The client order id as a number below 2^128: what a retry cannot double has one nonce."""
    return int(order.client_order_id, 16)


def _ccxt(row: Row, order: Order, time_in_force: str) -> dict[str, Any]:
    """Arguments of `create_order`: contracts of a derivative as the venue counts them, base units of a spot market."""
    size, spot = abs(order.contracts), row.instrument.kind is Kind.SPOT
    amount = size * Decimal(repr(row.instrument.contract_multiplier)) if spot else size
    params: dict[str, Any] = {"clientOrderId": order.client_order_id, "timeInForce": time_in_force}
    if not spot:
        params["reduceOnly"] = order.reduce_only
    if row.position_side in ("long", "short"):
        params["positionSide"] = row.position_side.upper()
    return {
        "symbol": row.symbol,
        "type": "limit",
        "side": "buy" if order.contracts > 0 else "sell",
        "amount": plain(amount),
        "price": plain(order.limit_price),
        "params": params,
    }


def _quantity(order: Order, settlement: SettlementIn) -> Fraction:
    """Exact, however many digits it has: decimals are rounded to 28."""
    return abs(Fraction(order.contracts)) * int(10**settlement.quantity_decimals)


def _price(order: Order, settlement: SettlementIn) -> int:
    """Limit price in whole units, rounded to the side that pays less."""
    scaled = Fraction(order.limit_price) * int(10**settlement.price_decimals)
    return math.floor(scaled) if order.contracts > 0 else math.ceil(scaled)


def _exact(bundle: Sequence[Order], settlement: SettlementIn) -> bool:
    return all(_quantity(order, settlement).denominator == 1 for order in bundle)


def _message(row: Row, order: Order, settlement: SettlementIn) -> tuple[bool, int, int, bool, int, int]:
    """Members of the struct that say what is traded, in its order."""
    quantity, price = int(_quantity(order, settlement)), _price(order, settlement)
    deadline = int(order.valid_until.timestamp())
    return order.contracts > 0, quantity, price, order.reduce_only, _nonce(order), deadline


def bundle_hash(row: Row, bundle: Sequence[Order], settlement: SettlementIn) -> str:
    """SHA-256 over seven words of each leg, in order: SHA-256 of the market, then buy, quantity, limitPrice,
    reduceOnly, nonce and deadline as big-endian integers. A contract computes it with the precompile at address 2.
    """
    market = hashlib.sha256(row.symbol.encode()).digest()
    words = b"".join(
        market + b"".join(int(value).to_bytes(WORD, "big") for value in _message(row, leg, settlement))
        for leg in bundle
    )
    return f"0x{hashlib.sha256(words).hexdigest()}"


def _typed_data(
    row: Row, order: Order, bundle: Sequence[Order], settlement: SettlementIn, portfolio_id: str
) -> dict[str, Any]:
    buy, quantity, price, reduce_only, nonce, deadline = _message(row, order, settlement)
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in DOMAIN_TYPE],
            "Intent": [{"name": name, "type": kind} for name, kind in INTENT_TYPE],
        },
        "primaryType": "Intent",
        "domain": {
            "name": settlement.name,
            "version": settlement.version,
            "chainId": settlement.chain_id,
            "verifyingContract": settlement.verifying_contract,
        },
        "message": {
            "portfolio": portfolio_id,
            "account": row.account_id or "",
            "market": row.symbol,
            "buy": buy,
            "quantity": str(quantity),
            "limitPrice": str(price),
            "reduceOnly": reduce_only,
            "nonce": str(nonce),
            "deadline": str(deadline),
            "bundle": bundle_hash(row, bundle, settlement),
            "position": str(bundle.index(order)),
            "size": str(len(bundle)),
        },
    }
