"""Oracle prices: wire to domain and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.oracle_signatures import fingerprint, signed_message
from app.signatures import is_signed
from app.translate.answer import stat, time_text
from models.api.price_sources import ObservationIn, OracleIn, OracleStateIO, RateIn
from services.core.decimals import plain
from services.guards.aggregate import aggregate
from services.guards.observation import (
    Aggregate,
    ConversionRate,
    OracleObservation,
    OracleState,
    PendingPrice,
)
from services.guards.outcome import SourceReason
from services.guards.policy import OraclePolicy

DIGITS, MOST_DECIMALS = 12, 18


def observation(item: ObservationIn, symbol: str, policy: OraclePolicy, keys: frozenset[str]) -> OracleObservation:
    """Observation of the core, its signature verified."""
    currency = item.currency or policy.currency
    signer, fault = _signer(item, symbol, currency, keys, required=policy.min_signers > 0)
    return OracleObservation(
        source=item.source,
        price=float(item.price),
        as_of=item.as_of,
        heartbeat_seconds=item.heartbeat_seconds,
        upstream=item.upstream,
        currency=currency,
        confidence=float(item.confidence),
        deviation=item.deviation,
        signer=signer,
        fault=fault,
    )


def _signer(
    item: ObservationIn, symbol: str, currency: str, keys: frozenset[str], *, required: bool
) -> tuple[str | None, SourceReason | None]:
    """Fingerprint of the key that signed, or what is wrong with the signature.

    A bad signature rejects its source whether signatures are asked for or not: somebody changed what was signed. A
    good one of a key that is not listed counts as none.
    """
    if item.signature is None:
        return None, None
    key = bytes.fromhex(item.signature.key)
    message = signed_message(
        symbol=symbol,
        source=item.source,
        currency=currency,
        price=item.price,
        confidence=item.confidence,
        as_of=item.as_of,
    )
    if not is_signed(key, bytes.fromhex(item.signature.signature), message):
        return None, SourceReason.SIGNATURE_INVALID
    if item.signature.key not in keys:
        return None, SourceReason.SIGNER_NOT_ALLOWED if required else None
    return fingerprint(key), None


def aggregated(
    items: Sequence[OracleIn], rates: Sequence[RateIn], keys: Iterable[str], policy: OraclePolicy, as_of: datetime
) -> dict[str, Aggregate]:
    """One price a symbol, in the order of the request."""
    known, converted = frozenset(keys), [conversion_rate(item) for item in rates]
    return {
        item.symbol: aggregate(
            [observation(row, item.symbol, policy, known) for row in item.observations],
            policy,
            as_of,
            None if item.previous is None else state(item.previous),
            rates=converted,
            volatility=item.volatility,
            average_price=None if item.average_price is None else float(item.average_price),
        )
        for item in items
    }


def conversion_rate(item: RateIn) -> ConversionRate:
    """Rate of the core."""
    return ConversionRate(
        currency=item.currency,
        rate=float(item.rate),
        as_of=item.as_of,
        heartbeat_seconds=item.heartbeat_seconds,
        confidence=float(item.confidence),
        peg=None if item.peg is None else float(item.peg),
    )


def state(item: OracleStateIO) -> OracleState:
    """State of the core."""
    pending = None if item.pending is None else PendingPrice(float(item.pending.price), item.pending.as_of)
    return OracleState(float(item.price), float(item.confidence), item.as_of, pending)


def price_text(value: float) -> str:
    """Price with 12 significant digits and at most 18 decimals: what a request may carry, so that a state can be sent
    back.

    Examples
    --------
    >>> price_text(64000.5), price_text(1.23456789e-11)
    ('64000.5', '0.000000000012345679')
    """
    exact = Decimal(f"{value:.{DIGITS}g}")
    places = exact.as_tuple().exponent
    return plain(round(exact, MOST_DECIMALS) if isinstance(places, int) and places < -MOST_DECIMALS else exact)


def _known(value: float | None) -> str | None:
    return None if value is None else price_text(value)


def oracle_row(symbol: str, found: Aggregate, policy: OraclePolicy) -> dict[str, Any]:
    """Aggregate on the wire."""
    return {
        "symbol": symbol,
        "status": found.status,
        "reason": found.reason,
        "detail": found.detail,
        "price": _known(found.price),
        "confidence": _known(found.confidence),
        "long_price": _known(found.long_price),
        "short_price": _known(found.short_price),
        "currency": policy.currency,
        "multiplier": stat(found.multiplier),
        "allowed": found.allowed,
        "dispersion": stat(found.dispersion),
        "age_seconds": stat(found.age_seconds),
        "quorum": policy.quorum,
        "voices": found.voices,
        "signers": found.signers,
        "accepted": [
            {
                "source": row.source,
                "upstream": row.upstream,
                "currency": row.currency,
                "price": price_text(row.price),
                "confidence": price_text(row.confidence),
                "age_seconds": stat(row.age_seconds),
                "signer": row.signer,
            }
            for row in found.accepted
        ],
        "rejected": [{"source": row.source, "reason": row.reason, "detail": row.detail} for row in found.rejected],
        "currencies": [
            {
                "currency": row.currency,
                "voices": row.voices,
                "rate": stat(row.rate),
                "implied_rate": stat(row.implied_rate),
                "reason": row.reason,
            }
            for row in found.currencies
        ],
        "findings": [{"reason": row.reason, "detail": row.detail, "blocking": row.blocking} for row in found.findings],
        "state": None if found.state is None else state_row(found.state),
    }


def state_row(found: OracleState) -> dict[str, Any]:
    """State on the wire, as `previous` takes it."""
    row = {
        "price": price_text(found.price),
        "confidence": price_text(found.confidence),
        "as_of": time_text(found.as_of),
    }
    if found.pending is None:
        return row
    return {**row, "pending": {"price": price_text(found.pending.price), "as_of": time_text(found.pending.as_of)}}
