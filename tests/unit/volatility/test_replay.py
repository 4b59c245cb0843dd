"""Late, repeated and corrected bars end in the state of the sorted unique run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.outcome import PointOutcome
from services.volatility.registry import Estimator
from services.volatility.replay import (
    MOST_BARS,
    WINDOW_BARS,
    Observation,
    Observed,
    Replay,
    begin,
    observe,
    replay_from,
    revised,
)
from services.volatility.replay_codec import replay_bytes, replay_from_bytes
from services.volatility.state import VolatilityState, empty_state, update
from services.volatility.usable import USABLE
from tests.support.bars import START, rough_bars, split_bars

DAY = 86_400
EWMA, ADAPTIVE = Ewma(), Adaptive()


def identity(state: VolatilityState) -> tuple[bytes, bytes]:
    """Every bit of a state but its version."""
    return head_bytes(replace(state, version=0)), ring_bytes(state)


def folded(bars: Sequence[Bar], model: Estimator, *, calendar: Calendar | None = None) -> VolatilityState:
    """The slow reference: all bars, sorted, in one call."""
    fresh = empty_state(model, bar_seconds=DAY, calendar=calendar or Calendar())
    return update(fresh, sorted(bars), estimator=model)[0]


class Market:
    """A state with its replay, fed step by step; both go through their bytes after each step."""

    def __init__(self, model: Estimator = EWMA, *, calendar: Calendar | None = None) -> None:
        self.model = model
        self.state, self.replay = begin(model, bar_seconds=DAY, calendar=calendar or Calendar())

    def send(self, bars: Iterable[Bar], source: str = "", *, revise: bool = False) -> Observation:
        points = [Observed(bar, source) for bar in bars]
        found = observe(self.state, self.replay, points, estimator=self.model, revise=revise)
        changed = found.state is not self.state
        assert (found.state.version - self.state.version, found.replay is not self.replay) == (changed, changed)
        head, ring = head_bytes(found.state), ring_bytes(found.state)
        self.state = state_from_bytes(head, ring)
        self.replay = replay_from_bytes(replay_bytes(found.replay, head), head)
        return found

    def outcomes(self, bars: Iterable[Bar], *, revise: bool = False) -> list[str]:
        return [verdict.outcome.value for verdict in self.send(bars, revise=revise).verdicts]


def plain(bars: int, first: int = 0) -> list[Bar]:
    rng = np.random.default_rng(3)
    closes = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(first + bars)))
    return [Bar(START + DAY * place, float(closes[place])) for place in range(first, first + bars)]


@pytest.mark.parametrize("model", [EWMA, ADAPTIVE], ids=lambda model: model.method)
@pytest.mark.parametrize("seed", range(4))
def test_shuffled_and_repeated_bars_end_in_the_sorted_run(model: Estimator, seed: int) -> None:
    rng, bars = np.random.default_rng(seed), rough_bars(seed, 420)
    market, queue = Market(model), list(range(len(bars)))
    lateness = np.arange(len(bars)) + rng.uniform(0.0, 40.0, len(bars))
    queue = np.argsort(lateness).tolist()
    sent: list[int] = []
    while queue:
        size = int(rng.integers(1, 12))
        batch = queue[:size] + (rng.choice(sent, 3).tolist() if sent else [])
        del queue[:size]
        sent += batch
        rng.shuffle(batch)
        market.send([bars[index] for index in batch])
    assert identity(market.state) == identity(folded(bars, model))


def test_the_rough_market_meets_every_rule() -> None:
    """Else the tests above would prove less than they say."""
    seen: set[str] = set()
    for seed in range(4):
        seen |= set(Market(ADAPTIVE).outcomes(rough_bars(seed, 420)))
    rules = {"gap_filled", "gap_reset", "stale", "wick_capped", "ohlc_inconsistent", "spike_reverted"}
    assert seen >= rules


@pytest.mark.parametrize("size", [1, 7, 64, 65, 129, 500])
def test_pieces_of_any_size_give_the_state_and_the_outcomes_of_one_call(size: int) -> None:
    bars = rough_bars(11, 500)
    whole, pieces = Market(ADAPTIVE), Market(ADAPTIVE)
    outcomes = [pieces.outcomes(bars[place : place + size]) for place in range(0, 500, size)]
    assert [outcome for piece in outcomes for outcome in piece] == whole.outcomes(bars)
    assert identity(pieces.state) == identity(whole.state) == identity(folded(bars, ADAPTIVE))


def test_a_jump_is_undone_also_when_its_reversal_comes_in_a_later_call() -> None:
    bars = plain(100)
    jump, back = bars[-2]._replace(close=bars[-3].close * 1.6), bars[-1]
    market = Market()
    market.send(bars[:-2])
    assert market.outcomes([jump]) == ["accepted"]
    assert market.state.spike > 0.0
    assert market.outcomes([back]) == ["spike_reverted"]
    assert identity(market.state) == identity(folded([*bars[:-2], jump, back], EWMA))


def test_a_jump_whose_replay_was_lost_is_a_move_like_any_other() -> None:
    bars = plain(100)
    jump = bars[-2]._replace(close=bars[-3].close * 1.6)
    market = Market()
    market.send([*bars[:-2], jump])
    before, market.replay = market.state, replay_from(market.state)
    assert market.outcomes([bars[-1]]) == ["accepted"]
    assert market.state.observations == before.observations + 1
    assert market.outcomes([bars[-3]]) == ["out_of_order"]
    assert market.outcomes([jump]) == ["duplicate"]
    assert market.outcomes([jump._replace(close=1.0)]) == ["conflict"]


@pytest.mark.parametrize("length", range(MOST_BARS - 3, MOST_BARS + 4))
def test_a_checkpoint_never_stands_on_a_jump(length: int) -> None:
    """A jump where the checkpoint would come to stand, and its reversal sent before the bar between them is known."""
    bars = plain(length)
    for place in range(60, 70):
        rough = list(bars)
        rough[place] = rough[place]._replace(close=rough[place - 1].close * 1.6)
        market = Market()
        for bar in rough:
            market.send([bar])
        assert len(market.replay.bars) > WINDOW_BARS
        assert identity(market.state) == identity(folded(rough, EWMA))


def test_the_window_is_64_bars() -> None:
    bars = plain(300)
    for late, outcome in ((WINDOW_BARS, "merged"), (WINDOW_BARS + 1, "out_of_order")):
        for length in range(170, 300, 13):
            missing = length - 1 - late
            market = Market()
            market.send(bars[:missing] + bars[missing + 1 : length])
            assert market.outcomes([bars[missing]]) == [outcome], (late, length)


def test_bars_before_the_first_are_merged_while_all_bars_are_known() -> None:
    bars, market = plain(200), Market()
    market.send(bars[150:])
    assert market.outcomes(bars[:150]) == ["merged"] * 150
    assert identity(market.state) == identity(folded(bars, EWMA))
    assert market.outcomes([Bar(START - DAY, 100.0)]) == ["out_of_order"]


def test_the_replay_stays_small_and_the_state_is_its_fold() -> None:
    market, bars = Market(ADAPTIVE), rough_bars(5, 400)
    for place in range(0, 400, 3):
        market.send(bars[place : place + 3])
        assert len(market.replay.bars) <= MOST_BARS + 2
        rerun, _ = update(
            market.replay.checkpoint.state(), [item.bar for item in market.replay.observed()], estimator=ADAPTIVE
        )
        assert identity(rerun) == identity(market.state)
    assert len(replay_bytes(market.replay, head_bytes(market.state))) < 16_384


def test_a_known_bar_is_a_duplicate_or_a_conflict_that_names_both_sources() -> None:
    market = Market()
    market.send([bar._replace(volume=5.0) for bar in plain(80)], "kaiko")
    known = plain(80)[40]
    assert market.outcomes([known, known._replace(volume=5.0)]) == ["duplicate", "duplicate"]
    (verdict,) = market.send([known._replace(close=1.0)], "tardis").verdicts
    assert verdict.outcome is PointOutcome.CONFLICT
    assert verdict.detail == f"close is {known.close!r} (from kaiko), found 1.0 (from tardis)"
    (verdict,) = market.send([known._replace(high=1.0)]).verdicts
    assert verdict == (PointOutcome.CONFLICT, "high was not given (from kaiko), found 1.0")
    twice = [Bar(START + 80 * DAY, 50.0), Bar(START + 80 * DAY, 51.0)]
    assert market.outcomes(twice) == ["accepted", "conflict"]


@pytest.mark.parametrize("late", [0, 1, 30, WINDOW_BARS - 1, WINDOW_BARS])
def test_a_revision_is_as_if_the_bar_had_come_so(late: int) -> None:
    bars = rough_bars(7, 300)
    market, place = Market(ADAPTIVE), len(bars) - 1 - late
    market.send(bars)
    corrected = Bar(bars[place].close_at, bars[place].close * 1.01)
    assert market.outcomes([corrected]) == ["conflict"]
    assert market.outcomes([corrected], revise=True) == ["revised"]
    assert market.outcomes([corrected], revise=True) == ["duplicate"]
    expected = [*bars[:place], bars[place]._replace(close=corrected.close), *bars[place + 1 :]]
    assert identity(market.state) == identity(folded(expected, ADAPTIVE))


def test_a_revision_keeps_what_it_leaves_out() -> None:
    """Of every subset of the fields, what is sent wins and what is left out stays."""
    known = Bar(START, 10.0, 9.5, 10.5, 9.0, 100.0, 1e-4, 0.5, 1.0)
    newer = Bar(START + 1.0, 20.0, 19.5, 20.5, 19.0, 200.0, 2e-4, 0.6, 2.0)
    names = Bar._fields[2:-1]
    for mask in range(2 ** len(names)):
        sent = {name for place, name in enumerate(names) if mask >> place & 1}
        found = revised(known, newer._replace(**{name: math.nan for name in names if name not in sent}))
        assert (found.close_at, found.close) == (START, 20.0)
        assert {name for name in names if getattr(found, name) == getattr(newer, name)} == sent
        assert {name for name in names if getattr(found, name) == getattr(known, name)} == set(names) - sent


def test_a_revision_keeps_the_drivers_that_it_leaves_out() -> None:
    def drivers(known: tuple[float, ...], found: tuple[float, ...]) -> tuple[float, ...]:
        return revised(Bar(START, 1.0, drivers=known), Bar(START, 1.0, drivers=found)).drivers

    assert drivers((1.0, 2.0), ()) == (1.0, 2.0)
    assert drivers((1.0, 2.0), (math.nan, 3.0)) == (1.0, 3.0)
    assert drivers((), (3.0, 4.0)) == (3.0, 4.0)


def test_a_revised_close_within_its_range_still_has_that_range() -> None:
    bars = rough_bars(9, 120)
    place = max(place for place in range(60, 118) if bars[place].low < bars[place].close < bars[place].high)
    market = Market(ADAPTIVE)
    market.send(bars)
    close = math.sqrt(bars[place].low * bars[place].high)
    assert market.outcomes([Bar(bars[place].close_at, close)], revise=True) == ["revised"]
    whole = [*bars[:place], bars[place]._replace(close=close), *bars[place + 1 :]]
    bare = [*bars[:place], Bar(bars[place].close_at, close), *bars[place + 1 :]]
    assert identity(market.state) == identity(folded(whole, ADAPTIVE)) != identity(folded(bare, ADAPTIVE))


def test_what_is_too_old_is_not_revised() -> None:
    bars, market = plain(300), Market()
    market.send(bars)
    (verdict,) = market.send([bars[-2 - WINDOW_BARS]._replace(close=1.0)], revise=True).verdicts
    assert (verdict.outcome, "too old" in verdict.detail) == (PointOutcome.CONFLICT, True)
    assert market.outcomes([bars[10]._replace(close=1.0)], revise=True) == ["out_of_order"]


def test_a_revision_within_one_call_takes_the_later_value() -> None:
    bars, market = plain(30), Market()
    corrected = bars[-1]._replace(close=90.0)
    assert market.outcomes([*bars, corrected], revise=True)[-2:] == ["accepted", "revised"]
    assert identity(market.state) == identity(folded([*bars[:-1], corrected], EWMA))


def test_an_announced_split_mends_all_bars_since() -> None:
    bars = [bar._replace(volume=100.0) for bar in plain(60)]
    halved, market = split_bars(bars, 50), Market()
    assert market.outcomes(halved[:51]) == ["accepted"] * 50 + ["corporate_action"]
    assert market.outcomes([halved[50]]) == ["corporate_action"]
    assert market.state.last_close == bars[49].close
    market.send(halved[51:53])
    announced = halved[50]._replace(split=2.0)
    assert market.outcomes([announced]) == ["revised"]
    assert market.outcomes(halved[53:]) == ["accepted"] * 7
    expected = [*halved[:50], announced, *halved[51:]]
    assert identity(market.state) == identity(folded(expected, EWMA))
    unsplit = folded(bars, EWMA)
    assert market.state.memory == pytest.approx(unsplit.memory, rel=1e-12)


def test_a_held_bar_is_judged_again_when_an_earlier_one_comes() -> None:
    bars = [bar._replace(volume=100.0) for bar in plain(52)]
    fall = bars[50]._replace(close=bars[49].close * 0.7, volume=140.0)
    half = bars[51]._replace(close=bars[49].close * 0.5, volume=200.0)
    market = Market()
    market.send(bars[:50])
    assert market.outcomes([half]) == ["corporate_action"]
    assert market.outcomes([fall]) == ["merged"]
    assert identity(market.state) == identity(folded([*bars[:50], fall, half], EWMA))
    assert market.state.last_close == half.close


def test_bars_off_the_clock_of_either_neighbour_are_refused() -> None:
    bars, market = plain(80), Market()
    market.send(bars[:40] + bars[42:])
    for offset, outcome in ((0.5, "off_clock"), (0.11, "off_clock"), (0.09, "merged")):
        late = bars[40]._replace(close_at=bars[40].close_at + offset * DAY)
        assert market.outcomes([late]) == [outcome]
    assert market.outcomes([Bar(bars[-1].close_at + 1.5 * DAY, 100.0)]) == ["off_clock"]
    assert market.outcomes([bars[40]._replace(close_at=bars[40].close_at + 60.0)]) == ["duplicate"]


def test_jitter_of_a_twentieth_of_a_bar_changes_no_verdict() -> None:
    rng = np.random.default_rng(9)
    bars = [bar._replace(close_at=bar.close_at + DAY * rng.uniform(-0.05, 0.05)) for bar in plain(150)]
    market, order = Market(), np.argsort(np.arange(150) + rng.uniform(0.0, 40.0, 150)).tolist()
    outcomes = [market.outcomes([bars[index]])[0] for index in order]
    assert set(outcomes) == {"accepted", "gap_filled", "gap_reset", "merged"}
    assert identity(market.state) == identity(folded(bars, EWMA))


def test_sessions_merge_in_order_of_time() -> None:
    calendar = Calendar("XNYS")
    days = [place for place in range(120) if place % 7 < 5]
    bars = [bar._replace(close_at=START + DAY * day) for bar, day in zip(plain(len(days)), days, strict=True)]
    market, order = Market(calendar=calendar), np.random.default_rng(2).permutation(len(bars)).tolist()
    for index in order[:60]:
        market.send([bars[index]])
    market.send([bars[index] for index in order])
    assert identity(market.state) == identity(folded(bars, EWMA, calendar=calendar))


def test_rules_that_hold_for_a_point_alone() -> None:
    bars, market = plain(40), Market()
    market.send(bars)
    later = Bar(bars[-1].close_at + DAY, 100.0)
    for close in (0.0, -1.0, math.nan, math.inf):
        assert market.outcomes([later._replace(close=close)]) == ["invalid_price"]
    for name, (low, high) in USABLE.items():
        for bad in (low - 1e-9, -1.0, math.nextafter(high, math.inf), math.inf):
            (verdict,) = market.send([later._replace(**{name: bad})]).verdicts
            assert (verdict.outcome, name in verdict.detail) == (PointOutcome.INVALID_PRICE, True)
    points = [Observed(later)]
    early = observe(market.state, market.replay, points, estimator=EWMA, now=later.close_at - 1.0)
    assert [verdict.outcome.value for verdict in early.verdicts] == ["unfinished"]
    other = observe(market.state, market.replay, points, estimator=EWMA, calendar=Calendar("FX"))
    assert [verdict.outcome.value for verdict in other.verdicts] == ["calendar_conflict"]
    assert market.send([]).verdicts == []


def test_foreign_bytes_are_refused() -> None:
    market, other = Market(), Market()
    market.send(plain(70), "a")
    other.send(plain(71), "b")
    head = head_bytes(market.state)
    data = replay_bytes(market.replay, head)
    again = replay_from_bytes(data, head)
    assert replay_bytes(again, head) == data
    assert again.sources == ("a",) * 70
    for bad in (b"", b"TVR0" + data[4:], data[:-1], data + b"\0", data[:20]):
        with pytest.raises(ValueError, match="replay"):
            replay_from_bytes(bad, head)
    with pytest.raises(ValueError, match="does not belong"):
        replay_from_bytes(data, head_bytes(other.state))
    empty = replay_from(market.state)
    assert isinstance(replay_from_bytes(replay_bytes(empty, head), head), Replay)
