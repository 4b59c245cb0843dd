"""From inputs to the conditions that overlays read, and overlays through the whole engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.book import Account, Collateral, OwnGreeks, PriceUsed, Signal
from services.core.control import Control
from services.core.instrument import QuantityUnit
from services.core.market_conditions import (
    ChainCondition,
    MarketConditions,
    ProtocolCondition,
    VenueCondition,
    VolatilityView,
)
from services.engine import EvaluationInputs, Policy, SeriesInput, StateInput, evaluate
from services.engine.columns import book_columns
from services.engine.conditions import conditions_of, implied_volatility_velocity
from services.engine.costs import trading_days
from services.engine.inputs import MarketEvent
from services.engine.margins import row_limits
from services.engine.market import resolve_market
from services.liquidity.book import OrderBook
from services.liquidity.flow import Flow
from services.liquidity.markets import PostedDepth
from services.sizing.buffers import NoBuffer
from services.sizing.conditions import Conditions
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlay import OverlayRule
from services.sizing.overlays.breaker_tier import BreakerTier
from services.sizing.overlays.contagion import Contagion
from services.sizing.overlays.data_age import DataAge
from services.sizing.overlays.greek_bounds import GreekBounds
from services.sizing.overlays.implied_volatility_velocity import ImpliedVolatilityVelocity
from services.sizing.overlays.latency import Latency
from services.sizing.overlays.liquidity import Liquidity
from services.sizing.overlays.portfolio_risk import PortfolioRisk
from services.sizing.overlays.scheduled_events import ScheduledEvents
from services.sizing.overlays.venue_caps import VenueCaps
from services.sizing.overlays.volatility_shock import VolatilityShock
from services.volatility.estimators.ewma import Ewma
from services.volatility.events import ScheduledEvent
from tests.support.books import AS_OF, CLOSE, OPEN, inputs, readout, row

NOW = AS_OF.timestamp()


def policy(*overlays: Any, **changes: Any) -> Policy:
    fields = {"sizing": VolatilityTarget(target_volatility=0.2), "limits": OPEN, "buffer": NoBuffer()}
    return Policy(**{**fields, "overlays": overlays, **changes})


def conditions(case: EvaluationInputs) -> Conditions:
    columns = book_columns(case, resolve_market(case))
    return conditions_of(case, columns, row_limits(case, columns))


def target(case: EvaluationInputs, index: int = 0) -> float:
    found = evaluate(case).targets[index].target
    assert found is not None
    return float(found)


def series(count: int = 300, **changes: Any) -> SeriesInput:
    restless = np.where(np.arange(count) < count / 2, 0.04, 0.02)
    closes = 100.0 * np.exp((restless * np.random.default_rng(4).normal(size=count)).cumsum())
    closes *= 100.0 / closes[-1]
    return SeriesInput(closes, CLOSE, 86_400, Calendar("24/7"), **changes)


def posted(item: SeriesInput, *overlays: OverlayRule, **changes: Any) -> EvaluationInputs:
    case = inputs(row(direction=1.0), policy=policy(*overlays, estimator=Ewma()), **changes)
    return replace(case, states={}, series={"A": item})


def test_places_come_from_the_row_its_instrument_and_what_the_venue_runs_on() -> None:
    instrument = replace(row().instrument, venue="dex")
    around = MarketConditions(
        venues={
            "cex": VenueCondition(risk_grade="A", distress=0.2, latency_seconds=0.5),
            "dex": VenueCondition(protocol="amm", chain="l2", max_share=0.3, latency_seconds=2.0),
            "lost": VenueCondition(chain="unknown", latency_seconds=1.0),
        },
        protocols={"amm": ProtocolCondition(risk_grade="C")},
        chains={"l2": ChainCondition(block_time_seconds=2.0, finality_seconds=600.0, congestion=0.5)},
    )
    rows = (
        row("A", venue="cex"),
        row("B", instrument=replace(instrument, symbol="B")),
        row("C", venue="lost"),
        row("D"),
    )
    found = conditions(inputs(*rows, policy=policy(), conditions=around))
    assert found.venue == ("cex", "dex", "lost", None)
    assert (found.venue_grade, found.protocol_grade) == (("A", None, None, None), (None, "C", None, None))
    assert found.protocol == (None, "amm", None, None)
    assert found.distress.tolist() == pytest.approx([0.2, np.nan, np.nan, np.nan], nan_ok=True)
    assert found.venue_max_share.tolist() == pytest.approx([np.nan, 0.3, np.nan, np.nan], nan_ok=True)
    assert found.latency_seconds.tolist() == pytest.approx([0.5, 606.0, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("change", "text"), [({"sequencer_up": False}, "sequencer of l2"), ({"congestion": 1.0}, "l2 is fully congested")]
)
def test_a_chain_that_takes_nothing_halts_its_rows(change: dict[str, Any], text: str) -> None:
    chain = ChainCondition(block_time_seconds=2.0, **change)
    around = MarketConditions(venues={"dex": VenueCondition(chain="l2")}, chains={"l2": chain})
    case = inputs(row(quantity="10", direction=1.0, venue="dex"), policy=policy(Latency()), conditions=around)
    assert text in conditions(case).halted[0]
    assert target(case) == 10.0
    assert target(replace(case, rows=(row(quantity="90", direction=1.0, venue="dex"),))) == 50.0


def test_events_are_seen_by_the_rows_that_they_move() -> None:
    soon = MarketEvent(ScheduledEvent(NOW + 60.0, 1e-6, 30.0), frozenset({"A"}))
    past = MarketEvent(ScheduledEvent(NOW - 60.0, 1e-6), None)
    found = conditions(inputs(row("A"), row("B"), policy=policy(), events=(soon, past)))
    assert found.event_starts.tolist()[0] == pytest.approx([60.0, -60.0])
    assert found.event_ends.tolist()[0] == pytest.approx([90.0, -60.0])
    assert found.event_starts.tolist()[1] == pytest.approx([np.nan, -60.0], nan_ok=True)


def test_an_event_is_not_counted_twice() -> None:
    """The window stops the increase; the size that the forecast with the event gives is the same with and without."""
    event = MarketEvent(ScheduledEvent(NOW + 60.0, 0.001), None)
    held = row(quantity="60", direction=1.0)
    without = inputs(held, policy=policy(), events=(event,))
    assert target(without) < 50.0
    assert target(replace(without, policy=policy(ScheduledEvents()))) == target(without)
    small = replace(without, rows=(row(quantity="1", direction=1.0),), policy=policy(ScheduledEvents()))
    assert target(small) == 1.0


def test_ages_and_confidence() -> None:
    signal = Signal(1.0, confidence=0.4, as_of=AS_OF - timedelta(minutes=5))
    old = PriceUsed(100.0, "marks", 86_400.0)
    ahead = PriceUsed(100.0, "marks", -2.0)
    rows = (row("A", signal=signal), replace(row("B"), price=old), replace(row("C"), price=ahead))
    found = conditions(inputs(*rows, policy=policy()))
    assert found.signal_age_seconds.tolist() == pytest.approx([300.0, np.nan, np.nan], nan_ok=True)
    assert found.signal_confidence.tolist() == pytest.approx([0.4, np.nan, np.nan], nan_ok=True)
    assert found.data_age_seconds.tolist() == [0.0, 86_400.0, 0.0]
    assert found.bar_seconds.tolist() == [86_400.0] * 3
    assert found.long_run_volatility.tolist() == [0.4] * 3


def test_an_old_price_makes_a_smaller_position() -> None:
    held = replace(row(direction=1.0), price=PriceUsed(100.0, "marks", 43_200.0))
    assert target(inputs(held, policy=policy())) == 50.0
    assert target(inputs(held, policy=policy(DataAge()))) == pytest.approx(50.0 / 1.5**0.5, abs=0.01)


def test_the_path_of_a_posted_series_and_nothing_where_nobody_reads_it() -> None:
    case = posted(series(), VolatilityShock())
    path = conditions(case).volatility_path[0]
    assert path is not None and path.size > 250 and np.isfinite(path).all()
    assert path[-1] == pytest.approx(evaluate(case).columns.sizing.volatility[0])  # type: ignore[union-attr]
    assert conditions(posted(series())).volatility_path == (None,)


def test_a_path_ends_ten_years_back() -> None:
    path = conditions(posted(series(4000), VolatilityShock())).volatility_path[0]
    assert path is not None and path.size == 3650


def test_shock_volatility_by_path_figure_or_neither() -> None:
    case = posted(series(), VolatilityShock(limit=1.0))
    path = conditions(case).volatility_path[0]
    assert path is not None
    expected = 10_000.0 / 100.0 * 0.2 / np.quantile(path, 0.99)
    assert target(case) == pytest.approx(expected, abs=0.011)
    figure = MarketConditions(volatilities={"A": VolatilityView(shock_volatility=1.0)})
    assert target(replace(case, conditions=figure)) == pytest.approx(20.0, abs=0.011)
    cached = inputs(row(quantity="10", direction=1.0), policy=policy(VolatilityShock()))
    assert target(cached) == 10.0
    assert target(replace(cached, conditions=figure)) == 50.0


def test_views_are_found_by_symbol_market_and_underlying() -> None:
    one, other = VolatilityView(shock_volatility=1.0), VolatilityView(shock_volatility=2.0)
    option = replace(row("C").instrument, underlying="U")
    rows = (
        row("A", market_key="M@v", venue="v"),
        row("B", market_key="M@v", venue="v"),
        row("C", instrument=option),
        row("D"),
    )
    around = MarketConditions(volatilities={"A": one, "M": other, "U": one})
    case = inputs(*rows, policy=policy(), conditions=around)
    assert conditions(case).shock_volatility.tolist() == pytest.approx([1.0, 2.0, 1.0, np.nan], nan_ok=True)


def quoted(*values: float, seconds: int = 86_400) -> SeriesInput:
    return SeriesInput(
        np.full(len(values), 100.0), CLOSE, seconds, Calendar("24/7"), implied_volatility=np.array(values)
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (quoted(0.5, 0.5, 0.55), np.log(1.1)),
        (quoted(0.5, np.nan, 0.55), np.log(1.1) / 2),
        (quoted(*[0.5] * 4, 0.9, 0.55, seconds=21_600), np.log(1.1) / 1.0),
        (quoted(0.5, 0.55, np.nan), None),
        (quoted(0.5, *[np.nan] * 7, 0.55), None),
        (quoted(0.5, 0.55, seconds=3600), None),
        (quoted(0.55), None),
    ],
)
def test_velocity_is_measured_over_a_day_at_least(item: SeriesInput, expected: float | None) -> None:
    found = implied_volatility_velocity(item)
    assert found == (None if expected is None else pytest.approx(expected))


def test_velocity_from_the_client_wins() -> None:
    item = series(implied_volatility=np.linspace(0.5, 0.6, 300))
    case = posted(item, ImpliedVolatilityVelocity())
    assert conditions(case).implied_volatility_velocity[0] == pytest.approx(np.log(0.6 / item.implied_volatility[-2]))  # type: ignore[index]
    figure = MarketConditions(volatilities={"A": VolatilityView(implied_volatility_change=0.3)})
    assert conditions(replace(case, conditions=figure)).implied_volatility_velocity[0] == 0.3


def test_greeks_are_of_one_contract_in_the_account_currency() -> None:
    """Gamma 0.5 a unit of price over 10 contracts: a move of 1 % of 100 changes a delta of 0.05 a contract, worth 5
    of the quote currency and 10 of the account's, in which a client's vega already is.
    """
    greeks = OwnGreeks(delta=10.0, gamma=0.5, vega=-30.0)
    case = inputs(row("A", quantity="10", own_greeks=greeks, fx=2.0), row("B"), policy=policy(GreekBounds(vega=1.0)))
    found = conditions(case)
    assert found.vega.tolist() == [-3.0, 0.0]
    assert found.gamma.tolist() == pytest.approx([10.0, 0.0])


def test_an_increase_stops_at_the_vega_bound() -> None:
    """10 contracts have a vega of 30, 50 would have 150; 0.9 % of 10,000 is 90: 30 contracts."""
    held = row(quantity="10", direction=1.0, own_greeks=OwnGreeks(delta=10.0, vega=30.0))
    assert target(inputs(held, policy=policy(GreekBounds(vega=0.009, gamma=None)))) == pytest.approx(30.0)


def test_distress_shrinks_the_position_at_that_venue_alone() -> None:
    around = MarketConditions(venues={"a": VenueCondition(distress=0.5), "b": VenueCondition(distress=0.0)})
    rows = (row("A", direction=1.0, venue="a"), row("B", direction=1.0, venue="b"))
    case = inputs(*rows, policy=policy(), conditions=around)
    bent = replace(case, policy=policy(Contagion()))
    assert target(bent, 0) == pytest.approx(target(case, 0) / 2, abs=0.01)
    assert target(bent, 1) == target(case, 1)


def test_a_venue_that_is_not_described_keeps_its_position() -> None:
    case = inputs(row(quantity="10", direction=1.0, venue="a"), policy=policy(Contagion(), VenueCaps()))
    evaluation = evaluate(case)
    assert float(evaluation.targets[0].target or 0) == 10.0
    assert [item.effect.missing.tolist() for item in evaluation.overlays] == [[True], [True]]


def test_unknown_risk_keeps_the_book_as_it_is() -> None:
    """The held B has no volatility: the book is not closed for it, A may shrink and may not grow."""
    rows = (row("A", quantity="10", direction=1.0), row("B", quantity="5", direction=1.0))
    case = inputs(*rows, policy=policy(PortfolioRisk()))
    blind = replace(case, states={"A": StateInput(readout(0.4))})
    assert target(case) > 10.0
    assert target(blind) == 10.0
    reduced = replace(blind, rows=(row("A", quantity="90", direction=0.1), rows[1]))
    assert 0.0 < target(reduced) < 90.0


def test_tiers_come_from_the_control_state() -> None:
    case = inputs(row(quantity="10", direction=1.0), policy=policy(BreakerTier()), control=Control(breaker_tier=2))
    assert target(case) == 30.0
    assert target(replace(case, control=Control(breaker_tier=4))) == 10.0
    assert target(replace(case, control=Control(breaker_tier=4), rows=(row(quantity="90", direction=1.0),))) == 50.0


def test_overlays_on_exposure_count_the_coin_and_keep_the_side() -> None:
    """10 of the 50 coins wanted are collateral; a hundredth of τ is half a coin: 9.5 of the 10 must be sold short."""
    instrument = replace(row().instrument, base_currency="COIN")
    account = Account(10_000.0, "USD", (Collateral("COIN", 10.0, None),))
    case = inputs(row(direction=1.0, instrument=instrument), policy=policy(), account=account)
    assert target(case) == 40.0
    assert target(replace(case, policy=policy(PortfolioRisk(limit=0.01)))) == -9.5
    long_only = (row(direction=1.0, instrument=instrument, position_side="long"),)
    assert target(replace(case, rows=long_only, policy=policy(PortfolioRisk(limit=0.01)))) == 0.0


def thin(size: float, **changes: Any) -> PostedDepth:
    levels = np.array([[99.99, size]]), np.array([[100.01, size]])
    return PostedDepth(OrderBook(bids=levels[0], asks=levels[1]), changes.pop("as_of", AS_OF))


def test_flow_and_depth_are_those_of_the_venue_else_of_the_symbol() -> None:
    flow = Flow(
        as_of=AS_OF - timedelta(seconds=60),
        unit=QuantityUnit.QUOTE,
        order_flow_imbalance=0.3,
        funding_rate=0.0001,
        funding_interval_seconds=28_800.0,
        average_daily_volume=5_000.0,
    )
    old = replace(flow, as_of=AS_OF - timedelta(hours=9))
    rows = (row("A", venue="x"), row("A", venue="y"), row("B"))
    case = inputs(
        *rows,
        policy=policy(),
        flows={("A", "x"): flow, ("A", None): old},
        depths={("A", None): thin(8.0), ("A", "y"): thin(4.0, as_of=AS_OF - timedelta(seconds=5))},
    )
    found = conditions(case)
    assert found.order_flow_imbalance.tolist() == pytest.approx([0.3, 0.3, np.nan], nan_ok=True)
    assert found.flow_age_seconds.tolist() == pytest.approx([60.0, 32_400.0, np.nan], nan_ok=True)
    assert found.funding_carry.tolist() == pytest.approx([0.1095, np.nan, np.nan], nan_ok=True)
    assert found.depth_market == (("A", None), ("A", "y"), ("B", None))
    assert [item.age_seconds for item in found.liquidity] == [0.0, 5.0, None]
    assert [item.average_daily_volume for item in found.liquidity] == [50.0, 50.0, None]
    assert found.liquidity[0].daily_volatility == pytest.approx(0.4 / 365**0.5)
    assert [item.unit_value for item in found.liquidity] == [100.0] * 3


def test_the_liquidity_overlay_looks_at_what_the_caps_leave() -> None:
    """A quarter of 40 is 10: from 5 to 15, where the caps allow 30 and the method 50."""
    limits = replace(OPEN, max_leverage=0.3)
    held = row(quantity="5", direction=1.0)
    case = inputs(held, policy=policy(Liquidity(), limits=limits), depths={("A", None): thin(40.0)})
    evaluation = evaluate(case)
    assert float(evaluation.targets[0].target or 0) == 15.0
    assert evaluation.overlays[0].multiplier.tolist() == pytest.approx([0.4])
    assert evaluation.trail is not None
    stages = [step.stage for step in evaluation.trail.steps(0)]
    assert stages.index("gross_leverage") < stages.index("overlay_liquidity")


def test_trading_days_of_a_market_that_closes() -> None:
    open_always = readout(0.4)
    weekdays = readout(0.4, periods_per_year=252.0)
    assert [trading_days(item) for item in (open_always, weekdays)] == [365.0, 252.0]
