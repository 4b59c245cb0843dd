"""Quote currencies: converted, checked as groups, never one to one."""

from __future__ import annotations

import pytest

from services.guards.aggregate import aggregate
from services.guards.currency import usable_rate
from services.guards.observation import CurrencyGroup, OracleObservation
from services.guards.outcome import OracleReason, OracleStatus, SourceReason
from services.guards.policy import OraclePolicy
from tests.support.oracles import NOW, rate, reasons, rejected, said

POLICY = OraclePolicy(quorum=2)


def quoted(currency: str, *prices: float) -> list[OracleObservation]:
    return [said(f"{currency}{place}", price, currency=currency) for place, price in enumerate(prices)]


def group(groups: tuple[CurrencyGroup, ...], currency: str) -> CurrencyGroup:
    return next(item for item in groups if item.currency == currency)


def test_prices_are_converted_at_the_rate_with_its_own_uncertainty() -> None:
    """1000 USDT ± 2 at 0.99 ± 0.001 are 990 ± (0.99·2 + 1000·0.001)."""
    sources = [said("a", 1000.0, currency="USDT", confidence=2.0), said("b", 990.0)]
    found = aggregate(sources, POLICY, NOW, rates=[rate("USDT", 0.99, confidence=0.001)])
    assert found.accepted[0].price == pytest.approx(990.0)
    assert found.accepted[0].confidence == pytest.approx(2.98)
    assert found.confidence == pytest.approx(2.98)


def test_a_price_is_as_late_as_its_rate() -> None:
    found = aggregate(quoted("USDT", 100.0, 100.0), POLICY, NOW, rates=[rate("USDT", 1.0, age=75.0)])
    assert found.age_seconds == 75.0
    assert found.multiplier == pytest.approx(0.5)
    assert reasons(found) == [OracleReason.LATE]


def test_nothing_is_taken_one_to_one() -> None:
    sources = quoted("USD", 100.0, 100.0) + quoted("USDC", 100.0)
    found = aggregate(sources, POLICY, NOW)
    assert rejected(found) == {"USDC0": SourceReason.RATE_MISSING}
    assert group(found.currencies, "USDC").reason is SourceReason.RATE_MISSING


@pytest.mark.parametrize("age", [91.0, -2.0])
def test_a_rate_has_an_age_of_its_own(age: float) -> None:
    sources = quoted("USD", 100.0, 100.0) + quoted("USDC", 100.0)
    found = aggregate(sources, POLICY, NOW, rates=[rate("USDC", 1.0, age=age)])
    assert rejected(found) == {"USDC0": SourceReason.RATE_STALE}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_no_number_is_none(value: float) -> None:
    assert usable_rate([rate("USDC", value)], NOW) is SourceReason.RATE_STALE


def test_several_rates_give_their_median_and_their_spread() -> None:
    found = usable_rate([rate("USDT", value) for value in (1.0, 1.002, 1.1)], NOW)
    assert not isinstance(found, SourceReason)
    assert (found.value, found.confidence) == (1.002, pytest.approx(1.4826 * 0.002))


def test_a_currency_off_its_peg_is_set_aside_as_a_group_even_at_a_true_rate() -> None:
    sources = quoted("USD", 100.0, 100.0) + quoted("USDC", 112.0, 114.0)
    found = aggregate(sources, POLICY, NOW, rates=[rate("USDC", 100 / 113)])
    assert rejected(found) == dict.fromkeys(("USDC0", "USDC1"), SourceReason.DEPEGGED)
    assert (found.price, found.status) == (100.0, OracleStatus.OK)
    assert group(found.currencies, "USDC").implied_rate == pytest.approx(100 / 113)


def test_a_rate_that_prices_contradict_is_not_believed() -> None:
    sources = quoted("USD", 100.0, 100.0) + quoted("USDC", 101.0, 101.0)
    found = aggregate(sources, POLICY, NOW, rates=[rate("USDC", 1.0)])
    assert rejected(found) == dict.fromkeys(("USDC0", "USDC1"), SourceReason.RATE_INCONSISTENT)
    far = aggregate(quoted("USD", 100.0, 100.0) + quoted("USDC", 115.0), POLICY, NOW, rates=[rate("USDC", 1.0)])
    assert rejected(far) == {"USDC0": SourceReason.DEPEGGED}


def test_a_tie_goes_to_the_native_prices_and_a_majority_against_them_blocks() -> None:
    rates = [rate("USDT", 1.0)]
    tie = aggregate(quoted("USD", 100.0, 100.0) + quoted("USDT", 101.0, 101.0), POLICY, NOW, rates=rates)
    assert (tie.price, tie.status) == (100.0, OracleStatus.OK)
    outvoted = aggregate(quoted("USD", 100.0) + quoted("USDT", 101.0, 101.0), POLICY, NOW, rates=rates)
    assert outvoted.status is OracleStatus.CLOSE_ONLY
    assert reasons(outvoted) == [OracleReason.CURRENCIES_DISAGREE]


def test_groups_that_agree_with_the_native_prices_vote_with_them() -> None:
    sources = quoted("USD", 100.0) + quoted("USDT", 100.0) + quoted("USDC", 101.0, 101.0)
    found = aggregate(sources, POLICY, NOW, rates=[rate("USDT", 1.0), rate("USDC", 1.0)])
    assert rejected(found) == dict.fromkeys(("USDC0", "USDC1"), SourceReason.RATE_INCONSISTENT)
    assert found.status is OracleStatus.OK


def test_without_native_prices_groups_that_disagree_block() -> None:
    rates = [rate("USDT", 1.0), rate("USDC", 1.0)]
    apart = aggregate(quoted("USDT", 100.0, 100.0) + quoted("USDC", 101.0, 101.0), POLICY, NOW, rates=rates)
    assert (apart.status, apart.reason) == (OracleStatus.CLOSE_ONLY, OracleReason.CURRENCIES_DISAGREE)
    together = aggregate(quoted("USDT", 100.0, 100.0) + quoted("USDC", 100.1, 100.1), POLICY, NOW, rates=rates)
    assert together.status is OracleStatus.OK


def test_a_floating_currency_has_no_peg() -> None:
    sources = quoted("USD", 108.0, 108.0) + quoted("EUR", 100.0)
    found = aggregate(sources, POLICY, NOW, rates=[rate("EUR", 1.08, peg=None)])
    assert found.rejected == ()
    assert rejected(aggregate(sources, POLICY, NOW, rates=[rate("EUR", 1.08)])) == {"EUR0": SourceReason.DEPEGGED}


def test_a_converted_price_that_no_wire_carries_is_rejected() -> None:
    sources = quoted("USD", 1.0, 1.0) + quoted("X", 1e-15)
    found = aggregate(sources, POLICY, NOW, rates=[rate("X", 1e-15, peg=None)])
    assert rejected(found) == {"X0": SourceReason.INVALID_PRICE}


def test_a_source_is_rejected_once_though_its_group_is_set_aside_too() -> None:
    sources = quoted("USD", 1.0, 1.0) + quoted("USDC", 1e-18, 1.0)
    found = aggregate(sources, POLICY, NOW, rates=[rate("USDC", 0.8)])
    assert [(item.source, item.reason) for item in found.rejected] == [
        ("USDC0", SourceReason.INVALID_PRICE),
        ("USDC1", SourceReason.DEPEGGED),
    ]
