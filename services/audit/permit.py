"""Permits: what an order may do, signed by the log, checked by a gateway before the order leaves.

::

    token      base64url(payload) ‖ "." ‖ base64url(signature), without padding
    payload    canonical JSON (RFC 8785)
    signature  Ed25519 over "trimtab/permit/v1" ‖ 0x0A ‖ payload, by the key of the log

No checkpoint and no cosignature begins like a permit, so the key signs none of them by signing one. Equal orders of one
decision give equal bytes.

`nonce` is the order's `client_order_id`: orders that are repetitions of one another, also those that several
evaluations of one snapshot made, share what their permits allow. To add up what was used of a nonce is the gateway's.

References
----------
RFC 8032 (2017), Ed25519; RFC 4648 (2010), section 5, base64url.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from services.audit.canonical import canonical
from services.audit.note import Check, Sign, VerifierKey
from services.core.errors import InvalidInput

DOMAIN = b"trimtab/permit/v1\n"
VERSION = 1
MAX_TOKEN = 4096
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?\Z", re.ASCII)
_TEXTS = (
    "issuer", "key_id", "symbol", "side", "max_quantity", "unit", "limit_price", "valid_from", "valid_until", "nonce",
    "evaluation_id",
)  # fmt: skip
_OPTIONAL = ("venue", "account_id", "position_side")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What may be ordered.

    Parameters
    ----------
    issuer, key_id : str
        Origin of the log, and id of its key (hexadecimal).
    symbol, venue, account_id, position_side : str
        The row; None where the order names none.
    side : str
        ``buy`` or ``sell``.
    max_quantity : Decimal
        Of all orders under this nonce together [`unit`].
    unit : str
        ``base``, ``contracts`` or ``quote``.
    reduce_only : bool
        Whether only a position may be made smaller.
    limit_price : Decimal
        Worst acceptable price [quote].
    valid_from, valid_until : datetime
        Aware; half open.
    nonce, evaluation_id : str
        What is used up, and the decision.
    """

    issuer: str
    key_id: str
    symbol: str
    side: str
    max_quantity: Decimal
    unit: str
    reduce_only: bool
    limit_price: Decimal
    valid_from: datetime
    valid_until: datetime
    nonce: str
    evaluation_id: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None

    def payload(self) -> bytes:
        """Canonical bytes that are signed."""
        names = {name: getattr(self, name) for name in (*_TEXTS, *_OPTIONAL)}
        texts = {name: _text(value) for name, value in names.items() if value is not None}
        return canonical({**texts, "reduce_only": self.reduce_only, "v": VERSION})

    def token(self, sign: Sign) -> str:
        """The permit, signed."""
        payload = self.payload()
        return f"{_base64url(payload)}.{_base64url(sign(DOMAIN + payload))}"

    @classmethod
    def of_payload(cls, payload: bytes) -> Self:
        """The permit of signed bytes.

        Raises
        ------
        InvalidInput
            Naming the member that is missing, superfluous or malformed.
        """
        try:
            said = json.loads(payload)
        except ValueError:
            raise InvalidInput("permit", "must be JSON", payload[:40]) from None
        if type(said) is not dict or said.get("v") != VERSION:
            raise InvalidInput("v", f"must be {VERSION}", said)
        names = said.keys() - {"v", "reduce_only", *_OPTIONAL}
        if names != set(_TEXTS) or type(said.get("reduce_only")) is not bool:
            raise InvalidInput("permit", "must have the members of version 1", sorted(said))
        for name in (*_TEXTS, *(said.keys() & set(_OPTIONAL))):
            if type(said[name]) is not str:
                raise InvalidInput(name, "must be a text", said[name])
        if said["side"] not in ("buy", "sell"):
            raise InvalidInput("side", "must be buy or sell", said["side"])
        made = {name: said[name] for name in said if name != "v"}
        for name in ("max_quantity", "limit_price"):
            made[name] = decimal(said[name], name)
        for name in ("valid_from", "valid_until"):
            made[name] = _moment(said[name], name)
        return cls(**made)

    def refusals(self, *, at: datetime, quantity: Decimal | None = None, **order: str | None) -> list[str]:
        """Why it does not allow an order; empty where it does.

        Parameters
        ----------
        at : datetime
            Time of the gateway, aware.
        quantity : Decimal, optional
            Of this order and all before it under the nonce [`unit`]. None: not asked.
        order : str
            Members `symbol`, `side`, `venue`, `account_id`, `position_side`, `unit` of the order; those not given are
            not compared.
        """
        found = []
        if at < self.valid_from:
            found.append(f"not valid before {_text(self.valid_from)}")
        if at >= self.valid_until:
            found.append(f"expired at {_text(self.valid_until)}")
        if quantity is not None and not 0 < quantity <= self.max_quantity:
            found.append(f"quantity {quantity:f} is not above 0 and up to {self.max_quantity:f} {self.unit}")
        for name, value in order.items():
            if value != (allowed := getattr(self, name)):
                found.append(f"{name} {value} is not {allowed}")
        return found


def read_permit(token: str, log: VerifierKey, check: Check) -> Permit:
    """The permit of a token that the log has signed.

    Raises
    ------
    InvalidInput
        If it is none, or another key signed it.
    """
    if len(token) > MAX_TOKEN:
        raise InvalidInput("permit", f"must have at most {MAX_TOKEN} signs", len(token))
    parts = token.split(".")
    if len(parts) != 2:
        raise InvalidInput("permit", "must be payload and signature, parted by a dot", len(parts))
    payload, signed = (_raw(part) for part in parts)
    if not check(log.public, signed, DOMAIN + payload):
        raise InvalidInput("permit", f"must be signed by {log.text()}", "another signature")
    permit = Permit.of_payload(payload)
    if (permit.issuer, permit.key_id) != (log.name, log.key_id.hex()):
        raise InvalidInput("issuer", f"must be {log.name} with the key {log.key_id.hex()}", permit.issuer)
    if permit.payload() != payload:
        raise InvalidInput("permit", "must be canonical", "other bytes")
    return permit


def permit_of_order(order: Mapping[str, Any], answer: Mapping[str, Any], log: VerifierKey) -> Permit:
    """Permit of one row of `orders` of a recorded answer: never more than the order."""
    return Permit(
        issuer=log.name,
        key_id=log.key_id.hex(),
        symbol=order["symbol"],
        side=order["side"],
        max_quantity=decimal(order["quantity"], "quantity"),
        unit=order["quantity_unit"],
        reduce_only=order["reduce_only"],
        limit_price=decimal(order["limit_price"], "limit_price"),
        valid_from=_moment(answer["received_at"], "received_at"),
        valid_until=_moment(order["valid_until"], "valid_until"),
        nonce=order["client_order_id"],
        evaluation_id=answer["evaluation_id"],
        **{name: order.get(name) for name in _OPTIONAL},
    )


def decimal(text: str, name: str) -> Decimal:
    """Decimal of a plain text without a sign.

    Raises
    ------
    InvalidInput
        At `name`.
    """
    if not _DECIMAL.match(text):
        raise InvalidInput(name, "must be a plain decimal of 0 or more", text)
    return Decimal(text)


def _text(value: str | Decimal | datetime) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


def _moment(text: str, name: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(name, "must be a UTC time with microseconds", text) from None


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("permit", "must be base64url", text[:40]) from None
    if _base64url(raw) != text:
        raise InvalidInput("permit", "must be canonical base64url without padding", text[:40])
    return raw
