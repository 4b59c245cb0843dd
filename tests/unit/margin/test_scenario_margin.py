"""Scenario margin against a slow reference, a second pricing library and published figures; its edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it
from scipy.special import ndtri

from services.core.errors import InvalidInput
from services.margin.scenario_book import (
    Collateral,
    ExpiryFeed,
    LinearColumns,
    OptionColumns,
    ScenarioBook,
    UnderlyingBook,
)
from services.margin.scenario_linear import linear_moves, linear_scenario_margins
from services.margin.scenario_margin import ScenarioMargin, scenario_margin
from services.margin.scenario_netting import netted_rows
from services.margin.scenario_preset import (
    Contingencies,
    MinimumDelta,
    RegimeRange,
    RollShock,
    Scenario,
    ScenarioPreset,
    SkewShock,
    StaticDiscount,
    VolatilityShock,
)
from services.margin.scenario_presets import DERIBIT_LIKE, DERIVE_PMRM2, PARADEX_24, PRESETS, REGIME, SPAN16
from services.margin.scenario_pricing import BLOCK, option_values
from services.margin.scenario_rows import scenario_rows
from tests.support.scenario_books import book_from, option_columns, random_portfolio, reference_parameters
from tests.support.scenario_reference import reference_margin

DAY = 86_400.0
YEAR = 365.0 * DAY
BARE = Contingencies(perpetual_maintenance=0.0, perpetual_initial=0.0, option_maintenance=0.0, option_initial=0.0)


def option(strike: float, kind: str, quantity: float, seconds: float = 30 * DAY, volatility: float = 0.6) -> Any:
    return {"strike": strike, "type": kind, "qty": quantity, "expiry_s": seconds, "vol": volatility}


def underlying(*options: Any, forward: float = 60_000.0, rate: float = 0.0, **changes: Any) -> UnderlyingBook:
    feeds = [
        ExpiryFeed(seconds=seconds, forward=forward, rate=rate)
        for seconds in sorted({one["expiry_s"] for one in options})
    ]
    terms = {"name": "BTC", "spot": 60_000.0, "expiries": tuple(feeds), "options": option_columns(list(options))}
    return UnderlyingBook(**{**terms, **changes})


def margin(*books: UnderlyingBook, preset: ScenarioPreset = DERIVE_PMRM2, **account: Any) -> ScenarioMargin:
    return scenario_margin(ScenarioBook(underlyings=books, **account), preset)


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_slow_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    portfolio = random_portfolio(rng, options=int(rng.integers(0, 40)))
    portfolio["spot_conf"], portfolio["perp_conf"] = rng.uniform(0.3, 1.0, 2).tolist()
    portfolio["stable"] = float(rng.choice([1.0, 0.96]))
    for feed in portfolio["feeds"]:
        feed["conf"] = float(rng.uniform(0.3, 1.0))
    found, expected = (
        scenario_margin(book_from(portfolio), DERIVE_PMRM2),
        reference_margin(portfolio, reference_parameters()),
    )
    np.testing.assert_allclose(found.pnl, expected["scenario_pnl"], rtol=1e-10, atol=1e-6)
    assert found.net_initial == pytest.approx(expected["net_im"], rel=1e-11, abs=1e-6)
    assert found.net_maintenance == pytest.approx(expected["net_mm"], rel=1e-11, abs=1e-6)
    assert found.equity == pytest.approx(expected["equity"], rel=1e-12)
    assert found.basis == pytest.approx(expected["basis"], rel=1e-10, abs=1e-7)


def test_values_agree_with_quantlib_over_several_blocks() -> None:
    rng = np.random.default_rng(7)
    portfolio = random_portfolio(rng, options=2 * BLOCK + 40, expiries=5)
    for one in portfolio["options"]:
        one["strike"] = float(rng.uniform(20_000.0, 150_000.0))
    book = book_from(portfolio).underlyings[0]
    rows = scenario_rows(DERIVE_PMRM2, 0.18)
    found = option_values(book, DERIVE_PMRM2, rows)
    for row in (rows.base, int(rows.row[22]), int(rows.row[30])):
        state = next(one for one, first, end in rows.spans if first <= row < end)
        for place, seconds in enumerate(found.expiries.seconds.tolist()):
            total = 0.0
            for one in (leg for leg in portfolio["options"] if leg["expiry_s"] == seconds):
                payoff = ql.PlainVanillaPayoff(
                    ql.Option.Call if one["type"] == "call" else ql.Option.Put, one["strike"]
                )
                volatility = one["vol"]
                if state == 1:
                    ratio = 30 * DAY / max(seconds, DAY)
                    volatility = max(0.4, volatility * (1 + 0.5 * ratio ** (0.3 if seconds <= 30 * DAY else 0.13)))
                forward = found.expiries.forward[place] * (1.0 + min(seconds / 1_800.0, 1.0) * (rows.shock[row] - 1.0))
                deviation = volatility * (seconds / YEAR) ** 0.5
                discount = float(np.exp(-0.03 * seconds / YEAR))
                total += one["qty"] * ql.BlackCalculator(payoff, float(forward), deviation, discount).value()
            assert found.value[row, place] == pytest.approx(total, rel=1e-10, abs=1e-6)


def test_scenarios_of_each_preset() -> None:
    sizes = {name: scenario_rows(preset, preset.price_range).move.size for name, preset in PRESETS.items()}
    assert sizes == {"derive_pmrm2": 33, "deribit_like": 35, "paradex_24": 24, "span16": 16, "regime": 33}


def test_mainnet_damping_of_the_tails() -> None:
    rows = scenario_rows(DERIVE_PMRM2, 0.18)
    np.testing.assert_allclose(
        rows.damping[23:31], [0.21, 0.42, 0.2772, 0.1386, 0.0693, 0.0462, 0.03465, 0.02772], rtol=1e-12
    )
    np.testing.assert_allclose(1.0 + rows.move[23:31], [0.34, 0.67, 1.5, 2, 3, 4, 5, 6], rtol=1e-12)


def test_least_delta_of_the_venue_s_own_example() -> None:
    """Paradex: long 1 perpetual, short 5 calls of delta 0.3 at 70,000: net 0.5, gross 2.5, hedged 1."""
    deviation = 0.6 * (30 / 365) ** 0.5
    strike = 70_000.0 * float(np.exp(-deviation * ndtri(0.3) + 0.5 * deviation**2))
    book = underlying(
        option(strike, "call", -5.0), forward=70_000.0, spot=70_000.0, linear=LinearColumns.perpetual(1.0, 70_000.0)
    )
    charge = (0.02 * 0.5 + 0.01 * 1.0) * 70_000.0
    found = margin(book, preset=PARADEX_24)
    assert found.least_delta == pytest.approx(charge, rel=1e-12)
    calm = replace(PARADEX_24, scenarios=(Scenario(move=0.001),))
    bound = margin(book, preset=calm)
    assert (bound.bound, bound.scenario) == ("minimum_delta", None)
    assert bound.initial == pytest.approx(charge, rel=1e-12)
    assert bound.maintenance == pytest.approx(0.5 * charge, rel=1e-12)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_worst_is_the_largest_loss_and_not_the_largest_profit(side: float) -> None:
    book = underlying(linear=LinearColumns.perpetual(side, 60_000.0))
    found = margin(book, preset=SPAN16)
    assert found.scenario is not None
    assert side * found.underlyings[0].rows.move[found.scenario] < 0.0
    assert found.worst == pytest.approx(-0.1 * 60_000.0)
    assert found.initial == pytest.approx(1.1 * found.maintenance)


@pytest.mark.parametrize("days", [1.0, 30.0, 100.0, 700.0])
@pytest.mark.parametrize("quantity", [1.0, -1.0])
def test_the_static_discount_never_flatters(days: float, quantity: float) -> None:
    """The venue's script holds the two bases the other way round, which does for less than about 0.3 years."""
    preset = ScenarioPreset(name="still", scenarios=(Scenario(),), discount=StaticDiscount(), contingencies=BARE)
    book = underlying(option(60_000.0, "call", quantity, days * DAY), rate=0.05)
    found = margin(book, preset=preset)
    assert found.worst < 0.0
    worth = float(found.underlyings[0].value)
    if quantity > 0.0:
        assert -found.worst / worth == pytest.approx(1 - 0.95 * np.exp(-0.16 * days / 365))
    else:
        forward = np.exp(0.05 * days / 365)
        assert found.worst / worth == pytest.approx(min(forward, 1.05 * np.exp(0.16 * days / 365)) - 1)


