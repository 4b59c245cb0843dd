"""Aggregation in the currency of the answer: quorum, outliers, confidence, age, fallback, jumps."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.core.errors import InvalidInput
from services.guards.aggregate import aggregate
from services.guards.observation import OracleObservation, OracleState, PendingPrice
from services.guards.outcome import OracleReason, OracleStatus, SourceReason
from services.guards.policy import OraclePolicy
from services.guards.staleness import PriceUse
from tests.support.oracles import NOW, ago, reasons, rejected, said, several

POLICY = OraclePolicy()


def last(price: float, age: float = 60.0, pending: PendingPrice | None = None) -> OracleState:
    return OracleState(price, 0.5, ago(age), pending)


def test_the_median_of_those_who_agree() -> None:
    found = aggregate(several(100.0, 100.1, 100.2), POLICY, NOW)
    assert (found.status, found.reason, found.price, found.voices) == (OracleStatus.OK, OracleReason.NONE, 100.1, 3)
    assert found.confidence == pytest.approx(1.4826 * 0.1)
    assert found.long_price == pytest.approx(100.1 - 0.14826)
    assert found.short_price == pytest.approx(100.1 + 0.14826)
    assert found.dispersion == pytest.approx(0.2 / 100.1)
    assert (found.multiplier, found.allowed) == (1.0, tuple(PriceUse))
    assert found.state == OracleState(100.1, found.confidence, NOW)
    assert [item.source for item in found.accepted] == ["s0", "s1", "s2"]


def test_the_widest_confidence_counts_where_it_is_wider_than_the_spread() -> None:
    sources = [said("a", 100.0, confidence=0.4), said("b", 100.1), said("c", 100.2)]
    assert aggregate(sources, POLICY, NOW).confidence == 0.4


class TestSources:
    @pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf, 1e-19, 1e20])
    def test_a_price_that_is_none(self, price: float) -> None:
        found = aggregate([*several(100.0, 100.0, 100.0), said("x", price)], POLICY, NOW)
        assert rejected(found) == {"x": SourceReason.INVALID_PRICE}

    @pytest.mark.parametrize("confidence", [-1.0, math.nan, math.inf])
    def test_a_confidence_that_is_none(self, confidence: float) -> None:
        found = aggregate([*several(100.0, 100.0, 100.0), said("x", 100.0, confidence=confidence)], POLICY, NOW)
        assert rejected(found) == {"x": SourceReason.INVALID_PRICE}

    def test_age_is_told_with_its_heartbeat(self) -> None:
        sources = [
            *several(100.0, 100.0, 100.0),
            said("slow", 100.0, 600.0, heartbeat_seconds=3600.0),
            said("dead", 1.0, 91.0),
        ]
        found = aggregate(sources, POLICY, NOW)
        assert [(item.source, item.detail) for item in found.rejected] == [("dead", "91 s old, heartbeat 60 s")]

    def test_a_fault_of_the_signature_is_passed_on(self) -> None:
        forged = said("x", 100.0, fault=SourceReason.SIGNATURE_INVALID)
        assert rejected(aggregate([*several(100.0, 100.0, 100.0), forged], POLICY, NOW)) == {
            "x": SourceReason.SIGNATURE_INVALID
        }

    def test_the_newest_of_a_source_counts_and_no_contradiction(self) -> None:
        old = said("s0", 90.0, 30.0)
        found = aggregate([*several(100.0, 100.0, 100.0), old], POLICY, NOW)
        assert (found.voices, rejected(found)) == (3, {"s0": SourceReason.DUPLICATE_SOURCE})
        torn = aggregate([*several(100.0, 100.0, 100.0), said("s0", 90.0)], POLICY, NOW)
        assert (torn.voices, [item.source for item in torn.rejected]) == (2, ["s0", "s0"])

    def test_what_is_said_twice_in_the_same_words_counts_once(self) -> None:
        found = aggregate([*several(100.0, 100.0, 100.0), said("s0", 100.0)], POLICY, NOW)
        assert (found.voices, rejected(found)) == (3, {"s0": SourceReason.DUPLICATE_SOURCE})


class TestQuorum:
    def test_too_few(self) -> None:
        found = aggregate(several(100.0, 100.0), POLICY, NOW)
        assert (found.status, found.reason) == (OracleStatus.REFUSED, OracleReason.NO_QUORUM)
        assert (found.price, found.long_price, found.short_price, found.multiplier) == (None, None, None, 0.0)
        assert found.allowed == (PriceUse.REDUCE,)
        assert "2 independent sources agree, 3 must" in found.detail
        assert [item.source for item in found.accepted] == ["s0", "s1"]

    def test_none_at_all(self) -> None:
        assert aggregate([], POLICY, NOW).status is OracleStatus.REFUSED

    def test_sources_of_one_upstream_are_one_voice_their_median(self) -> None:
        twins = [said(f"t{place}", price, upstream="venue") for place, price in enumerate((99.9, 100.0, 100.3))]
        assert aggregate(twins, POLICY, NOW).status is OracleStatus.REFUSED
        found = aggregate([*twins, *several(100.0, 100.0)], POLICY, NOW)
        assert (found.voices, found.price, len(found.accepted)) == (3, 100.0, 5)

    def test_it_is_counted_again_after_outliers(self) -> None:
        found = aggregate(several(100.0, 100.1, 150.0), POLICY, NOW)
        assert (found.status, found.reason) == (OracleStatus.REFUSED, OracleReason.NO_QUORUM)
        assert rejected(found) == {"s2": SourceReason.OUTLIER}

    def test_more_upstreams_than_there_are(self) -> None:
        found = aggregate(several(100.0, 100.0, 100.0, 100.0), replace(POLICY, of=3), NOW)
        assert (found.status, found.reason) == (OracleStatus.CLOSE_ONLY, OracleReason.TOO_MANY_UPSTREAMS)

    def test_k_of_n_must_be_possible(self) -> None:
        with pytest.raises(InvalidInput, match="quorum must be <= of"):
            OraclePolicy(quorum=3, of=2)


class TestOutliers:
    """Five times the median absolute deviation, or what the source says of itself."""

    def test_five_deviations(self) -> None:
        """Median 101 and MAD 1 of 100, 101, 101, 102 and the fifth: 106 stays, 106.01 goes."""
        policy = replace(POLICY, max_dispersion=0.5)
        assert aggregate(several(100.0, 101.0, 101.0, 102.0, 106.0), policy, NOW).voices == 5
        assert rejected(aggregate(several(100.0, 101.0, 101.0, 102.0, 106.01), policy, NOW)) == {
            "s4": SourceReason.OUTLIER
        }

    def test_where_all_agree_a_deviation_is_still_none(self) -> None:
        assert aggregate(several(100.0, 100.0, 100.0, 100.1), POLICY, NOW).voices == 4
        assert aggregate(several(100.0, 100.0, 100.0, 100.11), POLICY, NOW).voices == 3

    def test_a_source_excuses_itself_up_to_the_dispersion_and_no_further(self) -> None:
        base = several(100.0, 100.0, 100.0)
        assert aggregate([*base, said("x", 100.5, deviation=0.005)], POLICY, NOW).voices == 4
        assert aggregate([*base, said("x", 103.0, deviation=0.9)], POLICY, NOW).voices == 3


class TestSigners:
    POLICY = OraclePolicy(quorum=2, min_signers=2)

    def test_distinct_keys_are_counted(self) -> None:
        one_key = [said("a", 100.0, signer="k1"), said("b", 100.0, signer="k1")]
        assert aggregate(one_key, self.POLICY, NOW).status is OracleStatus.REFUSED
        found = aggregate([*one_key, said("c", 100.0, signer="k2")], self.POLICY, NOW)
        assert (found.status, found.voices, found.signers) == (OracleStatus.OK, 2, 2)

    def test_one_key_weighs_one_however_much_it_signs(self) -> None:
        lies = [said(f"x{place}", 150.0, signer="k1") for place in range(9)]
        honest = [said("a", 100.0, signer="k2"), said("b", 100.1, signer="k3"), said("c", 99.9, signer="k4")]
        found = aggregate([*lies, *honest], self.POLICY, NOW)
        assert found.price == 100.0
        assert {item.reason for item in found.rejected} == {SourceReason.OUTLIER}

    def test_two_keys_on_one_upstream_are_no_quorum(self) -> None:
        same = [said("a", 100.0, signer="k1", upstream="venue"), said("b", 100.0, signer="k2", upstream="venue")]
        assert aggregate(same, self.POLICY, NOW).reason is OracleReason.NO_QUORUM

    def test_one_trusted_relay_may_report_many_upstreams(self) -> None:
        relayed = several(100.0, 100.0, 100.0, signer="k1")
        assert aggregate(relayed, OraclePolicy(min_signers=1), NOW).status is OracleStatus.OK

    def test_unsigned_sources_are_rejected_where_signatures_are_asked_for(self) -> None:
        found = aggregate(several(100.0, 100.0, 100.0), OraclePolicy(min_signers=1), NOW)
        assert set(rejected(found).values()) == {SourceReason.SIGNATURE_MISSING}

    def test_too_few_signers_of_a_quorum(self) -> None:
        policy = OraclePolicy(quorum=2, min_signers=3)
        found = aggregate([said("a", 100.0, signer="k1"), said("b", 100.0, signer="k2")], policy, NOW)
        assert (found.status, found.reason) == (OracleStatus.REFUSED, OracleReason.TOO_FEW_SIGNERS)


class TestMultiplier:
    @pytest.mark.parametrize(
        ("confidence", "multiplier", "status"),
        [
            (0.5, 1.0, OracleStatus.OK),
            (0.75, 0.5, OracleStatus.OK),
            (1.0, 0.0, OracleStatus.CLOSE_ONLY),
            (500.0, 0.0, OracleStatus.CLOSE_ONLY),
        ],
    )
    def test_shrinks_from_half_the_limit_on(self, confidence: float, multiplier: float, status: OracleStatus) -> None:
        sources = [*several(100.0, 100.0), said("x", 100.0, confidence=confidence)]
        found = aggregate(sources, POLICY, NOW)
        assert (found.multiplier, found.status) == (pytest.approx(multiplier), status)
        assert found.reason is (OracleReason.NONE if multiplier == 1.0 else OracleReason.CONFIDENCE)
        assert found.long_price is not None and found.long_price >= 0.0

    @pytest.mark.parametrize(("age", "multiplier"), [(60.0, 1.0), (75.0, 0.5), (90.0, 0.0)])
    def test_shrinks_as_the_quorum_grows_late(self, age: float, multiplier: float) -> None:
        found = aggregate([*several(100.0, 100.0), said("late", 100.0, age)], POLICY, NOW)
        assert found.multiplier == pytest.approx(multiplier)
        assert found.status is (OracleStatus.OK if multiplier else OracleStatus.CLOSE_ONLY)
        assert found.age_seconds == age

    def test_a_late_source_beyond_the_quorum_costs_nothing(self) -> None:
        assert aggregate([*several(100.0, 100.0, 100.0), said("late", 100.0, 85.0)], POLICY, NOW).multiplier == 1.0

    def test_the_freshest_speaks_for_its_upstream(self) -> None:
        """Else the multiplier would rise when a late twin falls silent."""
        twins = [said("x", 100.0, 80.0, upstream="v"), said("y", 100.0, 10.0, upstream="v")]
        found = aggregate([*several(100.0, 100.0), *twins], POLICY, NOW)
        assert (found.multiplier, found.age_seconds, found.voices) == (1.0, 10.0, 3)

    def test_silence_does_not_make_a_price_look_better(self) -> None:
        wide = {"confidence": 0.9, "heartbeat_seconds": 10.0}
        early = aggregate([*several(100.0, 100.0, 100.0), said("x", 100.0, 0.0, **wide)], POLICY, NOW)
        silent = aggregate([*several(100.0, 100.0, 100.0), said("x", 100.0, 16.0, **wide)], POLICY, NOW)
        long_gone = aggregate([*several(100.0, 100.0, 100.0), said("x", 100.0, 196.0, **wide)], POLICY, NOW)
        assert (early.multiplier, silent.multiplier) == (pytest.approx(0.2), pytest.approx(0.2))
        assert long_gone.multiplier == 1.0

    def test_dispersion_blocks(self) -> None:
        found = aggregate(several(99.0, 99.5, 100.0, 101.0, 101.5), POLICY, NOW)
        assert found.status is OracleStatus.CLOSE_ONLY
        assert OracleReason.DISPERSION in reasons(found)
        assert PriceUse.LIQUIDATE in found.allowed and PriceUse.OPEN not in found.allowed


class TestFallback:
    def test_the_last_good_price_stands_in_for_reductions(self) -> None:
        found = aggregate([], POLICY, NOW, last(100.0, 180.0))
        assert (found.status, found.price, found.multiplier) == (OracleStatus.FALLBACK, 100.0, 0.0)
        assert (found.long_price, found.short_price, found.age_seconds) == (99.5, 100.5, 180.0)
        assert found.allowed == (PriceUse.REDUCE, PriceUse.LIQUIDATE)
        assert found.state == last(100.0, 180.0)

    def test_it_grows_vague_with_age(self) -> None:
        """One standard deviation of σ = 80 % over 180 s on top."""
        found = aggregate([], POLICY, NOW, last(100.0, 180.0), volatility=0.8)
        assert found.confidence == pytest.approx(0.5 + 80.0 * math.sqrt(180.0 / 31_536_000))

    def test_too_old_is_none(self) -> None:
        found = aggregate([], POLICY, NOW, last(100.0, 180.1))
        assert (found.status, found.price, found.state) == (OracleStatus.REFUSED, None, last(100.0, 180.1))

    def test_of_the_future_is_none(self) -> None:
        assert aggregate([], POLICY, NOW, last(100.0, -2.0)).status is OracleStatus.REFUSED


class TestJumps:
    """12 % in a minute, above the bound of 10 %."""

    def at(self, seconds: float, *prices: float) -> tuple[list[OracleObservation], datetime]:
        return several(*prices, age=-seconds), NOW + timedelta(seconds=seconds)

    def test_a_jump_is_held_until_newer_prices_confirm_it(self) -> None:
        found = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW, last(100.0))
        assert (found.status, found.reason) == (OracleStatus.CLOSE_ONLY, OracleReason.JUMP_UNCONFIRMED)
        assert (found.price, found.long_price, found.short_price) == (100.0, 88.0, 100.5)
        assert found.allowed == (PriceUse.REDUCE,)
        assert found.state == last(100.0, pending=PendingPrice(88.0, NOW))
        again = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW + timedelta(seconds=5), found.state)
        assert again.reason is OracleReason.JUMP_UNCONFIRMED, "the same prices prove nothing"
        assert again.state == found.state
        sources, later = self.at(30.0, 88.05, 88.0, 88.0)
        confirmed = aggregate(sources, POLICY, later, again.state)
        assert (confirmed.status, confirmed.price, confirmed.state) == (
            OracleStatus.OK,
            88.0,
            OracleState(88.0, confirmed.confidence or 0.0, later),
        )

    def test_one_new_price_is_no_confirmation(self) -> None:
        found = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW, last(100.0))
        mixed = [*several(88.0, 88.0), said("s2", 88.0, -30.0)]
        assert aggregate(mixed, POLICY, NOW + timedelta(seconds=30), found.state).status is OracleStatus.CLOSE_ONLY

    def test_a_price_that_comes_back_needs_none_and_is_forgotten(self) -> None:
        held = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW, last(100.0))
        sources, later = self.at(30.0, 100.0, 100.0, 100.0)
        back = aggregate(sources, POLICY, later, held.state)
        assert (back.status, back.state and back.state.pending) == (OracleStatus.OK, None)

    def test_a_jump_seen_long_ago_confirms_no_new_one(self) -> None:
        """In between the price was near the last good one, though too scattered to replace it."""
        held = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW, last(100.0))
        sources, later = self.at(30.0, 98.0, 99.0, 100.0, 101.0, 102.0)
        scattered = aggregate(sources, POLICY, later, held.state)
        assert (scattered.status, scattered.state) == (OracleStatus.CLOSE_ONLY, last(100.0))

    def test_another_jump_starts_anew(self) -> None:
        held = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW, last(100.0))
        sources, later = self.at(30.0, 70.0, 70.0, 70.0)
        other = aggregate(sources, POLICY, later, held.state)
        assert other.state is not None and other.state.pending == PendingPrice(70.0, later)

    def test_volatility_makes_the_bound_tighter_for_short_times(self) -> None:
        """10 σ of 50 % a year over 5 minutes are 1.5 %."""
        sources = several(102.0, 102.0, 102.0)
        assert aggregate(sources, POLICY, NOW, last(100.0, 300.0)).status is OracleStatus.OK
        assert aggregate(sources, POLICY, NOW, last(100.0, 300.0), volatility=0.5).status is OracleStatus.CLOSE_ONLY
        assert aggregate(sources, POLICY, NOW, last(100.0, 3600.0), volatility=0.5).status is OracleStatus.OK

    def test_a_last_good_price_too_old_to_hold_is_not_shown(self) -> None:
        found = aggregate(several(88.0, 88.0, 88.0), POLICY, NOW, last(100.0, 3600.0))
        assert (found.status, found.price, found.long_price, found.short_price) == (
            OracleStatus.CLOSE_ONLY,
            88.0,
            88.0,
            100.5,
        )

    def test_a_state_of_the_future_is_kept(self) -> None:
        newer = last(100.0, -30.0, PendingPrice(88.0, ago(-30.0)))
        found = aggregate(several(100.0, 100.0, 100.0), POLICY, NOW, newer)
        assert (found.status, found.reason, found.state) == (
            OracleStatus.CLOSE_ONLY,
            OracleReason.CLOCK_BACKWARDS,
            newer,
        )


@pytest.mark.parametrize(
    ("average", "status"), [(20.0, OracleStatus.OK), (19.9, OracleStatus.CLOSE_ONLY), (501.0, OracleStatus.CLOSE_ONLY)]
)
def test_five_times_the_average_is_too_far(average: float, status: OracleStatus) -> None:
    found = aggregate(several(100.0, 100.0, 100.0), POLICY, NOW, average_price=average)
    assert found.status is status
    assert found.state is (None if status is OracleStatus.CLOSE_ONLY else found.state)
    assert reasons(found) == ([] if status is OracleStatus.OK else [OracleReason.FAR_FROM_TWAP])


def test_findings_come_gravest_first_and_blocking_before_the_rest() -> None:
    sources = [*several(99.0, 99.5, 100.0, 101.0, age=75.0), said("x", 101.5, 75.0, confidence=0.6)]
    found = aggregate(sources, POLICY, NOW)
    assert [(item.reason, item.blocking) for item in found.findings] == [
        (OracleReason.DISPERSION, True),
        (OracleReason.CONFIDENCE, True),
        (OracleReason.LATE, False),
    ]


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["volatility", "average_price"])
def test_a_figure_that_is_none_is_an_error(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        aggregate([], POLICY, NOW, **{name: value})  # type: ignore[arg-type]


def test_a_moment_without_a_zone_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        aggregate([], POLICY, NOW.replace(tzinfo=None))


@pytest.mark.parametrize("fields", [{"heartbeat_seconds": 0.0}, {"heartbeat_seconds": math.inf}, {"deviation": 1.0}])
def test_an_impossible_source_is_an_error(fields: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        said("x", 1.0, **fields)
