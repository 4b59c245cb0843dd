"""Greeks of an evaluated book per underlying: the same delta that hedges are decided on, in coin and in money."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.core.book import Account, Collateral, OwnGreeks, Row
from services.core.instrument import Instrument, Kind, Right
from services.core.outcome import Reason
from services.engine import Policy, evaluate
from services.engine.outputs import Evaluation, UnderlyingGreeks
from services.hedging.registry import Threshold
from services.options.black import black_greeks
from services.sizing.buffers import NoBuffer
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import OPEN, inputs, inverse, row

EXPIRY = datetime(2027, 2, 18, tzinfo=UTC)
T = (EXPIRY - datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)).total_seconds() / 31_536_000
HEDGE = Policy(hedging=Threshold(instrument="A", max_delta=1e9))
COIN = Account(10_000.0, "USD", (Collateral("COIN", 4.0, None),))


def option(symbol: str = "OPT", *, coin: bool = False, **changes: Any) -> Row:
    settle = {"base_currency": "COIN", "settle_currency": "COIN"} if coin else {}
    contract = Instrument(
        symbol=symbol, kind=Kind.OPTION, underlying="A", strike=105.0, expiry=EXPIRY, right=Right.CALL, **settle
    )
    fields = {"quantity": "-10", "price": None, "implied_volatility": 0.5, "forward": 101.0, **changes}
    return row(symbol, instrument=contract, market_key="A", **fields)


def only(result: Evaluation) -> UnderlyingGreeks:
    (found,) = result.portfolio.greeks
    return found


BOOKS = {
    "linear": (row("A", quantity="3"), option()),
    "coin": (row("A", quantity="7", instrument=inverse(underlying="A")), option(coin=True)),
    "coin and linear": (
        row("A", quantity="7", instrument=inverse(underlying="A")),
        option(coin=True),
        row("L", quantity="-2", market_key="A", instrument=Instrument(symbol="L", base_currency="COIN")),
    ),
    "own": (
        row("A", quantity="1"),
        row("VAULT", quantity="1", market_key="A", instrument=Instrument(symbol="VAULT", underlying="A"),
            own_greeks=OwnGreeks(delta=2.0, gamma=0.1, vega=5.0, theta=-1.0)),
    ),
    "orders": (row("A", quantity="3", open_sells=Decimal(5)), option()),
    "expired": (row("A", quantity="3"), option(), option("OLD", problem=Reason.EXPIRED)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("account", [Account(10_000.0, "USD"), COIN], ids=["money", "coin"])
def test_the_money_view_is_what_the_hedge_is_decided_on(name: str, account: Account) -> None:
    result = evaluate(inputs(*BOOKS[name], policy=HEDGE, account=account))
    found, hedge = only(result), result.hedges[0]
    assert hedge.delta_before is not None
    assert found.underlying == hedge.underlying
    assert found.net_delta_usd_view == pytest.approx(hedge.delta_before, rel=1e-12)
    assert found.collateral == (4.0 if account is COIN and "coin" in name else 0.0)
    assert found.exposure.delta_coin == pytest.approx(hedge.delta_before - found.collateral)
    assert found.exposure.gamma_1pct_coin == pytest.approx(hedge.gamma_1pct)
    assert found.exposure.vega_per_point == pytest.approx(hedge.vega_per_point)
    assert found.exposure.theta_per_day == pytest.approx(hedge.theta_per_day)


def test_a_coin_settled_book_has_three_deltas() -> None:
    found = only(evaluate(inputs(*BOOKS["coin"], policy=HEDGE, account=COIN)))
    unit = black_greeks(101.0, 105.0, T, 0.5, 1)
    perpetual = 7 * 100.0 / 100.0
    black = float(-10 * unit.delta) + perpetual
    assert found.exposure.delta_black == pytest.approx(black)
    assert found.exposure.delta_coin == pytest.approx(black + 10 * float(unit.price) / 101.0)
    assert found.net_delta_usd_view == pytest.approx(found.exposure.delta_coin + 4.0)
    option_delta = found.exposure.delta_coin - perpetual
    assert found.exposure.delta_usd == pytest.approx(option_delta * 101.0 + perpetual * 100.0)


def test_linear_books_have_no_greeks() -> None:
    assert evaluate(inputs(row("A", quantity="3"), row("B", direction=1.0))).portfolio.greeks == ()
    flat = option(quantity="0")
    assert evaluate(inputs(row("A", quantity="3"), flat)).portfolio.greeks == ()


def test_every_underlying_has_a_row_and_targets_count() -> None:
    policy = Policy(sizing=VolatilityTarget(target_volatility=0.2), limits=OPEN, buffer=NoBuffer())
    other = Instrument(symbol="B", lot=Decimal("0.01"), underlying="OTHER")
    result = evaluate(
        inputs(
            row("A"),
            option(quantity="-1", initial_margin=1.0, maintenance_margin=1.0),
            row("B", direction=1.0, instrument=other),
            policy=policy,
        )
    )
    greeks = {item.underlying: item for item in result.portfolio.greeks}
    assert list(greeks) == ["A", "OTHER"]
    target = result.targets[2].target
    assert target is not None and target > 0
    assert greeks["OTHER"].exposure.delta_coin == pytest.approx(float(target))
    assert greeks["OTHER"].exposure.delta_usd == pytest.approx(float(target) * 100.0)


def test_what_is_unknown_is_named_and_not_zero() -> None:
    found = only(evaluate(inputs(row("A", quantity="3"), option(), option("BLIND", implied_volatility=None))))
    assert found.unknown == ("BLIND",)
    known = only(evaluate(inputs(row("A", quantity="3"), option())))
    assert (known.unknown, known.exposure) == ((), found.exposure)


def test_money_is_in_the_account_currency() -> None:
    plain, dear = (only(evaluate(inputs(row("A", quantity="3", fx=fx), option(fx=fx)))) for fx in (1.0, 2.5))
    assert dear.exposure.delta_coin == plain.exposure.delta_coin
    assert dear.exposure.delta_usd == pytest.approx(2.5 * plain.exposure.delta_usd)
    assert dear.exposure.theta_per_day == pytest.approx(2.5 * plain.exposure.theta_per_day)


def test_a_missing_rate_leaves_money_unknown_and_coin_known() -> None:
    found = only(evaluate(inputs(row("A", quantity="3"), option(fx=None))))
    assert found.exposure.delta_usd != found.exposure.delta_usd
    assert found.exposure.delta_coin == only(evaluate(inputs(row("A", quantity="3"), option()))).exposure.delta_coin


def test_without_equity_the_greeks_are_still_there() -> None:
    result = evaluate(inputs(row("A", quantity="3"), option(), equity=-1.0))
    assert only(result).exposure.delta_coin < 3.0


def test_names_connect_rows_through_others() -> None:
    far = row("C", quantity="1", market_key="A", instrument=Instrument(symbol="C", underlying="L"))
    middle = row("L", quantity="1", market_key="A", instrument=Instrument(symbol="L", underlying="A"))
    found = only(evaluate(inputs(far, option(), middle, row("A", quantity="1"))))
    assert found.exposure.delta_coin == pytest.approx(3.0 - 10 * float(black_greeks(101.0, 105.0, T, 0.5, 1).delta))
