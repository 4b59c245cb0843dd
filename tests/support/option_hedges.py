"""A book that is short calls, and what may hedge it: a perpetual, a listed call and a listed put, with books."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from services.core.book import Row
from services.core.instrument import Instrument, Kind, Right
from services.engine import EvaluationInputs, Policy, evaluate
from services.engine.outputs import Evaluation, PlannedHedge
from services.hedging.optimizers.greek_bounds import GreekBounds
from services.hedging.registry import HedgeTrigger, Threshold
from services.liquidity.markets import MarketKey, PostedDepth
from services.liquidity.summary import DepthSummary
from services.sizing.limits import Limits
from tests.support.books import AS_OF, inputs, row

TRIGGER = Threshold(instrument="A", max_delta=0.5)
BOUNDS: dict[str, Any] = {"instruments": ("A", "C1", "P1"), "max_delta": 0.1}
CURVED: dict[str, Any] = {**BOUNDS, "max_gamma_1pct": 0.01, "max_vega_per_point": 0.5}
OPEN = Limits(max_leverage=100.0, max_margin_use=1.0)


def option(symbol: str, strike: float, days: float, right: Right = Right.CALL, quantity: str = "0", **more: Any) -> Row:
    """Option on A at a forward of 100 and 40 %, lot 0.1."""
    contract = Instrument(
        symbol=symbol,
        kind=Kind.OPTION,
        underlying="A",
        strike=strike,
        expiry=AS_OF + timedelta(days=days),
        right=right,
        lot=Decimal("0.1"),
        **more.pop("terms", {}),
    )
    known = {"implied_volatility": 0.4, "forward": 100.0, "price": 5.0, **more}
    return row(symbol, quantity=quantity, instrument=contract, market_key="A", **known)


def short_calls(quantity: str = "-10", **more: Any) -> Row:
    """Calls struck at 100, one year; a venue asks 200 for them."""
    margin = {"initial_margin": 200.0, "maintenance_margin": 150.0}
    return option("OPT", 100.0, 365.0, quantity=quantity, **{**margin, **more})


def listed(**changes: str) -> tuple[Row, ...]:
    """The perpetual and two options, flat unless a quantity is given by symbol."""
    return (
        row("A", quantity=changes.get("A", "0")),
        option("C1", 110.0, 90.0, quantity=changes.get("C1", "0")),
        option("P1", 95.0, 720.0, Right.PUT, quantity=changes.get("P1", "0")),
    )


def depth(symbol: str, mid: float, spread: float, size: float = 1_000.0, seconds: float = 0.0) -> Any:
    found = DepthSummary(mid=mid, spread=spread, depth_bid=size, depth_ask=size, distance=0.1)
    return {(symbol, None): PostedDepth(found, AS_OF - timedelta(seconds=seconds))}


DEPTHS: dict[MarketKey, PostedDepth] = {**depth("A", 100.0, 0.02), **depth("C1", 7.0, 0.1), **depth("P1", 5.0, 0.1)}


def policy(optimizer: dict[str, Any] | None, trigger: HedgeTrigger = TRIGGER, **blocks: Any) -> Policy:
    chosen = None if optimizer is None else GreekBounds(**optimizer)
    return Policy(hedging=trigger, hedge_optimizer=chosen, **{"limits": OPEN, **blocks})


def snapshot(*rows: Row, optimizer: dict[str, Any] | None = None, **changes: Any) -> EvaluationInputs:
    blocks = {key: changes.pop(key) for key in list(changes) if key in Policy.__dataclass_fields__}
    return inputs(
        *rows, policy=policy(optimizer, blocks.pop("hedging", TRIGGER), **blocks), **{"depths": DEPTHS, **changes}
    )


def hedged(*rows: Row, optimizer: dict[str, Any] | None = None, **changes: Any) -> Evaluation:
    return evaluate(snapshot(*rows, optimizer=optimizer, **changes))


def plan_of(result: Evaluation) -> PlannedHedge:
    assert result.hedges[0].plan is not None
    return result.hedges[0].plan
