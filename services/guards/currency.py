"""Prices in several quote currencies: converted at rates that are sent and checked, never taken one to one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

from services.guards.observation import ConversionRate, CurrencyGroup, OracleObservation
from services.guards.outcome import SourceReason
from services.guards.policy import OraclePolicy
from services.guards.quorum import NORMAL_MAD, Quote, by_key, median_absolute_deviation, upstream_price, voices_of
from services.guards.staleness import lateness, seconds_between, time_fault

SMALLEST, LARGEST = 1e-18, 1e19
"""Prices that the wire can carry there and back, rounded."""


@dataclass(frozen=True, slots=True)
class UsableRate:
    """Rate of a currency out of those sent: median, the widest half width, the age of the freshest."""

    value: float
    confidence: float
    age_seconds: float
    lateness: float
    peg: float | None


NATIVE = UsableRate(1.0, 0.0, 0.0, 0.0, None)
"""Of the currency of the answer."""


def is_price(value: float) -> bool:
    """Whether a number can be a price.

    Examples
    --------
    >>> is_price(0.5), is_price(0.0), is_price(float("nan"))
    (True, False, False)
    """
    return math.isfinite(value) and SMALLEST <= value <= LARGEST


def is_width(value: float) -> bool:
    """Whether a number can be a confidence."""
    return math.isfinite(value) and 0.0 <= value <= LARGEST


def usable_rate(rates: Iterable[ConversionRate], as_of: datetime) -> UsableRate | SourceReason:
    """One rate out of all that were sent for a currency, or why there is none."""
    sent = list(rates)
    fresh = [
        item
        for item in sent
        if is_price(item.rate)
        and is_width(item.confidence)
        and time_fault(item.as_of, item.heartbeat_seconds, as_of) is None
    ]
    if not fresh:
        return SourceReason.RATE_STALE if sent else SourceReason.RATE_MISSING
    value = median(item.rate for item in fresh)
    spread = NORMAL_MAD * median_absolute_deviation([item.rate for item in fresh], value)
    return UsableRate(
        value,
        max(spread, *(item.confidence for item in fresh)),
        min(seconds_between(item.as_of, as_of) for item in fresh),
        min(lateness(item.as_of, item.heartbeat_seconds, as_of) for item in fresh),
        min((item.peg for item in fresh if item.peg is not None), default=None),
    )


def rates_by_currency(
    currencies: Iterable[str], rates: Sequence[ConversionRate], policy: OraclePolicy, as_of: datetime
) -> dict[str, UsableRate | SourceReason]:
    """Rate of each currency, or why there is none; that of the answer is one."""
    found: dict[str, UsableRate | SourceReason] = {policy.currency: NATIVE}
    for name in sorted(set(currencies) - {policy.currency}):
        found[name] = usable_rate((item for item in rates if item.currency == name), as_of)
    return found


def quote_of(observation: OracleObservation, rate: UsableRate, policy: OraclePolicy, as_of: datetime) -> Quote:
    """Observation in the currency of the answer: ``p·r ± (r·c + p·c_r)``.

    A source is as late as the later of its price and its rate.
    """
    deviation = policy.default_deviation if observation.deviation is None else observation.deviation
    own = lateness(observation.as_of, observation.heartbeat_seconds, as_of)
    return Quote(
        observation=observation,
        price=observation.price * rate.value,
        confidence=rate.value * observation.confidence + observation.price * rate.confidence,
        deviation=min(deviation, policy.max_dispersion),
        age_seconds=max(seconds_between(observation.as_of, as_of), rate.age_seconds),
        lateness=max(own, rate.lateness),
    )


@dataclass(frozen=True, slots=True)
class Grouped:
    """Quotes by currency after the rates were checked: those kept, and for each group what was found.

    `disagreement` is a sentence where groups contradict each other and none could be set aside for it.
    """

    quotes: tuple[Quote, ...]
    groups: tuple[CurrencyGroup, ...]
    disagreement: str | None


def check_groups(quotes: Sequence[Quote], rates: Mapping[str, UsableRate], policy: OraclePolicy) -> Grouped:
    r"""Set aside the groups whose currency has left its peg, or whose rate contradicts the prices.

    With m the median in the currency of the answer and g that of a group at its own quotes, the prices imply the rate
    ``m / g``. It must lie within `max_rate_gap` of the rate sent, and rate and implied rate within `max_depeg` of
    the peg.

    Notes
    -----
    Who is right where a group and the native prices disagree? Those with more voices on their side, counting with the
    native ones every group that agrees with them; a tie goes to the native prices, which rest on no rate. Where the
    native are outvoted, or there are none and groups contradict each other, nothing is set aside and the aggregate
    blocks increases instead.
    """
    per_signer = policy.min_signers > 1
    groups = {group[0].observation.currency: group for group in by_key(quotes, _currency)}
    votes = {name: len(voices_of(group, per_signer=per_signer)) for name, group in groups.items()}
    native = groups.get(policy.currency)
    reference = None if native is None else upstream_price(native)
    ratios = {name: _implied_over_sent(group, reference) for name, group in groups.items()}
    off = {name for name, ratio in ratios.items() if ratio is not None and abs(ratio - 1.0) > policy.max_rate_gap}
    support = sum(count for name, count in votes.items() if name not in off)
    rows = {name: _group(name, votes[name], rates[name], ratios[name]) for name in groups}
    outvoted = {name for name in off if votes[name] > support}
    for name in groups:
        if reason := _fault(rows[name], rates[name], wrong=name in off - outvoted, policy=policy):
            rows[name] = replace(rows[name], reason=reason)
    kept = [quote for quote in quotes if rows[_currency(quote)].reason is None]
    ordered = tuple(rows[name] for name in sorted(rows))
    return Grouped(tuple(kept), ordered, _disagreement(kept, outvoted, native is not None, policy))


def _currency(quote: Quote) -> str:
    return quote.observation.currency


def _implied_over_sent(group: Sequence[Quote], reference: float | None) -> float | None:
    # Both at the rate sent: (m / g) / r = m / (g r).
    return None if reference is None else reference / upstream_price(group)


def _group(name: str, votes: int, rate: UsableRate, ratio: float | None) -> CurrencyGroup:
    return CurrencyGroup(name, votes, rate.value, None if ratio is None else ratio * rate.value, None)


def _fault(row: CurrencyGroup, rate: UsableRate, *, wrong: bool, policy: OraclePolicy) -> SourceReason | None:
    trusted = [rate.value, row.implied_rate] if wrong else [rate.value]
    if rate.peg is not None and any(
        abs(value / rate.peg - 1.0) > policy.max_depeg for value in trusted if value is not None
    ):
        return SourceReason.DEPEGGED
    return SourceReason.RATE_INCONSISTENT if wrong else None


def _disagreement(kept: Sequence[Quote], outvoted: set[str], has_native: bool, policy: OraclePolicy) -> str | None:
    prices = {group[0].observation.currency: upstream_price(group) for group in by_key(kept, _currency)}
    if standing := sorted(outvoted & prices.keys()):
        return (
            f"{', '.join(standing)} outvote {policy.currency} and differ from it by more than {policy.max_rate_gap:g}"
        )
    if has_native or len(prices) < 2:
        return None
    low, high = min(prices, key=prices.__getitem__), max(prices, key=prices.__getitem__)
    gap = prices[high] / prices[low] - 1.0
    if gap <= policy.max_rate_gap:
        return None
    return f"by {high} the price is {gap:.3g} above that by {low}, and no source is quoted in {policy.currency}"
