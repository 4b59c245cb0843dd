"""Ages by heartbeat, and what a price is good for."""

from __future__ import annotations

import pytest

from services.guards.outcome import OracleReason, SourceReason
from services.guards.staleness import PriceUse, Validity, lateness, permitted, time_fault, validity_of
from tests.support.oracles import NOW, ago


@pytest.mark.parametrize(
    ("age", "heartbeat", "fault"),
    [
        (90.0, 60.0, None),
        (90.001, 60.0, SourceReason.STALE),
        (90.001, 3600.0, None),
        (-1.0, 60.0, None),
        (-1.001, 60.0, SourceReason.IN_FUTURE),
    ],
)
def test_each_source_is_judged_by_its_own_heartbeat(age: float, heartbeat: float, fault: SourceReason | None) -> None:
    assert time_fault(ago(age), heartbeat, NOW) is fault


def test_lateness_is_two_thirds_at_a_heartbeat_and_nothing_in_the_future() -> None:
    assert lateness(ago(60.0), 60.0, NOW) == pytest.approx(2 / 3)
    assert lateness(ago(-0.5), 60.0, NOW) == 0.0


@pytest.mark.parametrize("use", [PriceUse.OPEN, PriceUse.WITHDRAW])
def test_taking_risk_on_or_money_out_needs_a_valid_price(use: PriceUse) -> None:
    assert [kind for kind in Validity if permitted(use, frozenset({kind}))] == [Validity.VALID]


def test_reducing_needs_no_price_at_all() -> None:
    assert all(permitted(PriceUse.REDUCE, frozenset({kind})) for kind in Validity)


def test_nobody_is_liquidated_on_a_price_that_may_have_been_pushed() -> None:
    tolerated = [kind for kind in Validity if permitted(PriceUse.LIQUIDATE, frozenset({kind}))]
    assert tolerated == [Validity.VALID, Validity.UNCERTAIN, Validity.STALE]
    mixed = validity_of([OracleReason.DISPERSION, OracleReason.JUMP_UNCONFIRMED])
    assert mixed == {Validity.UNCERTAIN, Validity.VOLATILE}
    assert not permitted(PriceUse.LIQUIDATE, mixed)


def test_nothing_wrong_is_valid() -> None:
    assert validity_of([]) == {Validity.VALID}
