"""What must hold for every set of sources, honest or not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.outcome import Permission
from services.guards.aggregate import aggregate
from services.guards.observation import Aggregate, ConversionRate, OracleObservation, OracleState, PendingPrice
from services.guards.outcome import OracleStatus
from services.guards.policy import OraclePolicy
from services.guards.price_quality import judge_price
from services.guards.staleness import PriceUse
from tests.support.oracles import NOW, ago, rate, said

near = st.floats(99.0, 101.0)
anything = st.floats(allow_nan=True, allow_infinity=True) | near
POLICY = OraclePolicy()


@st.composite
def observations(draw: st.DrawFn, prices: st.SearchStrategy[float] = anything) -> OracleObservation:
    """A source of a few names, upstreams, currencies, keys and heartbeats."""
    return said(
        draw(st.sampled_from("abcdefgh")),
        draw(prices),
        draw(st.floats(-3.0, 400.0)),
        upstream=draw(st.sampled_from([None, "v1", "v2"])),
        currency=draw(st.sampled_from(["USD", "USDT", "USDC"])),
        confidence=draw(st.floats(0.0, 2.0)),
        deviation=draw(st.none() | st.floats(0.0, 0.5)),
        heartbeat_seconds=draw(st.sampled_from([10.0, 60.0, 300.0])),
        signer=draw(st.sampled_from([None, "k1", "k2", "k3"])),
    )


@st.composite
def policies(draw: st.DrawFn) -> OraclePolicy:
    """Policies that some of these sources can meet."""
    return OraclePolicy(quorum=draw(st.integers(1, 4)), min_signers=draw(st.integers(0, 2)))


states = st.none() | st.builds(
    OracleState,
    near | st.floats(1.0, 1000.0),
    st.floats(0.0, 1.0),
    st.floats(-5.0, 400.0).map(ago),
    st.none() | st.builds(PendingPrice, near, st.floats(0.0, 60.0).map(ago)),
)
rates = st.lists(
    st.builds(rate, st.sampled_from(["USDT", "USDC"]), st.floats(0.8, 1.1), st.floats(0.0, 200.0)), max_size=3
)


def accepted_price(found: Aggregate) -> float:
    assert found.price is not None
    return found.price


@given(st.lists(observations(), max_size=10), policies(), states, rates, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_the_order_of_sources_and_rates_never_matters(
    sources: list[OracleObservation],
    policy: OraclePolicy,
    state: OracleState | None,
    sent: list[ConversionRate],
    dice: object,
) -> None:
    before = aggregate(sources, policy, NOW, state, rates=sent)
    shuffled, mixed = list(sources), list(sent)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    dice.shuffle(mixed)  # type: ignore[attr-defined]
    assert repr(aggregate(shuffled, policy, NOW, state, rates=mixed)) == repr(before)


@given(st.lists(observations(), max_size=10), policies(), states, rates)
@settings(max_examples=300)
def test_every_answer_is_whole_and_consistent(
    sources: list[OracleObservation], policy: OraclePolicy, state: OracleState | None, sent: list[ConversionRate]
) -> None:
    found = aggregate(sources, policy, NOW, state, rates=sent, volatility=0.6, average_price=100.0)
    assert sorted(item.source for item in (*found.accepted, *found.rejected)) == sorted(item.source for item in sources)
    assert 0.0 <= found.multiplier <= 1.0
    assert (found.multiplier > 0.0) is (found.status is OracleStatus.OK) is (PriceUse.OPEN in found.allowed)
    assert (found.price is None) is (found.status is OracleStatus.REFUSED)
    assert PriceUse.REDUCE in found.allowed
    if found.price is not None and found.long_price is not None and found.short_price is not None:
        assert 0.0 <= found.long_price <= found.price <= found.short_price < float("inf")
    if found.status is not OracleStatus.OK:
        assert found.findings and found.findings[0].blocking
        assert found.state is None or (
            state is not None and replace(found.state, pending=None) == replace(state, pending=None)
        )
    judged = judge_price(found, 100.0, policy)
    assert 0.0 <= judged.long_price <= judged.short_price < float("inf")
    assert (judged.permission is Permission.ANY) is (judged.multiplier > 0.0)
    assert judged.multiplier <= found.multiplier


@given(st.lists(near, min_size=4, max_size=9), anything, st.floats(0.0, 0.99))
def test_one_liar_never_moves_the_price_beyond_the_honest(honest: list[float], lie: float, excuse: float) -> None:
    sources = [said(f"h{place}", price) for place, price in enumerate(honest)]
    found = aggregate([*sources, said("liar", lie, deviation=excuse)], POLICY, NOW)
    if found.price is not None:
        assert min(honest) <= found.price <= max(honest)


@given(st.lists(observations(near), max_size=6), policies(), st.data())
@settings(max_examples=300)
def test_saying_it_again_never_helps_to_reach_a_quorum(
    sources: list[OracleObservation], policy: OraclePolicy, data: st.DataObject
) -> None:
    """The same source again, or the same upstream and key under another name.

    Where something was set aside for its distance from the others, a twin may move what the distance is measured from.
    """
    before = aggregate(sources, policy, NOW, rates=[rate("USDT", 1.0), rate("USDC", 1.0)])
    accepted = [item for item in sources if any(item.source == row.source for row in before.accepted)]
    if before.price is not None or not accepted:
        return
    copy = data.draw(st.sampled_from(accepted))
    twin = replace(copy, source="twin", upstream=copy.origin)
    for more in ([copy], [copy, copy], [twin]):
        after = aggregate([*sources, *more], policy, NOW, rates=[rate("USDT", 1.0), rate("USDC", 1.0)])
        if len(before.accepted) + len(before.rejected) == len(sources) and not _outliers(before):
            assert after.price is None


def _outliers(found: Aggregate) -> bool:
    distant = ("outlier", "duplicate_source", "rate_inconsistent", "depegged")
    return any(item.reason in distant for item in found.rejected)


@given(st.lists(st.tuples(near, st.floats(0.0, 1.5)), min_size=3, max_size=6), st.data())
def test_the_multiplier_never_rises_with_confidence(pairs: Sequence[tuple[float, float]], data: st.DataObject) -> None:
    sources = [said(f"s{place}", price, confidence=width) for place, (price, width) in enumerate(pairs)]
    place = data.draw(st.integers(0, len(sources) - 1))
    more = data.draw(st.floats(0.0, 3.0))
    wider = [
        replace(item, confidence=item.confidence + more) if here == place else item for here, item in enumerate(sources)
    ]
    assert aggregate(wider, POLICY, NOW).multiplier <= aggregate(sources, POLICY, NOW).multiplier


@given(
    st.lists(
        st.tuples(st.floats(0.0, 100.0), st.sampled_from([20.0, 60.0, 90.0]), st.floats(0.0, 1.2)),
        min_size=1,
        max_size=7,
    ),
    st.lists(st.floats(0.0, 120.0), min_size=2, max_size=6),
)
def test_the_multiplier_never_rises_with_age(rows: Sequence[tuple[float, float, float]], waits: list[float]) -> None:
    """Sources that agree, each with its own heartbeat and confidence, of which none is sent again."""
    sources = [
        said(f"s{place}", 100.0, age, heartbeat_seconds=heartbeat, confidence=width)
        for place, (age, heartbeat, width) in enumerate(rows)
    ]
    policy = OraclePolicy(max_fallback_seconds=3600.0)
    path = [aggregate(sources, policy, NOW + timedelta(seconds=wait)).multiplier for wait in sorted(waits)]
    # A share of a price, taken of the price again, is off by a last digit.
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(path))


@given(st.lists(near, min_size=3, max_size=9))
def test_the_price_is_that_of_a_slow_reference(prices: list[float]) -> None:
    """Median and median absolute deviation written out for sources in one currency."""
    ordered = sorted(prices)
    half = len(ordered) // 2
    centre = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    spread = sorted(abs(price - centre) for price in prices)
    mad = spread[half] if len(spread) % 2 else (spread[half - 1] + spread[half]) / 2
    kept = [price for price in prices if abs(price - centre) <= max(5 * mad, 0.001 * centre)]
    found = aggregate([said(f"s{place}", price) for place, price in enumerate(prices)], POLICY, NOW)
    assert found.voices == len(kept)
    assert found.price == (median(kept) if len(kept) >= 3 else None)