def test_a_long_box_is_worth_its_discounted_width() -> None:
    box = [(50_000.0, "call", 1.0), (50_000.0, "put", -1.0), (70_000.0, "call", -1.0), (70_000.0, "put", 1.0)]
    book = underlying(*(option(*terms) for terms in box), rate=0.03)
    found = margin(book)
    width = 20_000.0 * float(np.exp(-0.03 * 30 / 365))
    assert found.equity == pytest.approx(width, rel=1e-14)
    undiscounted = margin(book, preset=replace(DERIVE_PMRM2, discount=None))
    assert undiscounted.initial == pytest.approx(0.0, abs=1e-9)
    assert found.charges == ()


def test_call_and_put_of_one_strike_cover_each_other() -> None:
    spread = margin(underlying(option(60_000.0, "call", -3.0), option(60_000.0, "put", 2.0)))
    (charge,) = spread.charges
    assert (charge.kind, charge.maintenance) == ("naked_shorts", pytest.approx(0.003 * 60_000.0))
    naked = margin(underlying(option(60_000.0, "call", -3.0), option(61_000.0, "put", 2.0)))
    assert naked.charges[0].maintenance == pytest.approx(3 * 0.003 * 60_000.0)


def test_origins_add_up_and_are_taylor_s_for_small_moves() -> None:
    moves = tuple(Scenario(move=move, volatility=state) for move in (1e-4, -1e-4) for state in ("none", "up"))
    preset = ScenarioPreset(
        name="small",
        scenarios=moves,
        volatility=VolatilityShock(up=1e-3, down=1e-3, least_up=0.0),
        skew=SkewShock(),
        discount=StaticDiscount(),
    )
    book = underlying(
        option(60_000.0, "call", -1.0),
        option(40_000.0, "put", 2.0, 90 * DAY),
        linear=LinearColumns.perpetual(0.3, 60_000.0),
        collateral=(Collateral(amount=0.5, price=60_000.0, risk_cancelling=True),),
    )
    (part,) = margin(book, preset=preset).underlyings
    np.testing.assert_allclose(part.origins.sum(axis=0), part.pnl, rtol=1e-12)
    assert (np.abs(part.origins[4, :4]) < 1e-2 * np.abs(part.origins[:3, :4]).sum(axis=0)).all()
    # A tilt of the smile is charged on the worse side of each expiry, so its parts turn around with it.
    assert (part.by_expiry[4:] <= 0.0).all()


