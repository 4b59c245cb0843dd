"""One price out of what many sources say, with the reason for everything that was not believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.guards.manipulation import far_from_average, jump
from services.guards.observation import (
    AcceptedSource,
    Aggregate,
    ConversionRate,
    Finding,
    OracleObservation,
    OracleState,
    PendingPrice,
    RejectedSource,
)
from services.guards.outcome import GRAVITY, OracleReason, OracleStatus, SourceReason
from services.guards.policy import OraclePolicy
from services.guards.quorum import (
    NORMAL_MAD,
    Quote,
    Voice,
    agreeing,
    distinct,
    median_absolute_deviation,
    nth_smallest,
    voices_of,
)
from services.guards.sources import Sifted, sift
from services.guards.staleness import (
    FUTURE_SECONDS,
    GRACE,
    PriceUse,
    Validity,
    permitted,
    seconds_between,
    validity_of,
)


def aggregate(
    observations: Sequence[OracleObservation],
    policy: OraclePolicy,
    as_of: datetime,
    previous: OracleState | None = None,
    *,
    rates: Sequence[ConversionRate] = (),
    volatility: float | None = None,
    average_price: float | None = None,
) -> Aggregate:
    r"""Price of one thing from many sources.

    In order: each source alone (signature, number, age by its own heartbeat, named once); currencies converted and
    checked as groups; sources made into independent voices; quorum; voices far from the median dropped; quorum again;
    then, with m the median of what is left,

    ``confidence = max(1.4826 · MAD, max_i c_i)``, ``long_price = m − confidence``, ``short_price = m + confidence``

    and the checks of the whole: dispersion, move since the last good price, distance from the time-weighted average.
    Only a price that nothing speaks against becomes the last good one.

    Parameters
    ----------
    observations : sequence of OracleObservation
        In any order.
    policy : OraclePolicy
        The rules.
    as_of : datetime
        The moment that the price is for, aware.
    previous : OracleState, optional
        `state` of the former aggregate of the same thing.
    rates : sequence of ConversionRate
        Of the quote currencies other than the policy's; several of one currency: their median.
    volatility : float, optional
        σ of the thing [annual]: how far it may move without confirmation, and how fast a last good price grows vague.
    average_price : float, optional
        Time-weighted average price to compare with.

    Returns
    -------
    Aggregate
        Always: what cannot be answered is `refused`, with the reason.

    Raises
    ------
    InvalidInput
        If `volatility` or `average_price` is not positive and finite, or `as_of` has no time zone.

    Notes
    -----
    `multiplier` is 1 while confidence / price is at most half of the limit and a quorum is within its heartbeat; it
    falls linearly to 0 as the one goes to the limit, or as the quorum-th freshest voice goes from one heartbeat to one
    and a half, where it turns stale. The lower of both counts. A source that has turned stale takes its confidence
    with it only after `max_fallback_seconds`: silence does not make a price look better.

    A jump is judged against the last good price only. Many calls, each with a move just below the bound, walk any
    distance: send `volatility`, and take prices from sources that cannot be walked together.

    Cost O(n log n) for n observations.

    References
    ----------
    Rousseeuw and Croux (1993), Alternatives to the Median Absolute Deviation, JASA 88, §1 (1.4826). Pyth Network,
    best practices for consumers of price feeds.
    """
    _check_inputs(as_of, volatility, average_price)
    sifted = sift(observations, policy, as_of, rates)
    voices, outliers = _agreed(sifted.quotes, policy)
    lost = _without_quorum(voices, policy)
    if lost is not None:
        found = _stand_in(lost, previous, policy, as_of, volatility)
    else:
        found = _believed(voices, sifted, policy, as_of, previous, volatility, average_price)
    return replace(
        found,
        voices=len(voices),
        signers=_signers(voices),
        accepted=_accepted(voices),
        rejected=tuple(sorted((*sifted.rejected, *outliers), key=lambda item: (item.source, item.reason, item.detail))),
        currencies=sifted.groups,
    )


def _check_inputs(as_of: datetime, volatility: float | None, average_price: float | None) -> None:
    if as_of.tzinfo is None:
        raise InvalidInput("as_of", "must have a time zone", as_of.isoformat())
    for name, value in (("volatility", volatility), ("average_price", average_price)):
        if value is not None and not 0.0 < value < math.inf:
            raise InvalidInput(name, "must be > 0 and finite", value)


def _agreed(quotes: Sequence[Quote], policy: OraclePolicy) -> tuple[list[Voice], list[RejectedSource]]:
    """Voices near the median of all, and the sources of the others; too few for a quorum stay as they are."""
    voices = voices_of(quotes, per_signer=policy.min_signers > 1)
    if len(voices) < policy.quorum:
        return voices, []
    near = agreeing([item.price for item in voices], [item.deviation for item in voices], policy.mad_multiple)
    centre = median(item.price for item in voices)
    outliers = [
        RejectedSource(
            quote.observation.source, SourceReason.OUTLIER, f"{voice.price / centre - 1.0:+.3g} off {centre:.8g}"
        )
        for voice, stays in zip(voices, near, strict=True)
        if not stays
        for quote in voice.quotes
    ]
    return [voice for voice, stays in zip(voices, near, strict=True) if stays], outliers


def _upstreams(voices: Iterable[Voice]) -> int:
    return distinct(quote.observation.origin for voice in voices for quote in voice.quotes)


def _signers(voices: Iterable[Voice]) -> int:
    return distinct(quote.observation.signer for voice in voices for quote in voice.quotes)


def _without_quorum(voices: Sequence[Voice], policy: OraclePolicy) -> Finding | None:
    agreed = min(len(voices), _upstreams(voices))
    if agreed < policy.quorum:
        return Finding(OracleReason.NO_QUORUM, f"{agreed} independent sources agree, {policy.quorum} must", True)
    signed = _signers(voices)
    if signed < policy.min_signers:
        return Finding(OracleReason.TOO_FEW_SIGNERS, f"{signed} distinct keys, {policy.min_signers} must sign", True)
    return None


def _stand_in(
    lost: Finding, previous: OracleState | None, policy: OraclePolicy, as_of: datetime, volatility: float | None
) -> Aggregate:
    """The last good price where it is young enough, wider by what it may have moved since; else nothing."""
    if previous is None:
        return _refuse(lost, "there is no last good price", None)
    if _is_later(previous, as_of):
        return _refuse(lost, "the last good price is of after as_of", previous)
    age = seconds_between(previous.as_of, as_of)
    if age > policy.max_fallback_seconds:
        return _refuse(lost, f"the last good price is {age:.6g} s old", previous)
    width = previous.confidence + previous.price * (volatility or 0.0) * math.sqrt(age / SECONDS_PER_YEAR)
    finding = replace(lost, detail=f"{lost.detail}; the last good price, {age:.6g} s old, stands in")
    stale = frozenset({Validity.STALE})
    answer = _answer(OracleStatus.FALLBACK, previous.price, width, 0.0, (finding,), stale, previous)
    return replace(answer, age_seconds=age)


def _refuse(lost: Finding, known: str, previous: OracleState | None) -> Aggregate:
    finding = replace(lost, detail=f"{lost.detail}; {known}")
    return _answer(OracleStatus.REFUSED, None, None, 0.0, (finding,), frozenset({Validity.MISSING}), previous)


def _is_later(previous: OracleState, as_of: datetime) -> bool:
    return (previous.as_of - as_of).total_seconds() > FUTURE_SECONDS


def _believed(
    voices: Sequence[Voice],
    sifted: Sifted,
    policy: OraclePolicy,
    as_of: datetime,
    previous: OracleState | None,
    volatility: float | None,
    average_price: float | None,
) -> Aggregate:
    prices = [voice.price for voice in voices]
    price = median(prices)
    spread = NORMAL_MAD * median_absolute_deviation(prices, price)
    silenced = max(sifted.silenced, default=0.0) * price
    confidence = max(spread, silenced, *(voice.confidence for voice in voices))
    dispersion = (max(prices) - min(prices)) / price
    early = previous is not None and _is_later(previous, as_of)
    pending = None
    if previous is not None and not early:
        pending = jump(price, voices, previous, policy, as_of, volatility)
    certainty = _falling(confidence / price, 0.5 * policy.max_confidence, policy.max_confidence)
    freshness = _falling(nth_smallest((voice.lateness for voice in voices), policy.quorum), 1.0 / GRACE, 1.0)
    findings = _findings(
        _backwards(previous, as_of),
        _jumped(price, previous, pending),
        _far(price, average_price, policy),
        _too_many(voices, policy),
        _disagreeing(sifted.disagreement),
        _dispersed(dispersion, policy),
        _uncertain(confidence / price, certainty, policy),
        _late(voices, freshness, policy),
    )
    blocking = [finding.reason for finding in findings if finding.blocking]
    multiplier = 0.0 if blocking else min(certainty, freshness)
    good = OracleState(price, confidence, as_of)
    state = good if not blocking else previous if previous is None or early else replace(previous, pending=pending)
    status = OracleStatus.CLOSE_ONLY if blocking else OracleStatus.OK
    answer = _answer(status, price, confidence, multiplier, findings, validity_of(blocking), state)
    held = _hold(answer, previous, policy, as_of) if pending is not None and previous is not None else answer
    return replace(
        held,
        dispersion=dispersion,
        age_seconds=nth_smallest((voice.age_seconds for voice in voices), policy.quorum),
    )


def _falling(value: float, start: float, end: float) -> float:
    """1 up to `start`, 0 from `end` on, a line between."""
    return min(max((end - value) / (end - start), 0.0), 1.0)


def _findings(*candidates: Finding | None) -> tuple[Finding, ...]:
    found = [item for item in candidates if item is not None]
    return tuple(sorted(found, key=lambda item: (not item.blocking, GRAVITY[item.reason])))


def _backwards(previous: OracleState | None, as_of: datetime) -> Finding | None:
    if previous is None or not _is_later(previous, as_of):
        return None
    return Finding(OracleReason.CLOCK_BACKWARDS, f"previous is of {previous.as_of.isoformat()}", True)


def _jumped(price: float, previous: OracleState | None, pending: PendingPrice | None) -> Finding | None:
    if previous is None or pending is None:
        return None
    text = f"{price:.8g} is {price / previous.price - 1.0:+.3g} from the last good {previous.price:.8g}"
    return Finding(OracleReason.JUMP_UNCONFIRMED, text, True)


def _far(price: float, average_price: float | None, policy: OraclePolicy) -> Finding | None:
    ratio = far_from_average(price, average_price, policy)
    if ratio is None:
        return None
    return Finding(OracleReason.FAR_FROM_TWAP, f"ratio {ratio:.4g}, at most {policy.max_twap_ratio:g}", True)


def _too_many(voices: Sequence[Voice], policy: OraclePolicy) -> Finding | None:
    found = _upstreams(voices)
    if policy.of is None or found <= policy.of:
        return None
    return Finding(OracleReason.TOO_MANY_UPSTREAMS, f"{found} upstreams, the policy knows {policy.of}", True)


def _disagreeing(text: str | None) -> Finding | None:
    return None if text is None else Finding(OracleReason.CURRENCIES_DISAGREE, text, True)


def _dispersed(dispersion: float, policy: OraclePolicy) -> Finding | None:
    if dispersion <= policy.max_dispersion:
        return None
    return Finding(OracleReason.DISPERSION, f"{dispersion:.3g}, at most {policy.max_dispersion:g}", True)


def _uncertain(share: float, certainty: float, policy: OraclePolicy) -> Finding | None:
    if certainty == 1.0:
        return None
    text = f"confidence / price is {share:.3g}, the limit {policy.max_confidence:g}"
    return Finding(OracleReason.CONFIDENCE, text, certainty == 0.0)


def _late(voices: Sequence[Voice], freshness: float, policy: OraclePolicy) -> Finding | None:
    if freshness == 1.0:
        return None
    fresh = sum(voice.lateness * GRACE <= 1.0 for voice in voices)
    text = f"{fresh} sources are within their heartbeat, a quorum is {policy.quorum}"
    return Finding(OracleReason.LATE, text, freshness == 0.0)


def _hold(answer: Aggregate, previous: OracleState, policy: OraclePolicy, as_of: datetime) -> Aggregate:
    """The last good price in place of an unconfirmed one, where it is young enough; longs and shorts at the worse."""
    young = seconds_between(previous.as_of, as_of) <= policy.max_fallback_seconds
    held = replace(answer, price=previous.price, confidence=previous.confidence) if young else answer
    low, high = _ends(previous.price, previous.confidence)
    ends = (answer.long_price, answer.short_price)
    return replace(
        held,
        long_price=min(end for end in (low, *ends) if end is not None),
        short_price=max(end for end in (high, *ends) if end is not None),
    )


def _ends(price: float, confidence: float) -> tuple[float, float]:
    return max(price - confidence, 0.0), price + confidence


def _accepted(voices: Sequence[Voice]) -> tuple[AcceptedSource, ...]:
    rows = [
        AcceptedSource(
            source=quote.observation.source,
            upstream=quote.observation.origin,
            currency=quote.observation.currency,
            price=quote.price,
            confidence=quote.confidence,
            age_seconds=quote.age_seconds,
            signer=quote.observation.signer,
        )
        for voice in voices
        for quote in voice.quotes
    ]
    return tuple(sorted(rows, key=lambda row: row.source))


def _answer(
    status: OracleStatus,
    price: float | None,
    confidence: float | None,
    multiplier: float,
    findings: tuple[Finding, ...],
    validity: frozenset[Validity],
    state: OracleState | None,
) -> Aggregate:
    low, high = (None, None) if price is None or confidence is None else _ends(price, confidence)
    return Aggregate(
        status=status,
        price=price,
        confidence=confidence,
        long_price=low,
        short_price=high,
        multiplier=multiplier,
        dispersion=None,
        age_seconds=None,
        voices=0,
        signers=0,
        findings=findings,
        allowed=tuple(use for use in PriceUse if permitted(use, validity)),
        accepted=(),
        rejected=(),
        currencies=(),
        state=state,
    )
