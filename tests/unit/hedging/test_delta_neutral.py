"""Threshold trigger and hedge sizes: never over-hedged, the same base delta whatever the contract."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason
from services.hedging.delta_neutral import decide_hedge, hedge_contracts
from services.hedging.triggers.threshold import Threshold
from services.hedging.view import HedgeView, decide

LINEAR = Instrument(symbol="BTC-PERP", contract_multiplier=0.001, lot=Decimal(1))
INVERSE = Instrument(symbol="BTC-PERPETUAL", kind=Kind.INVERSE, contract_multiplier=10.0, lot=Decimal(1))


@pytest.mark.parametrize(
    ("net", "zero", "edge"),
    [(0.5, None, None), (-0.5, None, None), (0.0, None, None), (2.0, -2.0, -1.5), (-2.0, 2.0, 1.5)],
)
def test_the_trigger_acts_outside_its_band_only(net: float, zero: float | None, edge: float | None) -> None:
    band = {"instrument": "BTC-PERP", "max_delta": 0.5}
    book = HedgeView(net_delta=net, spot=100.0)
    assert decide(Threshold(**band), book).delta_to_trade == zero  # type: ignore[arg-type]
    assert decide(Threshold(**band, rebalance_to="edge"), book).delta_to_trade == edge  # type: ignore[arg-type]


@pytest.mark.parametrize("net", [float("nan"), float("inf")])
def test_an_unknown_exposure_is_not_hedged(net: float) -> None:
    with pytest.raises(InvalidInput, match="net_delta must be finite"):
        HedgeView(net_delta=net, spot=100.0)


def test_contracts_carry_the_delta_and_round_toward_zero() -> None:
    assert hedge_contracts(-1.2345678, LINEAR, 60_000.0) == Decimal(-1234)
    assert hedge_contracts(1.2345678, INVERSE, 60_000.0) == Decimal(7407)
    assert hedge_contracts(0.0009, LINEAR, 60_000.0) == 0
    assert hedge_contracts(1.2345678, LINEAR, 60_000.0, Decimal(100)) == Decimal(1200)


@pytest.mark.parametrize(
    ("kind", "price", "delta", "rule"),
    [
        (Kind.QUANTO, 100.0, 1.0, "hedging.instrument must be spot, linear or inverse"),
        (Kind.LINEAR, 0.0, 1.0, "price must be > 0 and finite"),
        (Kind.LINEAR, float("nan"), 1.0, "price must be > 0 and finite"),
        (Kind.LINEAR, 100.0, float("nan"), "traded_delta must be finite"),
    ],
)
def test_what_cannot_hedge_is_refused(kind: Kind, price: float, delta: float, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        hedge_contracts(delta, Instrument(symbol="X", kind=kind), price)


def test_a_decision_says_what_it_leaves() -> None:
    trigger = Threshold(instrument="BTC-PERPETUAL", max_delta=0.5)
    decision = decide_hedge(HedgeView(net_delta=3.00007, spot=60_000.0), trigger, INVERSE)
    assert (decision.contracts, decision.reason) == (Decimal(-18_000), Reason.NONE)
    assert decision.delta_after == pytest.approx(0.00007)
    inside = decide_hedge(HedgeView(net_delta=0.4, spot=60_000.0), trigger, INVERSE)
    assert (inside.contracts, inside.delta_after, inside.reason) == (Decimal(0), 0.4, Reason.WITHIN_BUFFER)
    coarse = Instrument(symbol="X", lot=Decimal(5))
    nothing = decide_hedge(HedgeView(net_delta=3.0, spot=100.0), Threshold(instrument="X", max_delta=1.0), coarse)
    assert (nothing.contracts, nothing.delta_after, nothing.reason) == (Decimal(0), 3.0, Reason.BELOW_LOT)
