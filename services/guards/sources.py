"""Each source alone and by currency: what is left are quotes in one currency that may be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.guards.currency import UsableRate, check_groups, is_price, is_width, quote_of, rates_by_currency
from services.guards.observation import ConversionRate, CurrencyGroup, OracleObservation, RejectedSource
from services.guards.outcome import SourceReason
from services.guards.policy import OraclePolicy
from services.guards.quorum import Quote
from services.guards.staleness import GRACE, seconds_between, time_fault


@dataclass(frozen=True, slots=True)
class Sifted:
    """Quotes that passed on their own and as groups, and what did not.

    `silenced` are widths over price of sources that have just turned stale.
    """

    quotes: tuple[Quote, ...]
    rejected: tuple[RejectedSource, ...]
    groups: tuple[CurrencyGroup, ...]
    disagreement: str | None
    silenced: tuple[float, ...]


def sift(
    observations: Sequence[OracleObservation],
    policy: OraclePolicy,
    as_of: datetime,
    rates: Sequence[ConversionRate],
) -> Sifted:
    """Check every source alone, convert, check the currencies as groups."""
    faults = [(item, _own_fault(item, policy, as_of)) for item in sorted(observations, key=_place)]
    rejected = [_rejected(item, fault, as_of) for item, fault in faults if fault is not None]
    sound, twins = _named_once([item for item, fault in faults if fault is None])
    rejected += [_rejected(item, SourceReason.DUPLICATE_SOURCE, as_of) for item in twins]
    found = rates_by_currency((item.currency for item in sound), rates, policy, as_of)
    usable = {name: rate for name, rate in found.items() if isinstance(rate, UsableRate)}
    quotes = [quote_of(item, usable[item.currency], policy, as_of) for item in sound if item.currency in usable]
    unpriced = [quote for quote in quotes if not is_price(quote.price)]
    priced = [quote for quote in quotes if is_price(quote.price)]
    grouped = check_groups(priced, usable, policy)
    without = {name: rate for name, rate in found.items() if isinstance(rate, SourceReason)}
    rejected += [_rejected(item, without[item.currency], as_of) for item in sound if item.currency in without]
    rejected += [_rejected(quote.observation, SourceReason.INVALID_PRICE, as_of) for quote in unpriced]
    aside = {group.currency: group for group in grouped.groups if group.reason is not None}
    rejected += [
        _rejected(quote.observation, group.reason, as_of, _rate_detail(group))
        for quote in priced
        if (group := aside.get(quote.observation.currency)) is not None and group.reason is not None
    ]
    missing = [CurrencyGroup(name, 0, None, None, reason) for name, reason in without.items()]
    groups = tuple(sorted((*grouped.groups, *missing), key=lambda group: group.currency))
    silenced = _silenced(faults, policy, as_of)
    return Sifted(grouped.quotes, tuple(rejected), groups, grouped.disagreement, silenced)


def _place(item: OracleObservation) -> tuple[str, str, datetime, str, str]:
    return item.source, item.origin, item.as_of, item.currency, repr((item.price, item.confidence, item.signer))


def _own_fault(item: OracleObservation, policy: OraclePolicy, as_of: datetime) -> SourceReason | None:
    if item.fault is not None:
        return item.fault
    if policy.min_signers and item.signer is None:
        return SourceReason.SIGNATURE_MISSING
    if not (is_price(item.price) and is_width(item.confidence)):
        return SourceReason.INVALID_PRICE
    return time_fault(item.as_of, item.heartbeat_seconds, as_of)


def _named_once(items: Sequence[OracleObservation]) -> tuple[list[OracleObservation], list[OracleObservation]]:
    """The newest of each source, and the others; where several newest differ, all are others."""
    named: defaultdict[str, list[OracleObservation]] = defaultdict(list)
    for item in items:
        named[item.source].append(item)
    kept, others = [], []
    for group in named.values():
        newest = max(item.as_of for item in group)
        candidates = [item for item in group if item.as_of == newest]
        same = all(item == candidates[0] for item in candidates)
        kept += candidates[:1] if same else []
        others += [item for item in group if item.as_of != newest] + (candidates[1:] if same else candidates)
    return kept, others


def _silenced(
    faults: Sequence[tuple[OracleObservation, SourceReason | None]], policy: OraclePolicy, as_of: datetime
) -> tuple[float, ...]:
    return tuple(
        item.confidence / item.price
        for item, fault in faults
        if fault is SourceReason.STALE
        and seconds_between(item.as_of, as_of) <= GRACE * item.heartbeat_seconds + policy.max_fallback_seconds
    )


def _rejected(item: OracleObservation, reason: SourceReason, as_of: datetime, detail: str = "") -> RejectedSource:
    return RejectedSource(item.source, reason, detail or _detail(item, reason, as_of))


def _detail(item: OracleObservation, reason: SourceReason, as_of: datetime) -> str:
    age = (as_of - item.as_of).total_seconds()
    if reason is SourceReason.STALE:
        return f"{age:.6g} s old, heartbeat {item.heartbeat_seconds:.6g} s"
    if reason is SourceReason.IN_FUTURE:
        return f"{-age:.6g} s after as_of"
    if reason in (SourceReason.RATE_MISSING, SourceReason.RATE_STALE):
        return f"quoted in {item.currency}"
    if reason is SourceReason.INVALID_PRICE:
        return f"price {item.price:.6g}, confidence {item.confidence:.6g}"
    return ""


def _rate_detail(group: CurrencyGroup) -> str:
    implied = "" if group.implied_rate is None else f", prices imply {group.implied_rate:.6g}"
    return f"{group.currency} at {group.rate:.6g}{implied}"
