"""Breakers and what is beside the sizes: hedges that shrink the risk pass, those that add any do not; isolated rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.core.control import BreakerState, Control
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, evaluate
from services.guards.breakers import Breakers, Level
from services.hedging.registry import Adaptive, HedgeTrigger, Interval, PriceMove, Threshold
from services.sizing.buffers import NoBuffer
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, OPEN, inputs, row
from tests.support.option_hedges import BOUNDS, CURVED, hedged, listed, option, plan_of, short_calls

RATIO = Breakers(distance=None, drawdown=None)
OPTIONS_ONLY = {"instruments": ("C1", "P1"), "max_delta": 0.1}


def at(level: int) -> Control:
    state = BreakerState(level=level, latched=level == Level.FLATTEN, since=AS_OF - timedelta(hours=1))
    return Control(breakers={"account": state}, breaker_tier=level)


def guarded(level: int, *rows: Any, **changes: Any) -> Evaluation:
    found = hedged(*listed(), *rows, breakers=RATIO, control=at(level), **changes)
    assert found.breaking is not None
    assert found.breaking.levels.tolist() == [level] * len(found.columns.states)
    return found


def deep(quantity: str = "-10") -> Any:
    """Calls struck at 30: ten of delta, and hardly a gamma or a vega."""
    return option("OPT", 30.0, 90.0, quantity=quantity, initial_margin=200.0, maintenance_margin=150.0)


@pytest.mark.parametrize("level", [Level.CLOSE_ONLY, Level.FLATTEN])
def test_a_plan_that_buys_gamma_does_not_pass_and_the_delta_is_hedged_instead(level: Level) -> None:
    free = guarded(Level.REDUCE, deep(), optimizer=OPTIONS_ONLY)
    assert [hedge.row for hedge in free.hedges] == [1], "options alone offset the delta, and add gamma and vega"
    barred = guarded(level, deep(), optimizer=OPTIONS_ONLY)
    planned = plan_of(barred)
    assert (planned.used, planned.reason) == (False, Reason.RISK_NOT_REDUCED)
    (hedge,) = barred.hedges
    assert (hedge.row, hedge.status, hedge.contracts) == (0, Status.OK, Decimal(10))
    assert hedge.delta_after == pytest.approx(0.0, abs=1e-6)
    assert [order.row for order in barred.orders] == [0]


def test_a_plan_that_lowers_every_exposure_passes_at_close_only() -> None:
    for optimizer in (CURVED, {**BOUNDS, "instruments": ("A",)}):
        found, free = (guarded(level, short_calls(), optimizer=optimizer) for level in (Level.CLOSE_ONLY, Level.NORMAL))
        assert plan_of(found).used
        assert [hedge.contracts for hedge in found.hedges] == [hedge.contracts for hedge in free.hedges]


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(
    "trigger",
    [
        Threshold(instrument="A", max_delta=0.5),
        PriceMove(instrument="A", move=0.01),
        Interval(instrument="A", interval_seconds=60.0),
        Adaptive(instrument="A"),
    ],
    ids=lambda item: item.method if not isinstance(item, Level) else item.name,
)
def test_a_hedge_of_the_delta_always_passes_and_always_lowers_it(trigger: HedgeTrigger, level: Level) -> None:
    (hedge,) = guarded(level, short_calls(), hedging=trigger).hedges
    assert hedge.legs
    assert hedge.delta_before is not None
    assert hedge.delta_after is not None
    assert abs(hedge.delta_after) < abs(hedge.delta_before)


def test_an_isolated_position_does_not_grow_at_close_only_and_may_shrink() -> None:
    """Its own margin moves no level of the account, but the level of the account binds it."""
    rows = (row("A", quantity="100", direction=1.0), row("B", quantity="10", direction=1.0, isolated_margin=3_000.0))

    def sized(level: Level, target: float = 5.0) -> Evaluation:
        sizing = VolatilityTarget(target_volatility=target)
        policy = Policy(sizing=sizing, limits=OPEN, buffer=NoBuffer(), breakers=RATIO)
        return evaluate(inputs(*rows, policy=policy, control=at(level)))

    def isolated(found: Evaluation) -> float:
        target = found.targets[1].target
        assert target is not None
        return float(target)

    assert isolated(sized(Level.NORMAL)) > 10.0
    assert isolated(sized(Level.CLOSE_ONLY)) <= 10.0
    assert isolated(sized(Level.FLATTEN)) == 0.0
    assert isolated(sized(Level.CLOSE_ONLY, target=0.001)) < 10.0
