"""Hedges in slices, hedges that feed back, hedges that come late."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.core.instrument import Instrument, QuantityUnit
from services.core.outcome import Reason, Status
from services.engine.outputs import Evaluation, Hedge
from services.hedging.hedge_execution import HedgeExecution
from services.hedging.latency import LatencyBuffer
from services.hedging.price_collar import PriceCollar
from services.hedging.reflexivity import Reflexivity, ReflexivityLevel
from services.hedging.registry import AnyOf
from services.hedging.schedules.almgren_chriss import AlmgrenChriss
from services.hedging.schedules.participation import Participation
from services.hedging.schedules.scale_by_price import ScaleByPrice
from services.hedging.schedules.scale_by_time import ScaleByTime
from services.hedging.schedules.twap import Twap
from services.hedging.triggers.threshold import ThresholdRule
from services.liquidity.flow import Flow
from services.options.black import black_greeks
from services.sizing.limits import Limits
from tests.support.books import AS_OF, row
from tests.support.option_hedges import CURVED, hedged, listed, plan_of, short_calls

D = Decimal
HOUR = Twap(duration_seconds=3_600.0, slices=4)


def flow(volume: float) -> dict[str, Any]:
    return {"flows": {("A", None): Flow(as_of=AS_OF, unit=QuantityUnit.CONTRACTS, average_daily_volume=volume)}}


def sliced(execution: HedgeExecution, *rows: Any, **changes: Any) -> Hedge:
    (hedge,) = hedged(*(rows or (row("A"), short_calls())), hedge_execution=execution, **changes).hedges
    return hedge


@pytest.mark.parametrize(
    "schedule",
    [
        HOUR,
        Participation(duration_seconds=3_600.0, participation_rate=0.1),
        AlmgrenChriss(duration_seconds=3_600.0, risk_aversion=1e-3),
        ScaleByTime(spacing_seconds=60.0, steps=3),
        ScaleByPrice(spacing_sigmas=0.5, horizon_seconds=3_600.0, toward="better", steps=3),
    ],
    ids=lambda item: item.method,
)
def test_slices_are_whole_lots_that_sum_to_the_order(schedule: Any) -> None:
    hedge = sliced(HedgeExecution(schedule=schedule), **flow(10_000.0))
    found = hedge.slicing
    assert found is not None and found.slices and hedge.contracts == D("5.79")
    assert sum(item.contracts for item in found.slices) + found.unfilled == hedge.contracts
    assert all(item.contracts % D("0.01") == 0 and item.contracts > 0 for item in found.slices)
    assert found.reason is Reason.NONE
    times = [item.start for item in found.slices if item.start is not None]
    assert times == sorted(times) and all(time >= AS_OF for time in times)
    prices = [item.price for item in found.slices if item.price is not None]
    assert bool(times) != bool(prices)
    assert prices == sorted(prices, reverse=True) and all(price <= D(100) for price in prices)


def test_what_the_volume_does_not_bear_is_said() -> None:
    """A tenth of 240 a day is one an hour."""
    schedule = Participation(duration_seconds=3_600.0, participation_rate=0.1)
    found = sliced(HedgeExecution(schedule=schedule), **flow(240.0)).slicing
    assert found is not None
    assert sum(item.contracts for item in found.slices) == D(1)
    assert found.unfilled == D("4.79")


def test_a_schedule_that_lacks_a_figure_slices_nothing_and_says_so() -> None:
    result = hedged(
        row("A"), short_calls(), hedge_execution=HedgeExecution(schedule=Participation(duration_seconds=60.0))
    )
    found = result.hedges[0].slicing
    assert found is not None
    assert (found.slices, found.unfilled, found.reason) == ((), D("5.79"), Reason.DATA_REQUIRED)
    assert "average_daily_volume" in found.detail
    assert result.hedges[0].contracts == D("5.79")


def test_a_hedge_beyond_the_hard_limit_is_one_slice_at_once() -> None:
    trigger = AnyOf(instrument="A", triggers=(ThresholdRule(max_delta=0.1),), hard_limit=1.0)
    found = sliced(HedgeExecution(schedule=HOUR), hedging=trigger).slicing
    assert found is not None
    ((only,), calm) = found.slices, replace(trigger, hard_limit=100.0)
    assert (only.contracts, only.start, only.end) == (D("5.79"), AS_OF, AS_OF)
    spread = sliced(HedgeExecution(schedule=HOUR), hedging=calm).slicing
    assert spread is not None and len(spread.slices) == 4


def test_no_slice_is_smaller_than_the_smallest_order() -> None:
    """At 100 and a least notional of 300, three contracts; a reduction is exempt."""
    coarse = Instrument(symbol="A", lot=D("0.01"), min_notional=300.0)
    opened = sliced(HedgeExecution(schedule=HOUR), row("A", instrument=coarse), short_calls()).slicing
    assert opened is not None
    assert [item.contracts for item in opened.slices] == [D("5.79")]
    shrunk = sliced(HedgeExecution(schedule=HOUR), row("A", quantity="10", instrument=coarse), short_calls()).slicing
    assert shrunk is not None and len(shrunk.slices) == 4
    sizes = [abs(item.contracts) for item in shrunk.slices]
    assert sizes == sorted(sizes, reverse=True)


def test_the_collar_gives_each_slice_its_worst_price() -> None:
    """Two standard deviations over a quarter of an hour, and the tolerance; the impact is unknown."""
    execution = HedgeExecution(schedule=HOUR, collar=PriceCollar(sigmas=2.0, tolerance=0.001))
    found = sliced(execution, row("A", instrument=Instrument(symbol="A", lot=D("0.01"), tick=D("0.01"))), short_calls())
    assert found.slicing is not None
    width = 2.0 * 0.4 * math.sqrt(900.0 / 31_536_000.0) + 0.001
    for item in found.slicing.slices:
        assert item.worst_price is not None
        assert 0.0 <= 100.0 * math.exp(width) - float(item.worst_price) < 0.01
    alone = sliced(HedgeExecution(collar=PriceCollar())).slicing
    assert alone is not None and len(alone.slices) == 1 and alone.slices[0].worst_price is not None


def test_options_of_a_plan_are_one_slice() -> None:
    result = hedged(*listed(), short_calls(), optimizer=CURVED, hedge_execution=HedgeExecution(schedule=HOUR))
    assert result.hedges[0].plan is not None and result.hedges[0].plan.used
    for hedge in result.hedges:
        assert hedge.slicing is not None
        assert len(hedge.slicing.slices) == (4 if hedge.row == 0 else 1)
        assert sum(item.contracts for item in hedge.slicing.slices) == hedge.contracts


def test_without_the_block_there_are_no_slices() -> None:
    hedge = hedged(row("A"), short_calls()).hedges[0]
    assert (hedge.slicing, hedge.feedback, hedge.latency) == (None, None, None)


def gain(volume: float, delta: float) -> float:
    """Short ten calls of gamma Γ each: λ |Γ|, with λ = S Y σ √(q/V) / q of the whole delta."""
    gamma = 10.0 * float(black_greeks(100.0, 100.0, 1.0, 0.4, 1).gamma)
    slope = 100.0 * 0.4 / math.sqrt(365.0) * math.sqrt(delta / volume) / delta
    return slope * gamma


def reflexive(volume: float, *rows: Any, **changes: Any) -> Evaluation:
    execution = HedgeExecution(reflexivity=Reflexivity())
    book = rows or (row("A"), short_calls())
    return hedged(*book, **{"hedge_execution": execution, **flow(volume), **changes})


def test_the_gain_is_that_of_the_square_root_law_at_the_whole_delta() -> None:
    for volume, level in (
        (1_000.0, ReflexivityLevel.OK),
        (0.5, ReflexivityLevel.WARN),
        (0.02, ReflexivityLevel.PREFER_OPTION),
        (0.005, ReflexivityLevel.REFUSE),
    ):
        hedge = reflexive(volume).hedges[0]
        assert hedge.feedback is not None and hedge.feedback.decision is not None
        assert hedge.feedback.decision.gain == pytest.approx(gain(volume, abs(hedge.delta_before or 0.0)), rel=1e-6)
        assert hedge.feedback.decision.level is level


def test_a_warning_widens_the_band() -> None:
    """Net delta 0.6 against a band of 0.5: due, but not where the feedback is felt."""
    book = (row("A", quantity="5.19"), short_calls())
    calm, felt = reflexive(1e6, *book), reflexive(2.0, *book)
    assert calm.hedges[0].status is Status.OK
    decision = felt.hedges[0].feedback
    assert decision is not None and decision.decision is not None and decision.decision.band_factor is not None
    assert decision.decision.band_factor > 1.21
    assert (felt.hedges[0].status, felt.orders) == (Status.HELD, ())
    assert felt.hedges[0].decision is not None
    assert felt.hedges[0].decision.outer == pytest.approx(0.5 * decision.decision.band_factor)


def test_a_hedge_of_delta_alone_that_feeds_on_itself_is_refused_unless_it_reduces() -> None:
    refused = reflexive(0.005)
    assert (refused.hedges[0].status, refused.hedges[0].reason) == (Status.HELD, Reason.REFLEXIVE_HEDGE)
    assert refused.orders == ()
    shrinking = reflexive(0.001, row("A", quantity="20"), short_calls())
    assert shrinking.hedges[0].feedback is not None and shrinking.hedges[0].feedback.decision is not None
    assert shrinking.hedges[0].feedback.decision.level is ReflexivityLevel.REFUSE
    assert shrinking.hedges[0].contracts == D("-14.2")


def test_where_gamma_is_to_be_preferred_the_optimiser_buys_it() -> None:
    """The policy bounds the delta only: by itself the plan would trade the perpetual alone."""
    bounds = {"instruments": ("A", "C1", "P1"), "max_delta": 0.1, "risk_aversion": 1e-9}
    alone = reflexive(1e6, *listed(), short_calls(), optimizer=bounds)
    assert {hedge.row for hedge in alone.hedges} == {0}
    preferred = reflexive(0.02, *listed(), short_calls(), optimizer=bounds)
    feedback, plan = preferred.hedges[0].feedback, plan_of(preferred).plan
    assert feedback is not None and feedback.decision is not None and plan is not None and feedback.impact_slope
    assert feedback.decision.level is ReflexivityLevel.PREFER_OPTION
    assert {hedge.row for hedge in preferred.hedges} & {1, 2}
    left = -100.0 * plan.after.gamma_1pct / 100.0 * feedback.impact_slope
    assert left <= 0.25 * (1.0 + 1e-6)
    refused = reflexive(0.005, *listed(), short_calls(), optimizer=bounds)
    assert {hedge.row for hedge in refused.hedges if hedge.legs} & {1, 2}


def test_what_the_feedback_lacks_is_said_and_changes_nothing() -> None:
    execution = HedgeExecution(reflexivity=Reflexivity())
    hedge = hedged(row("A"), short_calls(), hedge_execution=execution).hedges[0]
    assert hedge.feedback is not None
    assert (hedge.feedback.decision, hedge.feedback.detail) == (None, "not known without flow[] volume")
    assert hedge.contracts == D("5.79")


def test_latency_is_a_buffer_of_margin_and_moves_no_trigger() -> None:
    execution = HedgeExecution(latency_seconds=600.0)
    late, plain = (hedged(row("A"), short_calls(), hedge_execution=item).hedges[0] for item in (execution, None))
    gamma = 10.0 * float(black_greeks(100.0, 100.0, 1.0, 0.4, 1).gamma)
    assert late.latency is not None
    assert late.latency == pytest.approx(LatencyBuffer().of(gamma, 100.0, 0.4, 600.0), rel=1e-6)
    assert (late.decision, late.contracts) == (plain.decision, plain.contracts)


def test_the_buffer_is_taken_off_the_margin_of_hedges() -> None:
    """Equity 100, a rate of 5 % and more on 100: the margin bounds the hedge, and the buffer lowers the bound."""
    limits = Limits(max_leverage=100.0, max_margin_use=0.2)
    execution = HedgeExecution(latency_seconds=86_400.0, confidence_factor=2.0)
    plain, late = (
        hedged(row("A"), short_calls(), equity=100.0, limits=limits, hedge_execution=item).hedges[0]
        for item in (None, execution)
    )
    assert late.latency is not None and late.contracts is not None and plain.contracts is not None
    assert plain.status is late.status is Status.LIMITED
    assert float(late.contracts) / float(plain.contracts) == pytest.approx(1.0 - late.latency.quote / 20.0, abs=0.03)
    bounds = {**CURVED, "instruments": ("A",)}
    wide = Limits(max_leverage=100.0, max_margin_use=1.0)
    planned = hedged(row("A"), short_calls(), optimizer=bounds, limits=wide, hedge_execution=execution)
    assert planned.hedges[0].latency is not None
    assert plan_of(planned).margin_budget == pytest.approx(10_000.0 - 200.0 - planned.hedges[0].latency.quote)


def test_an_unknown_gamma_has_no_latency_cost() -> None:
    execution = HedgeExecution(latency_seconds=60.0, reflexivity=Reflexivity())
    result = hedged(row("A"), short_calls(), hedge_execution=execution, states={})
    assert result.hedges[0].latency is None
    assert result.hedges[0].feedback is not None and result.hedges[0].feedback.decision is None
