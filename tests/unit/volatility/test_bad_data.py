"""Rules for bad data, one by one: what each bar is answered with, and what it does to the figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.outcome import Reason
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.moves import Move
from services.volatility.outcome import PointOutcome
from services.volatility.readout import Guard, Maturity, VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.spikes import UNDO_EVERY
from services.volatility.state import VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import DAY, bars_of, candle_bars, walk

CLOSES, RANGES = Ewma(), GarmanKlass()
BOTH = pytest.mark.parametrize("model", [CLOSES, RANGES, Adaptive()], ids=lambda model: model.method)


def fed(
    model: Estimator, bars: int = 100, *, calendar: Calendar | None = None, bar_seconds: int = DAY
) -> VolatilityState:
    fresh = empty_state(model, bar_seconds=bar_seconds, calendar=calendar or Calendar())
    return update(fresh, candle_bars(walk(1, bars), 1, bar_seconds=bar_seconds), estimator=model)[0]


def one(model: Estimator, state: VolatilityState, bar: Bar) -> tuple[VolatilityState, str]:
    after, (found,) = update(state, [bar], estimator=model)
    return after, found.value


def following(state: VolatilityState, factor: float, bars: int = 1, **values: float) -> Bar:
    """Bar that closes at `factor` times the last close, this many bars later."""
    return Bar(state.last_close_at + bars * state.clock.bar_seconds, state.last_close * factor, **values)


def shaped(state: VolatilityState, factor: float, up: float, down: float) -> Bar:
    """Next bar that opens where the last one closed, with wicks this long in logs."""
    open_, close = state.last_close, state.last_close * factor
    return following(
        state, factor, open=open_, high=max(open_, close) * math.exp(up), low=min(open_, close) * math.exp(-down)
    )


def figures(model: Estimator, state: VolatilityState) -> VolatilityReadout:
    found = readout(state, estimator=model)
    assert isinstance(found, VolatilityReadout)
    return found


def same(left: VolatilityState, right: VolatilityState) -> bool:
    return head_bytes(replace(left, version=0)) == head_bytes(replace(right, version=0))


@BOTH
@pytest.mark.parametrize("close", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e-19, 1e20])
def test_a_price_that_is_none_leaves_the_state_untouched(model: Estimator, close: float) -> None:
    state = fed(model)
    assert one(model, state, Bar(state.last_close_at + DAY, close)) == (state, "invalid_price")


@BOTH
def test_a_bar_sent_again_changes_nothing(model: Estimator) -> None:
    state = fed(model)
    last = candle_bars(walk(1, 100), 1)[-1]
    assert one(model, state, last) == (state, "duplicate")
    assert one(model, state, last._replace(close_at=last.close_at - 0.001)) == (state, "duplicate")
    assert one(model, state, last._replace(close=last.close * 1.001)) == (state, "conflict")
    assert one(model, state, last._replace(close_at=last.close_at - DAY)) == (state, "out_of_order")


@BOTH
def test_closes_off_the_clock_are_not_stored(model: Estimator) -> None:
    state = fed(model)
    assert one(model, state, following(state, 1.01)._replace(close_at=state.last_close_at + 1.2 * DAY)) == (
        state, "off_clock",
    )  # fmt: skip
    assert (
        one(model, state, following(state, 1.01)._replace(close_at=state.last_close_at + 1.05 * DAY))[1] == "accepted"
    )


@pytest.mark.parametrize("model", [RANGES, Adaptive()], ids=lambda model: model.method)
def test_the_first_bar_is_judged_like_every_other(model: Estimator) -> None:
    """Its range has no use yet; that it contradicts itself is said all the same, and changes nothing."""
    fresh, good = empty_state(model, bar_seconds=DAY, calendar=Calendar()), Bar(DAY, 10.0, 9.5, 10.5, 9.0)
    bare, outcome = one(model, fresh, Bar(DAY, 10.0))
    assert outcome == "accepted"
    after, outcome = one(model, fresh, good)
    assert outcome == "accepted"
    assert same(after, bare)
    for bad in (
        good._replace(high=9.9),
        good._replace(low=9.6),
        good._replace(low=-1.0),
        good._replace(high=math.inf),
        good._replace(open=math.nan),
    ):
        after, outcome = one(model, fresh, bad)
        assert outcome == "ohlc_inconsistent"
        assert same(after, bare)


@pytest.mark.parametrize("model", [RANGES, Adaptive()], ids=lambda model: model.method)
def test_prices_that_contradict_each_other_leave_their_close(model: Estimator) -> None:
    """The bar counts with r² alone: exactly as if it had come without open, high and low."""
    state = fed(model)
    good = shaped(state, 1.02, 0.003, 0.003)
    bare, outcome = one(model, state, Bar(good.close_at, good.close))
    assert outcome == "accepted"
    for bad in (
        good._replace(high=good.close * (1.0 - 2e-6)),
        good._replace(low=good.open * (1.0 + 2e-6)),
        good._replace(low=-1.0),
        good._replace(high=math.inf),
        good._replace(open=math.nan),
    ):
        after, outcome = one(model, state, bad)
        assert outcome == "ohlc_inconsistent"
        assert same(after, bare)


@pytest.mark.parametrize("model", [RANGES, Adaptive()], ids=lambda model: model.method)
def test_rounding_of_a_high_or_a_low_is_clamped(model: Estimator) -> None:
    state = fed(model)
    touching = shaped(state, 1.02, 0.0, 0.0)
    exact, _ = one(model, state, touching)
    for rounded in (
        touching._replace(high=touching.close * (1.0 - 0.9e-6)),
        touching._replace(low=touching.open * (1.0 + 0.9e-6)),
    ):
        after, outcome = one(model, state, rounded)
        assert outcome == "accepted"
        assert same(after, exact)


@pytest.mark.parametrize("model", [RANGES, Adaptive()], ids=lambda model: model.method)
@pytest.mark.parametrize("upward", [True, False])
def test_a_wick_is_cut_to_four_usual_ranges(model: Estimator, upward: bool) -> None:
    state = fed(model)
    longest = 4.0 * math.exp(state.wicks[1])
    wicks = {"up": 0.001, "down": 0.001}
    name = "up" if upward else "down"
    just, outcome = one(model, state, shaped(state, 1.01, **wicks | {name: longest * (1.0 - 1e-12)}))
    assert outcome == "accepted"
    for length in (1.001 * longest, 3.0 * longest, 30.0):
        after, outcome = one(model, state, shaped(state, 1.01, **wicks | {name: length}))
        assert outcome == "wick_capped"
        assert after.memory == pytest.approx(just.memory, rel=1e-9)
        assert after.wicks == pytest.approx(just.wicks, rel=1e-9)


def test_the_first_ten_bars_teach_what_a_usual_range_is() -> None:
    fresh = empty_state(RANGES, bar_seconds=DAY, calendar=Calendar())
    state, _ = update(fresh, bars_of(walk(1, 2)), estimator=RANGES)
    for _ in range(10):
        state, outcome = one(RANGES, state, shaped(state, 1.001, 0.01, 0.01))
        assert outcome == "accepted"
    assert one(RANGES, state, shaped(state, 1.001, 1.0, 0.0))[1] == "wick_capped"


def test_closes_alone_know_nothing_of_wicks() -> None:
    state = fed(CLOSES)
    wild, tame = (one(CLOSES, state, shaped(state, 1.02, up, 0.0))[0] for up in (5.0, 0.001))
    assert wild.memory == tame.memory


@BOTH
@pytest.mark.parametrize("missing", [1, 3, 5])
def test_a_short_gap_is_decay_in_time(model: Estimator, missing: int) -> None:
    """k + 1 bars of r / sqrt(k + 1), without a range whatever was sent."""
    state = fed(model)
    bar = shaped(state, 1.05, 0.02, 0.02)._replace(close_at=state.last_close_at + (missing + 1) * DAY)
    after, outcome = one(model, state, bar)
    assert outcome == "gap_filled"
    memory, spread = state.memory, math.log(1.05) / math.sqrt(missing + 1)
    for _ in range(missing + 1):
        memory = model.advance(memory, Move(spread, bar.close, bar.close_at))
    assert after.memory == pytest.approx(memory, rel=1e-12)
    assert (after.observations, after.elapsed) == (state.observations + 1, state.elapsed + missing + 1)
    assert np.isnan(after.ring[-missing - 1 : -1]).all() and not math.isnan(after.ring[-1])


def test_decay_in_time_of_an_average() -> None:
    """``E ← λ^(k+1) E + (1 − λ^(k+1)) r²/(k + 1)``."""
    state = fed(CLOSES, 3_000)
    after, _ = one(CLOSES, state, following(state, 1.05, 4))
    left, square = 2.0 ** (-4.0 / 20.0), math.log(1.05) ** 2 / 4.0
    expected = left * CLOSES.variance(state.memory) + (1.0 - left) * square
    assert CLOSES.variance(after.memory) == pytest.approx(expected, rel=1e-12)


@BOTH
def test_a_long_gap_keeps_the_state_and_guards_for_twenty_bars(model: Estimator) -> None:
    state = fed(model)
    after, outcome = one(model, state, following(state, 2.0, 7))
    assert outcome == "gap_reset"
    assert (after.memory, after.observations, after.since_gap) == (state.memory, state.observations, 0)
    found = figures(model, after)
    assert (found.guard, found.maturity) == (Guard.GAP, Maturity.PROVISIONAL)
    assert found.floor == pytest.approx(max(found.long_run, math.sqrt(math.log(2.0) ** 2 / 7 * 365)), rel=1e-12)
    assert found.volatility >= found.floor
    for bars in range(1, 21):
        after, _ = one(model, after, following(after, 1.01 if bars % 2 else 1.0 / 1.01))
        assert figures(model, after).guard is (Guard.GAP if bars < 20 else Guard.NONE)
    assert figures(model, after).maturity is Maturity.OK


@pytest.mark.parametrize("calendar", [Calendar("XNYS"), Calendar("FX"), Calendar("custom", 252.0)])
def test_closed_hours_are_no_gap(calendar: Calendar) -> None:
    state = fed(CLOSES, calendar=calendar)
    plain, _ = one(CLOSES, state, following(state, 1.02))
    for days in (3, 11):
        after, outcome = one(CLOSES, state, following(state, 1.02, days))
        assert outcome == "accepted"
        assert after.memory == plain.memory
        assert after.elapsed == plain.elapsed
        assert np.isnan(after.ring[-days:-1]).all()


@BOTH
@pytest.mark.parametrize(("bar_seconds", "limit"), [(DAY, 3), (3_600, 6), (900, 15)])
def test_a_price_that_stands_freezes_the_forecast(model: Estimator, bar_seconds: int, limit: int) -> None:
    state = fed(model, bar_seconds=bar_seconds)
    for still in range(1, 5 * limit):
        state, outcome = one(model, state, following(state, 1.0))
        assert outcome == ("accepted" if still < limit else "stale")
        if still == limit - 1:
            frozen = state
    assert state.memory == frozen.memory
    found = figures(model, state)
    assert found.guard is Guard.STALE
    assert found.volatility >= found.floor == found.long_run
    assert found.forecast == figures(model, frozen).forecast
    refused = readout(one(model, state, following(state, 1.0))[0], estimator=model)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.STALE_PRICE


@BOTH
def test_zeros_never_fade_a_forecast_away(model: Estimator) -> None:
    """500 unmoving bars: the forecast is that of the second one; the jump after them counts as one bar."""
    state = fed(model)
    for still in range(500):
        state, _ = one(model, state, following(state, 1.0))
        if still == 1:
            frozen = state
    assert state.memory == frozen.memory
    after, outcome = one(model, state, following(state, 1.1))
    assert outcome == "accepted"
    assert figures(model, frozen).forecast < figures(model, after).forecast < 20.0


@BOTH
def test_without_volume_an_unchanged_close_is_stale_at_once(model: Estimator) -> None:
    """A close that moved is a price, whatever its volume."""
    state = fed(model)
    after, outcome = one(model, state, following(state, 1.0, volume=0.0))
    assert (outcome, after.memory) == ("stale", state.memory)
    assert one(model, state, following(state, 1.0, volume=3.0))[1] == "accepted"
    assert one(model, state, following(state, 1.01, volume=0.0))[1] == "accepted"


def spike_of(model: Estimator, state: VolatilityState, sigmas: float) -> float:
    """Factor of the price in a jump of this many σ."""
    return math.exp(sigmas * math.sqrt(model.variance(state.memory)))


@BOTH
@pytest.mark.parametrize("sigmas", [13.0, -13.0, 60.0])
def test_a_spike_acts_at_once_and_is_undone_when_it_is_taken_back(model: Estimator, sigmas: float) -> None:
    """In one call: the state is that of the same bars without the spike."""
    state = fed(model)
    spike = following(state, spike_of(model, state, sigmas))
    jumped, outcome = one(model, state, spike)
    assert outcome == "accepted"
    assert figures(model, jumped).forecast > 1.5 * figures(model, state).forecast
    back = following(state, 1.004, 2)
    after, outcomes = update(state, [spike, back], estimator=model)
    assert outcomes == [PointOutcome.ACCEPTED, PointOutcome.SPIKE_REVERTED]
    without, (bridged,) = update(state, [back], estimator=model)
    assert bridged is PointOutcome.GAP_FILLED
    assert (after.since_undo, without.since_undo) == (0, UNDO_EVERY)
    assert same(replace(after, since_undo=UNDO_EVERY), without)
    assert after.spike == 0.0


@BOTH
def test_a_spike_of_an_earlier_call_asks_for_a_replay(model: Estimator) -> None:
    state = fed(model)
    jumped, _ = one(model, state, following(state, spike_of(model, state, 20.0)))
    back = following(state, 1.0, 2)
    assert one(model, jumped, back) == (jumped, "needs_replay")
    kept, outcomes = update(jumped, [back], estimator=model, roll_back=False)
    assert outcomes == [PointOutcome.ACCEPTED]
    assert kept.observations == jumped.observations + 1


@pytest.mark.parametrize(
    ("sigmas", "left", "outcome"),
    [
        (11.9, 0.0, "accepted"),
        (12.1, 0.0, "spike_reverted"),
        (20.0, 0.19, "spike_reverted"),
        (20.0, 0.21, "accepted"),
        (20.0, 1.9, "accepted"),
        (20.0, -0.19, "spike_reverted"),
        (20.0, -0.5, "accepted"),
    ],
)
def test_what_a_spike_is(sigmas: float, left: float, outcome: str) -> None:
    """More than 12 σ, after which the next bar ends within a fifth of it from where price was."""
    state = fed(CLOSES)
    jump = math.log(spike_of(CLOSES, state, sigmas))
    bars = [following(state, math.exp(jump)), following(state, math.exp(left * jump), 2)]
    _, outcomes = update(state, bars, estimator=CLOSES)
    assert [found.value for found in outcomes] == ["accepted", outcome]


def test_only_the_next_bar_can_take_a_spike_back() -> None:
    state = fed(CLOSES)
    jump = spike_of(CLOSES, state, 20.0)
    bars = [following(state, jump), following(state, jump * 1.001, 2), following(state, 1.0, 3)]
    _, outcomes = update(state, bars, estimator=CLOSES)
    assert [found.value for found in outcomes] == ["accepted"] * 3


def test_a_young_market_has_no_spikes() -> None:
    """Below 20 bars nobody knows what is usual."""
    for bars, expected in ((19, "accepted"), (20, "spike_reverted")):
        state = fed(CLOSES, bars)
        jump = spike_of(CLOSES, state, 30.0)
        _, outcomes = update(state, [following(state, jump), following(state, 1.0, 2)], estimator=CLOSES)
        assert outcomes[-1].value == expected


def test_a_spike_of_a_session_counts_two_bars_for_the_one_that_undoes_it() -> None:
    state = fed(CLOSES, calendar=Calendar("XNYS"))
    bars = [following(state, spike_of(CLOSES, state, 20.0), 3), following(state, 1.02, 4)]
    after, outcomes = update(state, bars, estimator=CLOSES)
    assert outcomes[-1] is PointOutcome.SPIKE_REVERTED
    assert after.elapsed == state.elapsed + 2
    memory = state.memory
    for _ in range(2):
        memory = CLOSES.advance(memory, Move(math.log(1.02) / math.sqrt(2.0), 1.0, 0.0))
    assert after.memory == pytest.approx(memory, rel=1e-12)


def traded(model: Estimator) -> VolatilityState:
    state = fed(model)
    return one(model, state, following(state, 1.01, volume=100.0))[0]


@BOTH
@pytest.mark.parametrize(("units", "volume"), [(2.0, 210.0), (3.0, 280.0), (10.0, 900.0), (1.0 / 5.0, 22.0)])
def test_what_looks_like_a_split_is_held_until_it_is_confirmed(model: Estimator, units: float, volume: float) -> None:
    state = traded(model)
    suspected = following(state, 1.002 / units, volume=volume)
    held, outcome = one(model, state, suspected)
    assert (outcome, held.held_at) == ("corporate_action", suspected.close_at)
    assert same(replace(held, held_at=math.nan), state)
    split, outcome = one(model, state, suspected._replace(split=units))
    assert outcome == "accepted"
    plain, _ = one(model, state, following(state, 1.002, volume=volume))
    assert split.memory == pytest.approx(plain.memory, rel=1e-9)
    assert split.last_close == suspected.close
    moved, outcome = one(model, state, suspected._replace(split=1.0))
    assert outcome == "accepted"
    assert figures(model, moved).forecast > 2.0 * figures(model, split).forecast


@pytest.mark.parametrize(
    ("factor", "volume"),
    [(0.5, math.nan), (0.5, 0.0), (0.5, 100.0), (0.45, 220.0), (0.55, 180.0), (2.0, 200.0)],
    ids=["no volume", "no trade", "volume as before", "no whole ratio", "too small", "volume the same way"],
)
def test_what_is_no_split(factor: float, volume: float) -> None:
    state = traded(CLOSES)
    assert one(CLOSES, state, following(state, factor, volume=volume))[1] == "accepted"


def test_ranges_of_a_confirmed_split_are_in_new_units() -> None:
    """Open, high and low come in new units as the close does."""
    state = traded(RANGES)
    plain = shaped(state, 1.02, 0.004, 0.002)._replace(volume=100.0)
    halved = plain._replace(
        open=plain.open / 2, high=plain.high / 2, low=plain.low / 2, close=plain.close / 2, split=2.0
    )
    one_way, other = one(RANGES, state, plain)[0], one(RANGES, state, halved)[0]
    assert other.memory == pytest.approx(one_way.memory, rel=1e-12)


def test_a_missing_bar_is_no_zero() -> None:
    """Zeros in the ring would bias the covariance down by the share of missing bars."""
    state = fed(CLOSES)
    for bars in (2, 8):
        after, _ = one(CLOSES, state, following(state, 1.01, bars))
        assert np.isnan(after.ring[-bars:-1]).all()
        np.testing.assert_array_equal(after.ring[:-bars], state.ring[bars:])
