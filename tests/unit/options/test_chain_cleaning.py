"""Bad quotes: each has its reason, and what is left fits as if they had never been sent."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.black import black_price
from services.options.chain import FAULT_TEXT, ChainRules, QuoteFault, Quotes
from services.options.chain_cleaning import clean_chain
from services.options.forwards import parity
from services.options.surface import Surface
from services.options.surface_fit import fit_surface
from services.options.surfaces.flat import Flat
from services.options.svi import total_variance
from tests.support.surfaces import AS_OF, DAYS, FORWARD, chain, changed, smile_parameters

NAN = float("nan")
RULES = ChainRules(max_age_seconds=600.0)


def faults_of(quotes: Quotes, rules: ChainRules = RULES) -> dict[int, QuoteFault]:
    return {row: fault for row, fault in enumerate(clean_chain(quotes, AS_OF, rules).faults) if fault is not None}


def fitted(quotes: Quotes, rules: ChainRules = RULES) -> Surface:
    return fit_surface(clean_chain(quotes, AS_OF, rules))


def worst_error(surface: Surface) -> float:
    """Volatility points by which the surface misses the smiles that the chain was made of."""
    worst = 0.0
    for part in surface.slices:
        days = (part.expiry - AS_OF) / 86_400.0
        k = np.linspace(-1.5, 1.5, 31) * 0.6 * np.sqrt(part.time_to_expiry)
        true = np.sqrt(total_variance(smile_parameters(days), k) / part.time_to_expiry)
        worst = max(worst, 100.0 * float(np.abs(part.volatility(k) - true).max()))
    return worst


def joined(quotes: Quotes, **row: float) -> Quotes:
    """One more quote: the first one, changed."""
    names = [field.name for field in fields(quotes) if field.name != "in_base"]
    columns = {name: np.append(getattr(quotes, name), row.get(name, float(getattr(quotes, name)[0]))) for name in names}
    return Quotes(**columns, in_base=quotes.in_base)


@pytest.mark.parametrize("in_base", [False, True])
def test_a_clean_chain_is_used_whole(in_base: bool) -> None:
    quotes = chain(in_base=in_base)
    assert faults_of(quotes) == {}
    surface = fitted(quotes)
    assert worst_error(surface) < 0.05
    assert [part.inside for part in surface.slices] == [1.0, 1.0, 1.0]
    assert [part.strikes for part in surface.slices] == [13, 13, 13]


@pytest.mark.parametrize(
    ("figures", "fault"),
    [
        ({"expiry": AS_OF}, QuoteFault.EXPIRED),
        ({"expiry": AS_OF - 1.0}, QuoteFault.EXPIRED),
        ({"age_seconds": 601.0}, QuoteFault.STALE),
        ({"bid": NAN, "ask": NAN}, QuoteFault.NO_PRICE),
        ({"bid": 0.0, "ask": 0.0}, QuoteFault.NO_PRICE),
        ({"bid": 0.0}, QuoteFault.NO_BID),
        ({"bid": NAN}, QuoteFault.NO_BID),
        ({"ask": NAN}, QuoteFault.NO_ASK),
        ({"ask": 0.0}, QuoteFault.NO_ASK),
        ({"bid": 1_000.0, "ask": 999.0}, QuoteFault.CROSSED),
        ({"bid": 60_000.0, "ask": 61_000.0}, QuoteFault.ABOVE_MAXIMUM),
        ({"bid": 44_000.0, "ask": 44_200.0}, QuoteFault.VOLATILITY_OUT_OF_RANGE),
        ({"expiry": AS_OF + 43_200.0, "strike": 49_900.0}, QuoteFault.TOO_NEAR),
    ],
)
def test_one_bad_quote_has_its_reason_and_the_rest_fits(figures: dict[str, float], fault: QuoteFault) -> None:
    quotes = changed(chain(), 3, **figures)
    assert faults_of(quotes) == {3: fault}
    assert worst_error(fitted(quotes)) < 0.05


def test_below_intrinsic_in_the_money_without_a_twin() -> None:
    """A put struck at 60,000 for 9,000 on a forward of 50,000; its twin was not sent."""
    quotes = joined(chain(), strike=60_000.0, right=-1.0, bid=8_990.0, ask=9_010.0)
    assert faults_of(quotes) == {39: QuoteFault.BELOW_INTRINSIC}
    assert worst_error(fitted(quotes)) < 0.05
    exact = joined(chain(), strike=60_000.0, right=-1.0, bid=9_990.0, ask=10_010.0)
    assert faults_of(exact) == {39: QuoteFault.NO_TIME_VALUE}


def test_an_option_in_the_money_stands_in_for_a_twin_that_was_not_sent() -> None:
    years = DAYS[0] / 365.0
    volatility = float(np.sqrt(total_variance(smile_parameters(DAYS[0]), np.log(1.12)) / years))
    sides = [float(black_price(FORWARD, 56_000.0, years, volatility + step, -1)) for step in (-0.005, 0.005)]
    quotes = joined(chain(), strike=56_000.0, right=-1.0, bid=sides[0], ask=sides[1])
    assert faults_of(quotes) == {}
    assert fitted(quotes).slices[0].strikes == 14
    assert worst_error(fitted(quotes)) < 0.05


def test_both_sides_of_every_strike_use_those_out_of_the_money() -> None:
    quotes = chain(both=True)
    found = faults_of(quotes)
    assert set(found.values()) == {QuoteFault.TWIN_PREFERRED}
    assert len(found) == 39
    inside = quotes.right[list(found)] * (quotes.strike[list(found)] - FORWARD)
    assert inside.max() <= 0.0


def test_of_duplicates_the_newest_counts_else_the_last() -> None:
    quotes = replace(chain(), age_seconds=np.full(39, 60.0))
    newer = joined(quotes, bid=1.0, ask=500.0, age_seconds=5.0)
    assert faults_of(newer) == {0: QuoteFault.DUPLICATE}
    older = joined(quotes, bid=1.0, ask=500.0, age_seconds=500.0)
    assert faults_of(older) == {39: QuoteFault.DUPLICATE}
    same = joined(quotes, bid=1.0, ask=500.0)
    assert faults_of(same) == {0: QuoteFault.DUPLICATE}


def test_a_forward_that_one_quote_lacks_is_that_of_the_others() -> None:
    quotes = changed(chain(), 3, forward=NAN)
    assert faults_of(quotes) == {}
    assert clean_chain(quotes, AS_OF).expiries[0].forward_source == "given"


def test_forwards_of_stale_quotes_fill_no_gap_that_newer_ones_can() -> None:
    quotes = chain()
    rows = np.flatnonzero(quotes.expiry == quotes.expiry[0])
    for row in rows[3:].tolist():
        quotes = changed(quotes, row, forward=1.5 * FORWARD, age_seconds=9_000.0)
    told = clean_chain(quotes, AS_OF, RULES).expiries[0].forward
    gap = clean_chain(changed(quotes, int(rows[0]), forward=NAN), AS_OF, RULES).expiries[0]
    assert gap.log_moneyness.size == 3
    assert gap.log_moneyness == pytest.approx(np.log(gap.strike / told))


@pytest.mark.parametrize("in_base", [False, True])
def test_a_missing_forward_comes_from_parity(in_base: bool) -> None:
    quotes = replace(chain(both=True, in_base=in_base), forward=np.full(78, NAN))
    found = clean_chain(quotes, AS_OF)
    assert [part.forward_source for part in found.expiries] == ["parity"] * 3
    assert [part.forward for part in found.expiries] == pytest.approx([FORWARD] * 3, rel=2e-5)
    assert worst_error(fitted(quotes)) < 0.1


def test_a_missing_forward_without_pairs_drops_its_expiry_only() -> None:
    quotes = chain()
    forward = quotes.forward.copy()
    forward[:13] = NAN
    found = faults_of(replace(quotes, forward=forward))
    assert set(found) == set(range(13))
    assert set(found.values()) == {QuoteFault.FORWARD_UNKNOWN}
    assert len(fitted(replace(quotes, forward=forward)).slices) == 2


def test_parity_withstands_a_quarter_of_bad_quotes_and_finds_the_discount() -> None:
    strikes = np.arange(80.0, 121.0, 2.0)
    difference = 0.97 * (103.0 - strikes)
    difference[::5] += 20.0
    found = parity(strikes, difference + 30.0, np.full(strikes.shape, 30.0), in_base=False, discount=None)
    assert found is not None
    assert found.forward == pytest.approx(103.0, abs=1e-9)
    assert found.discount == pytest.approx(0.97, abs=1e-9)
    assert parity(np.array([]), np.array([]), np.array([]), in_base=False, discount=None) is None


def test_a_mark_is_fitted_between_bid_and_ask_and_no_other() -> None:
    quotes = chain()
    inside = changed(quotes, 4, mark=float(quotes.bid[4] * 0.2 + quotes.ask[4] * 0.8))
    outside = changed(quotes, 4, mark=float(quotes.ask[4] * 1.5))
    middle, marked, left_out = (clean_chain(each, AS_OF).expiries[0].volatility for each in (quotes, inside, outside))
    assert marked[4] > middle[4]
    assert np.array_equal(left_out, middle)


def test_a_mark_alone_is_enough_and_a_volatility_too() -> None:
    quotes = chain()
    middle = (quotes.bid + quotes.ask) / 2.0
    none = np.full(39, NAN)
    marks = replace(quotes, bid=none, ask=none, mark=middle)
    assert faults_of(marks) == {}
    assert worst_error(fitted(marks)) < 0.05
    assert fitted(marks).slices[0].inside is None
    solved = np.concatenate([part.volatility for part in clean_chain(quotes, AS_OF).expiries])
    sent = replace(quotes, bid=none, ask=none, volatility=solved)
    assert worst_error(fitted(sent)) < 0.05


def test_age_lowers_confidence_and_few_strikes_do() -> None:
    quotes = replace(chain((30.0,)), age_seconds=np.full(13, 150.0))
    part = fitted(quotes).slices[0]
    assert (part.age_seconds, part.confidence) == (150.0, 0.75)
    assert fitted(quotes, ChainRules()).slices[0].confidence == 1.0
    keep = np.array([2, 6, 10])
    names = [field.name for field in fields(quotes) if field.name != "in_base"]
    thin = Quotes(**{name: getattr(quotes, name)[keep] for name in names})
    assert fitted(thin).slices[0].confidence == pytest.approx(0.3 * 0.75)


def test_a_single_strike_is_a_flat_smile() -> None:
    quotes = chain((30.0,))
    names = [field.name for field in fields(quotes) if field.name != "in_base"]
    one = Quotes(**{name: getattr(quotes, name)[6:7] for name in names})
    part = fitted(one).slices[0]
    assert (part.family, part.strikes) == ("flat", 1)
    assert float(part.volatility(0.0)) == pytest.approx(0.6, abs=0.002)


def test_all_bad_is_no_surface() -> None:
    quotes = chain()
    nothing = clean_chain(replace(quotes, bid=np.zeros(39)), AS_OF)
    assert nothing.expiries == ()
    assert set(nothing.faults) == {QuoteFault.NO_BID}
    with pytest.raises(InvalidInput, match="usable"):
        fit_surface(nothing)


def test_everything_at_once() -> None:
    quotes = chain()
    for row, figures in {
        1: {"bid": 0.0},
        4: {"ask": NAN},
        8: {"age_seconds": 1e6},
        15: {"bid": 9e3, "ask": 8e3},
        20: {"expiry": AS_OF - 5.0},
        30: {"bid": NAN, "ask": NAN},
    }.items():
        quotes = changed(quotes, row, **figures)
    assert {row: fault.value for row, fault in faults_of(quotes).items()} == {
        1: "no_bid",
        4: "no_ask",
        8: "stale",
        15: "crossed",
        20: "expired",
        30: "no_price",
    }
    assert worst_error(fitted(quotes)) < 0.05


def test_flat_levels_ascend() -> None:
    surface = fit_surface(clean_chain(chain(), AS_OF), Flat())
    levels: Floats = total_variance(surface.raw, np.zeros((3, 1)))[:, 0]
    assert np.all(np.diff(levels) > 0.0)
    assert {part.family for part in surface.slices} == {"flat"}


def test_every_fault_is_explained() -> None:
    assert set(FAULT_TEXT) == set(QuoteFault)


@pytest.mark.parametrize(
    ("columns", "name"),
    [({"right": np.zeros(39)}, "right"), ({"strike": np.zeros(39)}, "quotes"), ({"bid": np.ones(3)}, "quotes")],
)
def test_columns_that_are_no_chain_are_refused(columns: dict[str, Floats], name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        clean_chain(replace(chain(), **columns), AS_OF)
