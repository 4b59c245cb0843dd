"""The can-hedge gate: what shrinks always may, what grows needs a sound market."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.core.errors import InvalidInput
from services.core.outcome import Reason
from services.hedging.gate import GateView, HedgeGate

SOUND = {
    "position": 0.0,
    "lot": Decimal("0.1"),
    "base_per_contract": 1.0,
    "depth": 50.0,
    "funding_rate": 0.1,
    "age_seconds": 2.0,
    "mark_price": 60_010.0,
    "index_price": 60_000.0,
    "gross_option_delta": 10.0,
}
UNSOUND = [
    ({"pending": -1.0}, Reason.HEDGE_PENDING),
    ({"age_seconds": 30.1}, Reason.STALE_PRICE),
    ({"age_seconds": None}, Reason.STALE_PRICE),
    ({"age_seconds": -1.0}, Reason.STALE_PRICE),
    ({"age_seconds": float("nan")}, Reason.STALE_PRICE),
    ({"mark_price": 61_201.0}, Reason.INDEX_GAP),
    ({"mark_price": 58_799.0}, Reason.INDEX_GAP),
    ({"mark_price": None}, Reason.INDEX_GAP),
    ({"index_price": 0.0}, Reason.INDEX_GAP),
    ({"index_price": float("inf")}, Reason.INDEX_GAP),
    ({"funding_rate": 1.01}, Reason.FUNDING_TOO_HIGH),
    ({"funding_rate": None}, Reason.FUNDING_TOO_HIGH),
    ({"funding_rate": float("nan")}, Reason.FUNDING_TOO_HIGH),
    ({"depth": None}, Reason.NO_DEPTH),
    ({"depth": 0.05}, Reason.NO_DEPTH),
    ({"gross_option_delta": None}, Reason.HEDGE_CAP),
    ({"gross_option_delta": float("nan")}, Reason.HEDGE_CAP),
]


def view(contracts: float, **changes: object) -> GateView:
    return GateView(contracts=contracts, **(SOUND | changes))  # type: ignore[arg-type]


def test_a_sound_market_lets_a_hedge_grow() -> None:
    decision = HedgeGate().allowed(view(5.0))
    assert (decision.allowed, decision.reason, decision.max_contracts) == (True, Reason.NONE, Decimal("5.0"))


@pytest.mark.parametrize(("changes", "reason"), UNSOUND)
def test_an_unsound_or_unknown_market_does_not(changes: dict[str, object], reason: Reason) -> None:
    decision = HedgeGate().allowed(view(5.0, **changes))
    assert (decision.allowed, decision.reason, decision.max_contracts) == (False, reason, 0)
    assert decision.detail


@pytest.mark.parametrize(("changes", "reason"), [case for case in UNSOUND if "pending" not in case[0]])
def test_but_a_hedge_may_always_shrink(changes: dict[str, object], reason: Reason) -> None:
    shrinks = HedgeGate().allowed(view(5.0, **(changes | {"position": -8.0})))
    assert (shrinks.allowed, shrinks.reason, shrinks.max_contracts) == (True, Reason.NONE, 5)
    turns = HedgeGate().allowed(view(5.0, **(changes | {"position": -3.0})))
    assert (turns.allowed, turns.reason, turns.max_contracts) == (True, reason, 3)


def test_outstanding_orders_count_toward_what_is_left_to_shrink() -> None:
    decision = HedgeGate().allowed(view(5.0, position=-3.0, pending=2.0))
    assert (decision.reason, decision.max_contracts) == (Reason.HEDGE_PENDING, 1)
    assert not HedgeGate().allowed(view(5.0, position=-3.0, pending=3.0)).allowed


def test_funding_counts_on_the_side_that_pays() -> None:
    assert HedgeGate().allowed(view(-5.0, funding_rate=3.0)).allowed
    assert HedgeGate().allowed(view(-5.0, funding_rate=-3.0)).reason is Reason.FUNDING_TOO_HIGH


@pytest.mark.parametrize("poll", [5.0, 10.0, 20.0])
def test_figures_are_fresh_for_three_polls_and_at_least_thirty_seconds(poll: float) -> None:
    gate = HedgeGate(poll_seconds=poll)
    assert gate.max_age_seconds == max(3 * poll, 30.0)
    assert gate.allowed(view(1.0, age_seconds=gate.max_age_seconds)).allowed
    assert not gate.allowed(view(1.0, age_seconds=gate.max_age_seconds + 0.1)).allowed


def test_the_edge_of_the_index_gap_is_inside() -> None:
    assert HedgeGate().allowed(view(1.0, mark_price=61_200.0)).allowed


def test_the_cap_is_on_the_position_after_the_trade() -> None:
    decision = HedgeGate().allowed(view(9.0, position=4.0))
    assert (decision.allowed, decision.reason, decision.max_contracts) == (True, Reason.HEDGE_CAP, Decimal(7))
    small = HedgeGate().allowed(view(900.0, base_per_contract=0.01, depth=5000.0))
    assert small.reason is Reason.NONE
    turned = HedgeGate().allowed(view(30.0, position=-4.0))
    assert turned.max_contracts == 15  # four to flat, eleven long


def test_depth_limits_and_rounds_down_to_lots() -> None:
    decision = HedgeGate().allowed(view(9.0, depth=3.19))
    assert (decision.reason, decision.max_contracts) == (Reason.NO_DEPTH, Decimal("3.1"))


def test_nothing_wanted_is_allowed() -> None:
    assert HedgeGate().allowed(view(0.0, age_seconds=None)).reason is Reason.NONE


@pytest.mark.parametrize("name", ["contracts", "position", "pending", "base_per_contract"])
def test_numbers_that_no_order_could_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        HedgeGate().allowed(GateView(**(SOUND | {"contracts": 1.0, name: float("nan")})))  # type: ignore[arg-type]