def test_a_skew_charge_may_bind() -> None:
    reversal = underlying(option(45_000.0, "put", -20.0, 60 * DAY), option(80_000.0, "call", 20.0, 60 * DAY))
    hedged = replace(reversal, linear=LinearColumns.perpetual(-8.0, 60_000.0))
    quiet = replace(DERIVE_PMRM2, scenarios=(Scenario(),), basis=None, discount=None)
    found = margin(hedged, preset=quiet)
    assert found.bound == "skew"
    assert found.scenario in (1, 2)
    unskewed = replace(quiet, skew=None)
    assert margin(hedged, preset=unskewed).bound == "none"


def test_basis_may_bind() -> None:
    book = underlying(
        option(60_000.0, "call", 1.0, 700 * DAY),
        option(60_000.0, "put", -1.0, 700 * DAY),
        linear=LinearColumns.perpetual(-1.0, 60_000.0),
    )
    found = margin(book, preset=replace(DERIVE_PMRM2, discount=None, skew=None))
    assert (found.bound, found.scenario) == ("basis", None)
    years = 700 / 365
    assert found.worst == pytest.approx(-0.045 * 60_000.0 * (0.5 + 2 * years))


def test_past_expiry_an_option_is_its_pay_off_and_stands_still() -> None:
    found = margin(underlying(option(50_000.0, "call", 1.0, -60.0), option(65_000.0, "put", -1.0, -60.0)))
    assert found.equity == pytest.approx(10_000.0 - 5_000.0)
    assert np.ptp(found.pnl[:23]) == 0.0
    assert found.pnl[0] == pytest.approx(-0.05 * 5_000.0)


def test_no_volatility_is_the_discounted_pay_off() -> None:
    found = margin(underlying(option(50_000.0, "call", 1.0, YEAR, 0.0), rate=0.05))
    assert found.equity == pytest.approx(10_000.0 * np.exp(-0.05), rel=1e-13)
    at_the_money = margin(underlying(option(60_000.0, "call", 1.0, YEAR, 0.0)))
    assert at_the_money.equity == 0.0
    assert np.isfinite(at_the_money.underlyings[0].origins).all()


