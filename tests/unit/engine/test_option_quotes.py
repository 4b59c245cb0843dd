"""Option rows that take volatility, forward and skew from the quotes of their underlying."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.core.book import OwnGreeks, Row
from services.core.instrument import Instrument, Kind, Right
from services.core.outcome import Reason
from services.engine.option_legs import row_greeks
from services.engine.option_quotes import OptionChain, QuotedRows, RowVolatility, quoted_rows
from services.options.black import black_greeks, black_price
from services.options.chain import ChainRules
from services.options.surfaces.joint_svi import JointSvi
from services.options.svi import total_variance
from tests.support.books import row
from tests.support.surfaces import AS_OF, FORWARD, chain, smile_parameters

NOW = datetime.fromtimestamp(AS_OF, UTC)
MONTH = 30.0


def option(strike: float = 55_000.0, days: float = MONTH, **changes: Any) -> Row:
    averaged = changes.pop("averaged", False)
    contract = Instrument(
        symbol="OPT",
        kind=Kind.OPTION,
        underlying="A",
        strike=strike,
        expiry=NOW + timedelta(days=days),
        right=Right.CALL,
        averaged_settlement=averaged,
    )
    return row("OPT", quantity="-2", price=None, instrument=contract, market_key="A", **changes)


def posted(**changes: Any) -> OptionChain:
    fields = {"underlying": "A", "quotes": chain(), "rules": ChainRules(), "method": JointSvi(), **changes}
    return OptionChain(**fields)


def read(*rows: Row, **changes: Any) -> QuotedRows:
    return quoted_rows(rows, [posted(**changes)], NOW)


def only(found: QuotedRows) -> RowVolatility:
    (volatility,) = found.volatilities
    return volatility


def true_volatility(strike: float, days: float) -> float:
    years = days / 365.0
    return float(np.sqrt(total_variance(smile_parameters(days), np.log(strike / FORWARD)) / years))


@pytest.mark.parametrize("strike", [45_000.0, 50_000.0, 56_500.0])
def test_a_row_takes_the_smile_that_the_prices_were_made_of(strike: float) -> None:
    found = read(option(strike))
    volatility, filled = only(found), found.rows[0]
    assert (volatility.source, volatility.forward_source, volatility.extrapolated) == ("surface", "quotes", False)
    assert filled.implied_volatility == pytest.approx(true_volatility(strike, MONTH), abs=1e-3)
    assert (filled.forward, filled.skew_slope) == (FORWARD, 0.0)
    assert volatility.confidence == 1.0


def test_what_a_row_brings_wins() -> None:
    own = only(read(option(implied_volatility=0.9)))
    assert (own.source, own.volatility, own.forward, own.forward_source) == ("position", 0.9, FORWARD, "quotes")
    named = only(read(option(forward=49_000.0, forward_given=True)))
    assert (named.forward, named.forward_source, named.source) == (49_000.0, "position", "surface")
    assert named.volatility == pytest.approx(true_volatility(55_000.0, MONTH), abs=1e-3)
    stood_in = only(read(option(forward=48_000.0)))
    assert (stood_in.forward, stood_in.forward_source) == (FORWARD, "quotes")


def test_nothing_is_fitted_for_rows_that_need_nothing() -> None:
    complete = option(implied_volatility=0.9, forward=49_000.0, forward_given=True)
    brought = option(own_greeks=OwnGreeks(delta=1.0))
    gone = option(problem=Reason.EXPIRED)
    found = read(complete, brought, gone, row("A"))
    assert [item.source for item in found.volatilities] == ["position", "greeks"]
    assert (found.chains[0].used, found.chains[0].surface) == (False, None)
    assert found.rows == (complete, brought, gone, row("A"))
    assert read(complete, stickiness=1.0).chains[0].used


def test_a_chain_is_that_of_the_underlying_else_of_the_base_currency() -> None:
    contract = replace(option().instrument, base_currency="COIN")
    coin = posted(underlying="COIN", quotes=replace(chain(), forward=np.full(chain().strike.size, 51_000.0)))
    asked = replace(option(), instrument=contract)
    both = quoted_rows((asked,), [coin, posted()], NOW)
    assert [item.used for item in both.chains] == [False, True]
    assert quoted_rows((asked,), [coin], NOW).rows[0].forward == 51_000.0
    foreign = quoted_rows((asked,), [posted(underlying="B")], NOW)
    assert (only(foreign).source, foreign.rows[0].implied_volatility) == ("none", None)
    assert "option_quotes" in only(foreign).detail


def test_without_a_usable_quote_the_greeks_stay_unknown() -> None:
    dead = replace(chain(), bid=np.zeros(chain().strike.size))
    found = read(option(forward=48_000.0), quotes=dead)
    assert (only(found).source, found.rows[0].implied_volatility) == ("none", None)
    assert (only(found).forward, only(found).forward_source) == (48_000.0, "underlying")
    assert row_greeks(found.rows, [-2.0], NOW) == [None]
    own = read(option(implied_volatility=0.5, forward=48_000.0), quotes=dead)
    assert (only(own).source, only(own).detail) == ("position", "")


def test_old_quotes_are_dropped_and_ageing_ones_told() -> None:
    size = chain().strike.size
    ageing = read(
        option(), quotes=replace(chain(), age_seconds=np.full(size, 70.0)), rules=ChainRules(max_age_seconds=100.0)
    )
    assert (only(ageing).old, only(ageing).age_seconds) == (True, 70.0)
    assert only(ageing).confidence == pytest.approx(0.3)
    gone = read(
        option(), quotes=replace(chain(), age_seconds=np.full(size, 101.0)), rules=ChainRules(max_age_seconds=100.0)
    )
    assert only(gone).source == "none"


def test_between_and_beyond_the_expiries() -> None:
    forwards = np.where(chain().expiry < AS_OF + 20 * 86_400, 50_000.0, 51_000.0)
    quotes = replace(chain(days=(7.0, 30.0)), forward=forwards[: chain(days=(7.0, 30.0)).strike.size])
    between, later = (only(read(option(days=days), quotes=quotes)) for days in (18.5, 60.0))
    assert between.forward == pytest.approx(np.sqrt(50_000.0 * 51_000.0))
    assert (between.forward_source, between.extrapolated) == ("interpolated", False)
    assert (later.forward, later.extrapolated) == (pytest.approx(51_000.0), True)
    assert only(read(option(strike=200_000.0))).extrapolated


def test_an_expiry_too_near_to_be_fitted_keeps_its_listed_forward() -> None:
    near = chain(days=(0.5,))
    both = {
        name: np.concatenate([getattr(near, name), getattr(chain(), name)])
        for name in ("expiry", "strike", "right", "forward", "bid", "ask", "mark", "volatility", "age_seconds")
    }
    both["forward"][: near.strike.size] = 50_123.0
    found = only(read(option(strike=50_000.0, days=0.5), quotes=replace(chain(), **both)))
    assert (found.forward, found.forward_source, found.extrapolated) == (50_123.0, "quotes", True)


def test_a_volatility_beyond_all_bounds_is_none() -> None:
    """Wings as steep as Lee allows, read where nobody trades."""
    week = chain(days=(7.0,))
    steep = np.sqrt((0.005 + 1.5 * np.abs(np.log(week.strike / FORWARD))) * 365.0 / 7.0)
    found = read(option(strike=1e12, days=7.0), quotes=replace(week, volatility=steep))
    assert (only(found).source, found.rows[0].implied_volatility) == ("none", None)
    assert "outside" in only(found).detail


def test_skew_bends_the_delta_by_the_chain_rule() -> None:
    """Of an option whose smile moves with the price: dV/dF by a difference, the volatility read again at each F."""
    c = 1.0
    found = read(option(strike=52_000.0), stickiness=c)
    asked, volatility = found.rows[0], only(found)
    assert volatility.skew is not None
    assert asked.skew_slope == -c * volatility.skew
    (greeks,) = row_greeks(found.rows, [-2.0], NOW)
    assert greeks is not None
    step, years, surface = 1.0, MONTH / 365.0, found.chains[0].surface
    assert surface is not None
    values = []
    for moved in (FORWARD - step, FORWARD + step):
        sliding = float(np.sqrt(surface.total_variance(np.log(52_000.0 / moved), years) / years))
        values.append(float(black_price(moved, 52_000.0, years, sliding, 1)))
    assert greeks.delta == pytest.approx(-2.0 * (values[1] - values[0]) / (2 * step), rel=1e-6)
    black = -2.0 * float(black_greeks(FORWARD, 52_000.0, years, volatility.volatility or 0.0, 1).delta)
    assert greeks.delta_black == pytest.approx(black)
    assert greeks.skew_delta == pytest.approx(greeks.delta - black)


def test_a_position_fades_in_the_settlement_window_of_its_instrument() -> None:
    minutes = 15 / 1440
    known = {"implied_volatility": 0.6, "forward": 50_000.0}
    full, faded = (option(50_000.0, minutes, averaged=flag, **known) for flag in (False, True))
    whole, half = row_greeks((full, faded), [-2.0, -2.0], NOW)
    assert whole is not None
    assert half is not None
    assert half.delta == pytest.approx(0.5 * whole.delta)
