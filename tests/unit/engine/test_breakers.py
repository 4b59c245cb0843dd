"""Circuit breakers through the engine: what they read, what they do to targets, what they remember."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.core.book import Account, Collateral, PriceUsed
from services.core.control import BreakerState, Control
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.market_conditions import MarketConditions, VenueCondition
from services.core.outcome import Permission, Reason
from services.engine import Evaluation, EvaluationInputs, Policy, evaluate
from services.engine.outputs import Breaking
from services.guards.breakers import Breakers, Cause, Level, ResetOrder
from services.sizing.buffers import NoBuffer, PositionBuffer
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlays.breaker_tier import BreakerTier
from tests.support.books import AS_OF, OPEN, inputs, row

RATIO = Breakers(distance=None, drawdown=None)
"""Looks at the maintenance ratio alone."""
DEEP = replace(RATIO, reduce_to=0.5)
"""Below what the limit on margin use of 1 leaves: initial margin is maintenance / 0.6."""
MUCH = 5.0
"""Target volatility: 1250 contracts of the market of 40 % on an equity of 10,000."""


def policy(breakers: Breakers | None = RATIO, **changes: Any) -> Policy:
    fields = {"sizing": VolatilityTarget(target_volatility=MUCH), "limits": OPEN, "buffer": NoBuffer()}
    return Policy(**{**fields, "breakers": breakers, **changes})


def of(evaluation: Evaluation) -> Breaking:
    assert evaluation.breaking is not None
    return evaluation.breaking


def level(evaluation: Evaluation, scope: str = "account") -> int:
    return of(evaluation).states[scope].level


def target(evaluation: Evaluation, index: int = 0) -> float:
    found = evaluation.targets[index].target
    assert found is not None
    return float(found)


def size_at(ratio: float) -> str:
    """Contracts whose maintenance is this part of 10,000."""
    held = evaluate(inputs(row(quantity="100", direction=1.0), policy=policy())).margin_current
    assert held is not None
    return str(round(ratio * 10_000.0 / float(held.maintenance[0]) * 100.0, 2))


def at_level(held: int, **fields: Any) -> Control:
    state = BreakerState(level=held, latched=held == 4, since=AS_OF - timedelta(hours=1), **fields)
    return Control(breakers={"account": state}, breaker_tier=held)


@pytest.mark.parametrize(("ratio", "expected"), [(0.3, 0), (0.55, 1), (0.7, 2), (0.85, 3), (0.95, 4)])
def test_the_ratio_of_the_book_sets_the_level(ratio: float, expected: int) -> None:
    found = evaluate(inputs(row(quantity=size_at(ratio), direction=1.0), policy=policy()))
    assert level(found) == expected
    assert of(found).readings["account"].maintenance_ratio == pytest.approx(ratio, rel=1e-3)
    assert found.control is not None
    assert (found.control.breaker_tier, found.control.breakers["account"].level) == (expected, expected)


@pytest.mark.parametrize(("held", "share"), [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.0)])
def test_an_increase_is_multiplied_from_what_is_held(held: int, share: float) -> None:
    case = inputs(row(quantity="100", direction=1.0), policy=policy(sizing=VolatilityTarget(target_volatility=2.0)))
    found = evaluate(replace(case, control=at_level(held)))
    assert target(found) == pytest.approx(100.0 + share * 400.0)
    assert found.targets[0].permission is (Permission.REDUCE_ONLY if held >= 3 else Permission.ANY)
    if held:
        assert found.trail is not None
        steps = {step.stage: step for step in found.trail.steps(0)}
        assert steps["breaker"].bound
        assert found.targets[0].reason is Reason.LIMIT


@pytest.mark.parametrize("held", [1, 2, 3])
def test_a_reduction_passes_whole(held: int) -> None:
    case = inputs(row(quantity="100", direction=0.1), policy=policy(sizing=VolatilityTarget(target_volatility=2.0)))
    assert target(evaluate(replace(case, control=at_level(held)))) == 50.0


def test_a_reversal_closes_and_opens_a_share() -> None:
    case = inputs(row(quantity="100", direction=-1.0), policy=policy(sizing=VolatilityTarget(target_volatility=2.0)))
    assert [target(evaluate(replace(case, control=at_level(held)))) for held in (2, 3)] == [-250.0, 0.0]


def test_reduce_brings_the_ratio_down_at_once() -> None:
    found = evaluate(
        inputs(row(quantity=size_at(0.7), direction=1.0), policy=policy(DEEP, buffer=PositionBuffer(fraction=0.9)))
    )
    assert level(found) == Level.REDUCE
    assert found.margin_target is not None
    assert float(found.margin_target.maintenance[0]) == pytest.approx(5_000.0, rel=1e-4)
    assert float(found.margin_target.maintenance[0]) <= 5_000.0, "rounded toward less risk"


def test_reduce_shrinks_every_row_by_one_ratio() -> None:
    half = float(size_at(0.7)) / 2
    rows = (row("A", quantity=str(half), direction=1.0), row("B", quantity=str(-half), direction=-1.0))
    found = evaluate(inputs(*rows, policy=policy(DEEP)))
    assert level(found) == Level.REDUCE
    assert 0.0 < target(found, 0) == -target(found, 1) < half
    assert found.margin_target is not None
    assert float(found.margin_target.maintenance.sum()) == pytest.approx(5_000.0, rel=1e-4)


def test_flatten_closes_what_has_no_signal_too() -> None:
    size = size_at(0.48)
    found = evaluate(inputs(row("A", quantity=size, direction=1.0), row("B", quantity="-" + size), policy=policy()))
    assert level(found) == Level.FLATTEN
    assert [target(found, 0), target(found, 1)] == [0.0, 0.0]
    assert all(order.reduce_only for order in found.orders)
    assert len(found.orders) == 2


def test_flatten_keeps_what_hedges_the_coin() -> None:
    """10 coins are collateral; a short of 30 is closed to the 10 that hedge them."""
    instrument = replace(row().instrument, base_currency="COIN")
    account = Account(10_000.0, "USD", (Collateral("COIN", 10.0, None),))
    case = inputs(row(quantity="-30", direction=-1.0, instrument=instrument), policy=policy(), account=account)
    assert target(evaluate(replace(case, control=at_level(4)))) == -10.0


def test_down_by_one_after_a_dwell_of_calm_and_the_state_travels() -> None:
    case = inputs(row(quantity=size_at(0.85), direction=1.0), policy=policy())
    first = evaluate(case)
    calm = replace(case, rows=(row(quantity="100", direction=1.0),))
    levels, control = [], first.control
    for minutes in (1, 3, 5, 6, 7, 8, 9, 10):
        found = evaluate(replace(calm, as_of=AS_OF + timedelta(minutes=minutes), control=control))
        control = found.control
        levels.append(level(found))
    assert levels == [3, 3, 3, 2, 2, 1, 0, 0]


def test_the_latch_holds_until_a_reset_with_actor_and_reason() -> None:
    case = replace(inputs(row(quantity="100", direction=1.0), policy=policy()), control=at_level(4))
    assert (level(evaluate(case)), target(evaluate(case))) == (4, 0.0)
    found = evaluate(replace(case, breaker_reset=ResetOrder("account", "risk desk", "collateral added")))
    assert (level(found), target(found)) == (3, 100.0)
    scope, change = of(found).transitions[0]
    assert (scope, change.cause, change.actor, change.reason) == (
        "account",
        Cause.RESET,
        "risk desk",
        "collateral added",
    )
    short = replace(case, rows=(row(quantity=size_at(0.95), direction=1.0),))
    again = evaluate(replace(short, breaker_reset=ResetOrder("account", "risk desk", "hope")))
    assert [change.after for _, change in of(again).transitions] == [Level.CLOSE_ONLY, Level.FLATTEN]


def test_a_reset_of_what_is_not_latched_is_refused() -> None:
    case = inputs(row(quantity="100", direction=1.0), policy=policy(), breaker_reset=ResetOrder("portfolio", "a", "b"))
    with pytest.raises(InvalidInput, match=r"breaker_reset\.scope"):
        evaluate(case)


def test_drawdown_latches_the_portfolio_and_no_margin_does() -> None:
    case = inputs(row(quantity="10", direction=1.0), policy=policy(Breakers(distance=None)))
    found = evaluate(replace(case, control=Control(high_water_mark=15_000.0)))
    assert (level(found, "portfolio"), level(found), target(found)) == (4, 0, 0.0)
    short = evaluate(inputs(row(quantity=size_at(0.95), direction=1.0), policy=policy(Breakers(distance=None))))
    assert (level(short, "portfolio"), level(short)) == (0, 4)


def test_a_forgiven_fall_does_not_latch_again() -> None:
    """A flat book cannot earn the fall back: the reset counts from the equity that is left."""
    case = inputs(row(quantity="10", direction=1.0), policy=policy(Breakers(distance=None)))
    latched = evaluate(replace(case, control=Control(high_water_mark=15_000.0))).control
    reset = ResetOrder("portfolio", "risk desk", "mandate renewed")
    released = evaluate(replace(case, control=latched, breaker_reset=reset))
    assert level(released, "portfolio") == 3
    for _ in range(3):
        later = replace(case, as_of=AS_OF + timedelta(hours=1), control=released.control)
        released = evaluate(later)
    assert level(released, "portfolio") < 3
    fallen = replace(case, account=Account(6_900.0, "USD"), control=released.control)
    assert level(evaluate(replace(fallen, as_of=AS_OF + timedelta(hours=2))), "portfolio") == 4


def test_a_short_venue_moves_its_own_rows_only() -> None:
    rows = (row("A", quantity="100", direction=1.0, venue="a"), row("B", quantity="100", direction=1.0, venue="b"))
    held = evaluate(inputs(*rows, policy=policy())).margin_current
    assert held is not None
    around = MarketConditions(
        venues={
            "a": VenueCondition(equity=float(held.maintenance[0]) / 0.85),
            "b": VenueCondition(equity=float(held.maintenance[1]) / 0.2),
        }
    )
    found = evaluate(inputs(*rows, policy=policy(), conditions=around))
    assert (level(found, "venue:a"), level(found, "venue:b"), level(found)) == (3, 0, 0)
    assert of(found).levels.tolist() == [3, 0]
    assert target(found, 0) <= 100.0 < target(found, 1)
    assert target(found, 0) == pytest.approx(100.0 * 0.60 / 0.85, abs=0.01), "brought down to 0.60 of its own equity"
    silent = evaluate(inputs(*rows, policy=policy(), control=found.control))
    assert level(silent, "venue:b") == 3, "its equity is no longer sent: unknown"


def test_an_isolated_position_is_not_the_margin_of_the_account() -> None:
    rows = (row("A", quantity="100", direction=1.0), row("B", quantity="500", isolated_margin=3_000.0))
    found = evaluate(inputs(*rows, policy=policy()))
    assert found.margin_current is not None
    expected = float(found.margin_current.maintenance[0]) / 7_000.0
    assert of(found).readings["account"].maintenance_ratio == pytest.approx(expected)


def test_a_margin_that_is_not_known_closes_only() -> None:
    """The margin of an option is neither modelled nor given."""
    terms = {"kind": Kind.OPTION, "strike": 100.0, "right": "call", "expiry": AS_OF + timedelta(days=30)}
    option = row("C", quantity="-1", instrument=Instrument(symbol="C", **terms))
    found = evaluate(inputs(row(quantity="100", direction=1.0), option, policy=policy()))
    assert (level(found), target(found)) == (3, 100.0)
    assert of(found).transitions[0][1].cause is Cause.UNKNOWN
    given = replace(option, initial_margin=20.0, maintenance_margin=10.0)
    assert level(evaluate(inputs(row(quantity="100", direction=1.0), given, policy=policy()))) == 0


def test_a_distance_that_is_not_known_closes_only() -> None:
    watched = policy(Breakers(drawdown=None))
    blind = inputs(row("A", quantity="1", direction=1.0), row("B", quantity="500", direction=1.0), policy=watched)
    found = evaluate(replace(blind, states={"A": blind.states["A"]}))
    assert level(found) == 3
    assert of(found).transitions[0][1].cause is Cause.UNKNOWN


def test_nothing_is_flattened_on_a_stale_price() -> None:
    stale = row(quantity=size_at(0.95), direction=1.0, price=None)
    stale = replace(stale, price=PriceUsed(100.0, "marks", 30 * 86_400.0))
    found = evaluate(inputs(stale, policy=policy()))
    assert (level(found), of(found).states["account"].latched) == (3, False)
    assert of(found).transitions[0][1].cause is Cause.UNTRUSTED_PRICE


def test_without_equity_the_breaker_latches() -> None:
    found = evaluate(inputs(row(quantity="10", direction=1.0), policy=policy(), equity=-1.0))
    assert found.control is not None
    assert (level(found), found.control.breaker_tier) == (4, 4)
    assert found.targets[0].permission is Permission.REDUCE_ONLY


def test_a_distance_trips_before_the_ratio_does() -> None:
    found = evaluate(inputs(row(quantity="1000", direction=1.0), policy=policy(Breakers(drawdown=None))))
    assert found.margin_current is not None
    assert of(found).readings["account"].distance == pytest.approx(float(found.margin_current.distance_sigma[0]))
    assert level(found) == 2
    assert of(found).transitions[0][1].cause is Cause.DISTANCE


def test_an_old_answer_with_a_bare_tier_starts_the_account() -> None:
    case = inputs(row(quantity="100", direction=1.0), policy=policy(), control=Control(breaker_tier=4))
    assert (level(evaluate(case)), of(evaluate(case)).states["account"].latched) == (4, True)


def test_a_clock_that_goes_back_keeps_the_state() -> None:
    state = BreakerState(level=1, since=AS_OF, last_at=AS_OF + timedelta(hours=1))
    case = inputs(row(quantity=size_at(0.95), direction=1.0), policy=policy())
    found = evaluate(replace(case, control=Control(breakers={"account": state})))
    assert of(found).states["account"] == state
    assert of(found).backwards == ("account",)


def test_without_the_block_nothing_acts_and_the_state_is_kept() -> None:
    case = inputs(row(quantity="100", direction=1.0), policy=policy(None), control=at_level(3))
    found = evaluate(case)
    assert found.breaking is None
    assert target(found) > 1_000.0
    assert found.control is not None
    assert found.control.breakers == at_level(3).breakers


def test_one_mechanism_at_a_time() -> None:
    with pytest.raises(InvalidInput, match=r"beside policy\.breakers"):
        policy(overlays=(BreakerTier(),))


def test_figures_are_not_needed() -> None:
    case = inputs(row(quantity=size_at(0.95), direction=1.0), policy=policy(), figures=False)
    assert (level(evaluate(case)), target(evaluate(case)), evaluate(case).margin_current) == (4, 0.0, None)


@pytest.mark.parametrize("quantity", ["-300", "0", "100", "700", "1100"])
def test_a_higher_level_never_has_the_larger_size(quantity: str) -> None:
    case: EvaluationInputs = inputs(
        row("A", quantity=quantity, direction=1.0), row("B", quantity="50", direction=-0.4), policy=policy()
    )
    sizes = np.array(
        [
            [abs(target(found, index)) for index in (0, 1)]
            for found in (evaluate(replace(case, control=at_level(held))) for held in range(5))
        ]
    )
    assert (np.diff(sizes, axis=0) <= 1e-9).all()