def test_only_the_part_of_a_delivery_price_that_is_not_averaged_moves() -> None:
    deep = option(1_000.0, "call", 1.0, 900.0)
    preset = replace(DERIVE_PMRM2, discount=None)
    (part,) = margin(underlying(deep), preset=preset).underlyings
    np.testing.assert_allclose(part.pnl[:23], 0.5 * 60_000.0 * part.rows.move[:23], atol=1e-6)
    future = LinearColumns(
        base=np.array([1.0]), price=np.array([60_000.0]), seconds=np.array([900.0]), spot=np.array([False])
    )
    (linear,) = margin(underlying(linear=future), preset=preset).underlyings
    np.testing.assert_allclose(linear.pnl[:23], 0.5 * 60_000.0 * linear.rows.move[:23])


@pytest.mark.parametrize("edge", [1_800.0, 30 * DAY, DAY])
@pytest.mark.parametrize("name", list(PRESETS))
def test_no_cliff_in_time(edge: float, name: str) -> None:
    """Less than 1e-4 of the margin within two seconds: the largest slope is that of an option about to settle."""
    around = []
    for seconds in (edge - 1.0, edge + 1.0):
        legs = [option(61_000.0, "call", -2.0, seconds), option(55_000.0, "put", -1.0, seconds, 0.8)]
        book = underlying(*legs, rate=0.03, linear=LinearColumns.perpetual(0.5, 60_000.0), volatility=0.7)
        around.append(margin(book, preset=PRESETS[name]).initial)
    assert abs(around[1] - around[0]) < (1e-3 if edge == 1_800.0 else 1e-4) * around[0]


def test_confidence_is_folded_in_block_by_block() -> None:
    coin = Collateral(amount=1.0, price=60_000.0, confidence=0.9)
    book = underlying(linear=LinearColumns.perpetual(-1.0, 60_000.0), collateral=(coin,), perpetual_confidence=0.3)
    doubts = {one.kind: one.initial for one in margin(book).charges}
    assert doubts["low_confidence"] == pytest.approx(0.7 * 60_000.0)
    both = margin(replace(book, spot_confidence=0.5)).charges
    assert {one.kind: one.initial for one in both}["low_confidence"] == pytest.approx((0.7 + 0.5) * 60_000.0)


def test_a_debt_of_coin_has_no_haircut() -> None:
    debt = Collateral(amount=-1.0, price=60_000.0, maintenance_haircut=0.1, initial_haircut=0.1, risk_cancelling=True)
    found = margin(underlying(collateral=(debt,)), cash=80_000.0)
    assert found.charges == ()
    assert found.equity == 20_000.0
    assert found.worst == pytest.approx(-0.18 * 60_000.0)


def test_roll_shock_nets_within_an_expiry_and_never_across() -> None:
    def future(base: float, days: float) -> tuple[float, float]:
        return base, days * DAY

    def charge(*held: tuple[float, float]) -> float:
        base, seconds = (np.array(column, dtype=np.float64) for column in zip(*held, strict=True))
        columns = LinearColumns(
            base=base, price=np.full(base.size, 100.0), seconds=seconds, spot=np.zeros(base.size, dtype=np.bool_)
        )
        book = UnderlyingBook(name="X", spot=100.0, linear=columns)
        return margin(book, preset=replace(DERIBIT_LIKE, roll=RollShock(least=0.01, risk=0.075))).roll

    assert charge(future(5.0, 7.0), future(-3.0, 90.0)) == pytest.approx(100.0 * 0.10547945205479452)
    assert charge(future(5.0, 7.0), future(-5.0, 7.0)) == 0.0


def test_linear_positions_are_clipped_where_the_venue_clips_them() -> None:
    book = underlying(linear=LinearColumns.perpetual(1.0, 60_000.0))
    assert margin(book, preset=DERIBIT_LIKE).worst == pytest.approx(-0.16 * 60_000.0)


def test_the_grid_follows_volatility() -> None:
    perpetual = LinearColumns.perpetual(1.0, 60_000.0)
    found = [margin(underlying(linear=perpetual, volatility=sigma), preset=REGIME) for sigma in (0.2, 0.6, 1.0, 3.0)]
    ranges = [one.underlyings[0].price_range for one in found]
    assert ranges == [pytest.approx(value) for value in (0.08, 4 * 0.6 * (2 / 365) ** 0.5, 4 * (2 / 365) ** 0.5, 0.4)]
    assert sorted(one.initial for one in found) == [one.initial for one in found]
    with pytest.raises(InvalidInput, match=r"BTC\.volatility must be given"):
        margin(underlying(linear=perpetual), preset=REGIME)


