"""Laws of a book: order of positions, scale, signs, additivity."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.explain import Floats
from services.engine.option_book import BookPosition, BookRisk, PooledLeg, Underlying, book_risk
from services.liquidity.positions import LiquidityPosition
from services.options.ladder import LadderGrid
from services.options.portfolio_greeks import OptionLeg
from services.options.positions import Leg, LinearLeg
from tests.support.option_books import linear_legs, random_legs

GRID = LadderGrid(stickiness=0.5)
UNDERLYINGS = {"A": Underlying(price=6e4, collateral=3.0, beta=1.0), "B": Underlying(beta=1.0)}
seeds = st.integers(0, 2**32 - 1)


def positions(seed: int) -> list[BookPosition]:
    rng = np.random.default_rng(seed)
    legs: list[Leg | PooledLeg] = [*random_legs(rng, int(rng.integers(1, 12))), *linear_legs(rng)]
    pool = LiquidityPosition(liquidity=float(rng.uniform(1, 99)), lower=4e4, upper=float(rng.uniform(5e4, 9e4)))
    legs.append(PooledLeg(position=pool, price=6e4, quantity=2.0))
    names = rng.choice(["A", "B"], len(legs))
    return [
        BookPosition(symbol=f"P{place}", underlying=str(name), leg=leg)
        for place, (leg, name) in enumerate(zip(legs, names, strict=True))
    ]


def scaled(item: BookPosition, factor: float) -> BookPosition:
    assert isinstance(item.leg, OptionLeg | LinearLeg | PooledLeg)
    return replace(item, leg=replace(item.leg, quantity=item.leg.quantity * factor))


def figures(risk: BookRisk) -> dict[str, Floats]:
    """Everything that scales with the book, by underlying."""
    found = {
        item.underlying: np.concatenate(
            [list(asdict(item.exposure).values()), item.ladder.pnl.ravel(), item.ladder.pnl_coin.ravel()]  # type: ignore[union-attr]
        )
        for item in risk.underlyings
    }
    return {**found, "total": np.concatenate([list(risk.total.values()), risk.total_ladder.pnl.ravel()])}


def assert_same(found: BookRisk, expected: BookRisk, factor: float = 1.0) -> None:
    ours, theirs = figures(found), figures(expected)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        size = max(abs(factor), 1.0) * np.abs(theirs[name]).max()
        np.testing.assert_allclose(values, factor * theirs[name], rtol=1e-9, atol=1e-10 * size)


@given(seeds)
@settings(max_examples=40)
def test_the_order_of_positions_makes_no_difference(seed: int) -> None:
    book = positions(seed)
    shuffled = [book[place] for place in np.random.default_rng(seed).permutation(len(book))]
    assert_same(book_risk(shuffled, UNDERLYINGS, GRID), book_risk(book, UNDERLYINGS, GRID))


@given(seeds, st.floats(-50.0, 50.0))
@settings(max_examples=40)
def test_a_multiple_of_a_book_has_a_multiple_of_its_figures(seed: int, factor: float) -> None:
    book = positions(seed)
    larger = [scaled(item, factor) for item in book]
    assert_same(book_risk(larger, {}, GRID), book_risk(book, {}, GRID), factor)


@given(seeds, st.floats(0.0, 1.0))
@settings(max_examples=40)
def test_a_position_may_be_split(seed: int, share: float) -> None:
    book = positions(seed)
    parts = [scaled(book[0], share), replace(scaled(book[0], 1.0 - share), symbol="REST"), *book[1:]]
    assert_same(book_risk(parts, UNDERLYINGS, GRID), book_risk(book, UNDERLYINGS, GRID))


@given(seeds)
@settings(max_examples=40)
def test_buckets_add_up_and_betas_of_one_are_the_plain_sum(seed: int) -> None:
    risk = book_risk(positions(seed), UNDERLYINGS, GRID)
    for item in risk.underlyings:
        for buckets in (item.by_expiry, item.by_delta):
            for name, total in asdict(item.exposure).items():
                parts = [getattr(part, name) for part in buckets.values()]
                assert abs(sum(parts) - total) <= 1e-10 * max(np.abs(parts).sum(), 1e-300)
    assert risk.beta is not None
    delta = sum(item.exposure.delta_usd + item.collateral * (item.price or 0.0) for item in risk.underlyings)
    assert abs(risk.beta.delta_usd - delta) <= 1e-9 * max(abs(delta), 1.0)
    assert (
        abs(risk.beta.gamma_1pct_usd - risk.total["gamma_1pct_usd"]) <= 1e-9 * abs(risk.total["gamma_1pct_usd"]) + 1e-9
    )


@given(seeds)
@settings(max_examples=40)
def test_coin_collateral_counts_once_in_money_and_not_in_coin(seed: int) -> None:
    book = [replace(item, underlying="A") for item in positions(seed)]
    without, with_coin = (book_risk(book, found, GRID).underlyings[0] for found in ({}, UNDERLYINGS))
    moved = 3.0 * 6e4 * GRID.spot_shocks[:, None]
    np.testing.assert_allclose(
        with_coin.ladder.pnl - without.ladder.pnl, np.broadcast_to(moved, GRID.shape), rtol=1e-6, atol=1e-3
    )
    assert with_coin.ladder.pnl_coin is not None
    np.testing.assert_array_equal(with_coin.ladder.pnl_coin, without.ladder.pnl_coin)
    assert with_coin.net_delta_usd_view == with_coin.exposure.delta_coin + 3.0
