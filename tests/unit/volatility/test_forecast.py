"""Forecasts from series against the slow reference, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.volatility.bars import BarClock
from services.volatility.calibration import WARM_UP_RETURNS
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_markets, forecast_series, groups
from services.volatility.history import History, history_of
from services.volatility.moves import Moves
from services.volatility.path import forecast_path
from services.volatility.readout import Guard, Maturity
from services.volatility.registry import Estimator
from tests.support import volatility_reference as reference
from tests.unit.volatility.markets import DAY, END, candle_columns, series, times, walk


def forecast(
    closes: Floats, *, estimator: Estimator | None = None, calendar: Calendar | None = None, bar_seconds: int = DAY
) -> SeriesForecast:
    model, market = estimator or Ewma(), calendar or Calendar()
    return forecast_series(closes, end=END, bar_seconds=bar_seconds, calendar=market, estimator=model)


def refused(closes: Floats, *, estimator: Estimator | None = None, bar_seconds: int = DAY) -> Refusal:
    with pytest.raises(Refusal) as caught:
        forecast(closes, estimator=estimator, bar_seconds=bar_seconds)
    return caught.value


@pytest.mark.parametrize("half_life", [3.0, 20.0, 61.5])
@pytest.mark.parametrize("bars", [20, 21, 60, 146, 147, 300])
def test_equals_the_definition(bars: int, half_life: float) -> None:
    closes = walk(bars, bars)
    returns = reference.log_returns(closes.tolist())
    readout = forecast(closes, estimator=Ewma(half_life=half_life)).readout
    assert readout.forecast == pytest.approx(math.sqrt(365 * reference.ewma_variance(returns, half_life)), rel=1e-12)
    assert readout.long_run == pytest.approx(math.sqrt(365 * reference.long_run_variance(returns)), rel=1e-12)
    assert readout.calibration == pytest.approx(reference.calibration(returns, half_life), rel=1e-12)
    assert readout.volatility == readout.calibration * readout.forecast > readout.floor


def test_long_run_turns_from_mean_to_moving_average() -> None:
    closes = walk(1, 1_700)
    returns = reference.log_returns(closes.tolist())
    expected = math.sqrt(365 * reference.long_run_variance(returns))
    assert forecast(closes).readout.long_run == pytest.approx(expected, rel=1e-12)
    assert expected != pytest.approx(math.sqrt(365 * float(np.mean(np.square(returns)))), rel=1e-6)


def test_standardized_returns_stand_on_the_forecast_before_them() -> None:
    closes = walk(2, 600)
    returns = reference.log_returns(closes.tolist())
    standardized = forecast(closes).standardized
    assert standardized.size == 512
    for back in (1, 2, 100, 512):
        before = reference.ewma_variance(returns[:-back], 20.0)
        assert standardized[-back] == pytest.approx(returns[-back] / math.sqrt(before), rel=1e-12)
    short = forecast(walk(3, 30)).standardized
    assert short.size == 29
    assert np.flatnonzero(np.isnan(short)).tolist() == list(range(WARM_UP_RETURNS))


@pytest.mark.parametrize(
    ("bars", "maturity"),
    [(20, Maturity.PROVISIONAL), (59, "provisional"), (60, "ok"), (249, "ok"), (250, "mature")],
)
def test_maturity_counts_bars(bars: int, maturity: str) -> None:
    assert forecast(walk(4, bars)).readout.maturity == maturity


def test_too_short_a_history_is_refused_and_says_what_is_missing() -> None:
    for bars in (1, 2, 19):
        refusal = refused(walk(5, bars))
        assert refusal.reason is Reason.INSUFFICIENT_HISTORY
        assert refusal.detail.startswith(f"{bars} usable bar")
    assert refused(walk(5, 1), estimator=Ewma(prior_volatility=0.5)).reason is Reason.INSUFFICIENT_HISTORY


def test_a_prior_answers_cold_and_fades() -> None:
    prior, closes = Ewma(prior_volatility=2.0), walk(6, 400)
    cold = forecast(closes[:2], estimator=prior).readout
    assert cold.maturity is Maturity.COLD
    assert 1.9 < cold.forecast < 2.0
    with_prior, without = (forecast(closes[:60], estimator=model).readout.forecast for model in (prior, Ewma()))
    assert without < with_prior < 2.0
    grown = [forecast(closes, estimator=model).readout.forecast for model in (prior, Ewma())]
    assert grown[0] == pytest.approx(grown[1], rel=1e-4)


@pytest.mark.parametrize("bars", [2, 21, 41, 120])
def test_a_prior_weighs_twenty_bars_and_halves_every_twenty(bars: int) -> None:
    prior, returns = 0.8, reference.log_returns(walk(7, bars).tolist())
    readout = forecast(walk(7, bars), estimator=Ewma(prior_volatility=prior)).readout
    seen = bars - 1
    weight = 20.0 * 0.5 ** (seen / 20.0)
    for value, alone in (
        (readout.forecast, reference.ewma_variance(returns, 20.0)),
        (readout.long_run, float(np.mean(np.square(returns)))),
    ):
        blended = (weight * prior**2 + seen * 365.0 * alone) / (weight + seen)
        assert value == pytest.approx(math.sqrt(blended), rel=1e-12)


@pytest.mark.parametrize("bars", [3, 10, 25])
def test_a_prior_does_not_lower_the_long_run_below_the_data(bars: int) -> None:
    """The floor stands on it: a prior that is far too low may lower the forecast, not what protects from it."""
    closes = walk(6, bars)
    seen = math.sqrt(365.0 * float(np.mean(np.square(reference.log_returns(closes.tolist())))))
    low, high = (forecast(closes, estimator=Ewma(prior_volatility=prior)).readout for prior in (1e-9, 3.0))
    assert low.long_run == pytest.approx(seen, rel=1e-12)
    assert low.volatility >= low.floor == pytest.approx(0.3 * seen, rel=1e-12)
    assert high.long_run > seen
    path = forecast_path(series(closes), Ewma(prior_volatility=1e-9))
    assert path.long_run[-1] == pytest.approx(seen, rel=1e-12)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 1e-19, 1e20])
def test_a_bad_price_is_refused_by_index(bad: float) -> None:
    closes = walk(8, 40)
    closes[17] = bad
    refusal = refused(closes)
    assert refusal.reason is Reason.INVALID_PRICE
    assert "index 17" in refusal.detail


@pytest.mark.parametrize(
    ("bar_seconds", "limit"), [(DAY, 3), (7 * DAY, 3), (3_600, 6), (14_400, 6), (900, 15), (60, 15)]
)
def test_an_unmoving_price_freezes_then_refuses(bar_seconds: int, limit: int) -> None:
    closes = walk(9, 300)
    moving = forecast(closes, bar_seconds=bar_seconds).readout
    almost = forecast(np.append(closes, [closes[-1]] * (limit - 1)), bar_seconds=bar_seconds).readout
    assert almost.guard is Guard.NONE
    assert almost.forecast < moving.forecast
    for still in (limit, limit + 1, 5 * limit - 1):
        readout = forecast(np.append(closes, [closes[-1]] * still), bar_seconds=bar_seconds).readout
        assert readout.guard is Guard.STALE
        assert readout.forecast == almost.forecast
        assert readout.volatility >= readout.long_run == readout.floor
    assert refused(np.append(closes, [closes[-1]] * 5 * limit), bar_seconds=bar_seconds).reason is Reason.STALE_PRICE


@pytest.mark.parametrize("bars", [4, 19, 20, 300])
def test_a_flat_series_is_stale_not_short(bars: int) -> None:
    refusal = refused(np.full(bars, 5.0))
    assert refusal.reason is Reason.STALE_PRICE


def test_ten_changes_are_enough() -> None:
    closes = np.repeat(walk(11, 11), 2)
    assert refused(np.repeat(walk(11, 10), 2)[:20]).reason is Reason.STALE_PRICE
    assert forecast(closes).readout.observations == 21


def test_standing_still_never_lowers_the_forecast_to_nothing() -> None:
    """500 unfed bars and then a jump of 10 %: the jump counts as one bar, and everything stays finite."""
    closes = walk(12, 300)
    still = np.append(closes, [closes[-1]] * 500)
    jumped = np.append(still, closes[-1] * 1.1)
    before, after = forecast(closes).readout, forecast(jumped).readout
    assert after.guard is Guard.NONE
    assert before.forecast < after.forecast < 10.0
    assert after.observations == before.observations + 3


def test_the_floor_knows_sessions() -> None:
    quiet = 100.0 * np.exp(np.cumsum(np.tile([1e-5, -1e-5], 150)))
    assert forecast(quiet).readout.volatility == 0.01
    assert forecast(quiet, calendar=Calendar("XNYS")).readout.volatility == 0.005
    assert forecast(quiet, calendar=Calendar("custom", 252.0)).readout.floor == 0.005
    calm = np.append(walk(14, 400), walk(14, 400)[-1] * np.exp(np.cumsum(np.tile([1e-5, -1e-5], 300))))
    readout = forecast(calm).readout
    assert readout.volatility == readout.floor == pytest.approx(0.3 * readout.long_run)


def test_calibration_can_be_left_out() -> None:
    readout = forecast(walk(15, 300), estimator=Ewma(calibrate=False)).readout
    assert readout.calibration == 1.0
    assert readout.volatility == readout.forecast


@pytest.mark.parametrize("model", [Ewma(), Adaptive()], ids=["ewma", "adaptive"])
def test_each_market_gets_its_own_answer(model: Estimator) -> None:
    """Whatever stands beside it: other lengths, clocks, columns, and histories that are refused."""
    items = [series(walk(seed, 80 + 37 * seed)) for seed in range(5)]
    items[1].closes[30] = -1.0
    items[2].closes[40:50] = items[2].closes[40]
    items[3].closes[:] = 7.0
    ranged = walk(6, 90)
    items += [
        series(ranged, **candle_columns(ranged, 6)),
        series(walk(7, 60), bar_seconds=3_600, calendar=Calendar("XNYS")),
        series(np.ones(1)),
        series(walk(8, 25), implied_volatility=np.full(25, 0.5)),
    ]
    together = forecast_markets(items, model)
    assert [getattr(found, "reason", None) for found in together] == [
        None, Reason.INVALID_PRICE, None, Reason.STALE_PRICE, None, None, None, Reason.INSUFFICIENT_HISTORY, None,
    ]  # fmt: skip
    for item, found in zip(items, together, strict=True):
        (alone,) = forecast_markets([item], model)
        if isinstance(found, Refusal):
            assert str(alone) == str(found)
            continue
        assert isinstance(alone, SeriesForecast)
        assert alone.readout.volatility == pytest.approx(found.readout.volatility, rel=1e-12)
        np.testing.assert_allclose(alone.standardized, found.standardized, rtol=1e-11)


def test_histories_stand_beside_others_of_half_their_length_at_least() -> None:
    lengths = [1_000, 30, 400, 499, 600, 250, 31]
    histories: dict[int, History] = {}
    clocks = {index: BarClock(DAY, Calendar()) for index in range(9)}
    for index, bars in enumerate(lengths):
        histories[index] = known(history_of(series(walk(index, bars))))
    found = [[lengths[index] for index in group] for group in groups(histories, clocks)]
    assert found == [[1_000, 600], [499, 400, 250], [31, 30]]
    closes = walk(9, 500)
    histories[7] = known(history_of(series(closes, **candle_columns(closes, 9))))
    histories[8], clocks[8] = histories[3], BarClock(DAY, Calendar("FX"))
    assert [7] in groups(histories, clocks)
    assert [8] in groups(histories, clocks)


def known(history: History | Refusal) -> History:
    assert isinstance(history, History)
    return history


def timed(closes: Floats, close_times: Floats, *, calendar: Calendar | None = None) -> SeriesForecast | Refusal:
    (found,) = forecast_markets([series(closes, close_times=close_times, calendar=calendar)], Ewma())
    return found


def test_a_short_gap_is_decay_in_time() -> None:
    """A return r over k + 1 bars equals k + 1 bars of r / sqrt(k + 1) each."""
    closes, stamps = walk(16, 100), times(100)
    kept = np.delete(np.arange(100), [50, 51, 52])
    found = timed(closes[kept], stamps[kept])
    returns = reference.log_returns(closes.tolist())
    over = sum(returns[49:53])
    spread = returns[:49] + [over / 2.0] * 4 + returns[53:]
    assert isinstance(found, SeriesForecast)
    assert found.readout.forecast == pytest.approx(math.sqrt(365 * reference.ewma_variance(spread, 20.0)), rel=1e-12)
    assert found.readout.long_run == pytest.approx(math.sqrt(365 * float(np.mean(np.square(spread)))), rel=1e-12)
    assert found.readout.observations == 96
    unknown = [*range(WARM_UP_RETURNS), 49, 50, 51]
    assert np.flatnonzero(np.isnan(found.standardized)).tolist() == unknown
    z = over / math.sqrt(4.0 * reference.ewma_variance(returns[:49], 20.0))
    assert found.standardized[52] == pytest.approx(z, rel=1e-12)


def test_a_long_gap_is_not_used_and_guards() -> None:
    closes, stamps = walk(17, 100), times(100)
    closes[60:] *= 3.0
    kept = np.delete(np.arange(100), np.arange(54, 61))
    found = timed(closes[kept], stamps[kept])
    assert isinstance(found, SeriesForecast)
    assert found.readout.guard is Guard.NONE
    assert found.readout.forecast < 1.0
    recent = timed(closes[kept][:-20], stamps[kept][:-20])
    assert isinstance(recent, SeriesForecast)
    assert (recent.readout.guard, recent.readout.maturity) == (Guard.GAP, Maturity.PROVISIONAL)
    across = math.log(closes[kept][54] / closes[kept][53])
    assert recent.readout.floor == pytest.approx(math.sqrt(across**2 / 8 * 365), rel=1e-12)


def test_sessions_do_not_count_closed_hours() -> None:
    closes = walk(18, 100)
    weekdays = times(140)[np.isin(np.arange(140) % 7, range(5))]
    found = timed(closes, weekdays, calendar=Calendar("XNYS"))
    assert isinstance(found, SeriesForecast)
    plain = forecast(closes, calendar=Calendar("XNYS"))
    assert found.readout.forecast == plain.readout.forecast
    assert (found.consecutive, plain.consecutive) == (False, True)
    assert found.standardized.size == 137
    assert np.isnan(found.standardized).sum() == 137 - 99 + WARM_UP_RETURNS


def test_a_close_off_the_clock_is_refused() -> None:
    closes, stamps = walk(19, 50), times(50)
    stamps[30:] += 0.3 * DAY
    found = timed(closes, stamps)
    assert isinstance(found, Refusal)
    assert (found.reason, "index 30" in found.detail) == (Reason.INVALID_PRICE, True)
    millisecond = times(50)
    millisecond[1::2] -= 0.001
    assert isinstance(timed(closes, millisecond), SeriesForecast)


def test_path_ends_where_the_forecast_ends() -> None:
    closes, stamps = walk(20, 300), times(300)
    closes[100:110] = closes[100]
    priors = Ewma(prior_volatility=0.4), Ewma(prior_volatility=0.02)
    for model in (Ewma(), *priors, Ewma(half_life=5.0, calibrate=False), Adaptive()):
        path = forecast_path(series(closes), model)
        for bars in (1, 2, 19, 20, 104, 110, 125, 300):
            (found,) = forecast_markets([series(closes[:bars])], model)
            expected = math.nan if isinstance(found, Refusal) else found.readout.volatility
            assert path.volatility[bars - 1] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    kept = np.delete(np.arange(300), np.arange(150, 160))
    path = forecast_path(series(closes[kept], close_times=stamps[kept]), Ewma())
    for bars in (150, 151, 170, 171, 290):
        found = timed(closes[kept][:bars], stamps[kept][:bars])
        assert isinstance(found, SeriesForecast)
        assert path.volatility[bars - 1] == pytest.approx(found.readout.volatility, rel=1e-13)


def test_a_bad_close_leaves_no_path() -> None:
    closes = walk(20, 50)
    closes[7] = math.nan
    with pytest.raises(Refusal, match="index 7"):
        forecast_path(series(closes), Ewma())


def test_confidence_is_that_of_a_variance_estimate() -> None:
    """Monte Carlo: the spread of the forecast over 2,000 normal walks is the standard error behind `confidence`."""
    returns = np.random.default_rng(21).standard_normal((2_000, 200)) * 0.01
    variance = Ewma().variance_path(Moves(returns, returns, returns))[:, -1]
    spread = float(np.std(np.sqrt(variance)) / 0.01)
    confidence = forecast(walk(21, 201)).readout.confidence
    assert 1.0 / confidence - 1.0 == pytest.approx(spread, rel=0.05)


def test_bar_clock() -> None:
    assert BarClock(DAY, Calendar()).continuous
    assert not BarClock(DAY, Calendar("FX")).continuous
    assert not BarClock(DAY, Calendar("24/7", 252.0)).continuous
    assert BarClock(3_600, Calendar("custom", 8_760.0)).continuous
    hourly = BarClock(3_600, Calendar("XNYS"))
    assert [hourly.slots(seconds) for seconds in (1_800.0, 3_600.0, 64_800.0, 100.0)] == [1, 1, 18, None]
    assert [BarClock(3_600, Calendar()).slots(seconds) for seconds in (3_599.999, 5_400.0, 7_200.0)] == [1, None, 2]