def test_underlyings_net_by_their_offsets() -> None:
    long = UnderlyingBook(name="BTC", spot=100.0, linear=LinearColumns.perpetual(1.0, 100.0))
    short = UnderlyingBook(name="ETH", spot=10.0, linear=LinearColumns.perpetual(-5.0, 10.0))
    worst = [
        margin(replace(long, netting_offset=share), replace(short, netting_offset=share)).worst
        for share in (0.0, 0.6, 1.0)
    ]
    assert worst == [pytest.approx(-18.0), pytest.approx(-18.0 + 0.6 * 9.0), pytest.approx(-9.0)]


def test_many_linear_accounts_at_once_are_margined_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    held, sigmas = rng.normal(0.0, 1e4, (40, 3)), [0.4, 0.7, 1.2]
    for preset, offsets in ((DERIVE_PMRM2, [0.0, 0.6, 1.0]), (REGIME, [1.0, 1.0, 1.0]), (SPAN16, [0.3, 0.3, 0.3])):
        found = linear_scenario_margins(held, linear_moves(preset, sigmas), preset, offsets=offsets)
        for row, account in enumerate(held):
            books = [
                UnderlyingBook(
                    name=str(place),
                    spot=50.0,
                    linear=LinearColumns.perpetual(value / 50.0, 50.0),
                    volatility=sigmas[place],
                    netting_offset=offsets[place],
                )
                for place, value in enumerate(account)
            ]
            one = margin(*books, preset=preset)
            assert found.initial[row] == pytest.approx(one.initial, rel=1e-12)
            assert found.maintenance[row] == pytest.approx(one.maintenance, rel=1e-12)
            assert found.worst[row] == pytest.approx(one.worst, rel=1e-12)
    alone = linear_scenario_margins(held[:, :1], linear_moves(DERIVE_PMRM2, [None]), DERIVE_PMRM2)
    np.testing.assert_allclose(alone.worst, -0.18 * np.abs(held[:, 0]), rtol=1e-12)


def nothing(**changes: Any) -> OptionColumns:
    terms = {"seconds": 1.0, "strike": 1.0, "right": 1.0, "quantity": 1.0, "volatility": 1.0}
    return OptionColumns(**{name: np.array([value]) for name, value in {**terms, **changes}.items()})


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: nothing(strike=-1.0), "options.strike must be > 0"),
        (lambda: nothing(volatility=-0.1), "options.volatility must be >= 0"),
        (lambda: nothing(quantity=np.nan), "options.quantity must be finite"),
        (lambda: nothing(right=0.5), "options.right must be"),
        (lambda: margin(underlying(spot_confidence=1.5)), r"spot_confidence must lie in \[0, 1\]"),
        (lambda: margin(underlying(option(1.0, "call", 1.0), expiries=())), "expiries of BTC must hold a feed"),
        (
            lambda: margin(underlying(option(1.0, "call", 1.0), expiries=(ExpiryFeed(seconds=5.0, forward=1.0),))),
            "no feed 2.592e\\+06 s ahead",
        ),
        (lambda: margin(underlying(), underlying()), "underlyings.name must be unique"),
        (lambda: margin(), "underlyings must hold 1 to 128"),
        (lambda: replace(DERIVE_PMRM2, scenarios=DERIVE_PMRM2.scenarios + (Scenario(),) * 8), "must number 1 to 40"),
        (lambda: replace(DERIVE_PMRM2, scenarios=(Scenario(move=-1.0),)), "must leave a price above 0"),
        (lambda: replace(DERIVE_PMRM2, maintenance_factor=1.2), "at most initial_factor"),
        (lambda: StaticDiscount(long_base=1.05, short_base=0.95), "long_base <= 1 <= short_base"),
        (lambda: Contingencies(option_initial=-0.1), "nothing negative"),
        (lambda: RegimeRange(least=0.5, most=0.4), "least <= most"),
        (lambda: netted_rows([[1.0]], [1.5]), r"offsets must lie in \[0, 1\]"),
        (
            lambda: linear_scenario_margins([[1.0]], [[0.1]], replace(PARADEX_24, minimum_delta=MinimumDelta())),
            "neither a roll shock",
        ),
        (lambda: linear_scenario_margins([[1.0]], [[0.1, 0.2]], DERIVE_PMRM2), "notionals must be"),
    ],
)
def test_what_is_refused(work: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        work()
