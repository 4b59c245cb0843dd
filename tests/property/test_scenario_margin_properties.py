"""Laws of scenario margin: initial over maintenance, scale, currency, order of rows, splits, hedges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.margin.scenario_book import Collateral, LinearColumns, OptionColumns, ScenarioBook, UnderlyingBook
from services.margin.scenario_margin import ScenarioMargin, scenario_margin
from services.margin.scenario_preset import ScenarioPreset
from services.margin.scenario_presets import DERIVE_PMRM2, PRESETS
from tests.support.scenario_books import book_from, random_portfolio

presets = st.sampled_from(list(PRESETS.values()))
seeds = st.integers(0, 2**32 - 1)


def random_book(seed: int, options: int = 12) -> UnderlyingBook:
    rng = np.random.default_rng(seed)
    (book,) = book_from(random_portfolio(rng, options=int(rng.integers(0, options + 1)))).underlyings
    return replace(book, volatility=float(rng.uniform(0.2, 2.0)), spot_confidence=float(rng.uniform(0.3, 1.0)))


def margin(book: UnderlyingBook, preset: ScenarioPreset, **account: Any) -> ScenarioMargin:
    return scenario_margin(ScenarioBook(underlyings=(book,), **account), preset)


def mapped(options: OptionColumns, **changes: Any) -> OptionColumns:
    return replace(options, **{name: change(getattr(options, name)) for name, change in changes.items()})


def scaled(book: UnderlyingBook, size: float = 1.0, price: float = 1.0) -> UnderlyingBook:
    """Book of `size` times the positions, with all prices in another currency."""
    return replace(
        book,
        spot=book.spot * price,
        expiries=tuple(replace(feed, forward=feed.forward * price) for feed in book.expiries),
        options=mapped(book.options, quantity=lambda q: q * size, strike=lambda k: k * price),
        linear=replace(
            book.linear,
            base=book.linear.base * size,
            price=book.linear.price * price,
            unrealized=book.linear.unrealized * size * price,
        ),
        collateral=tuple(replace(c, amount=c.amount * size, price=c.price * price) for c in book.collateral),
    )


@given(seeds, presets, st.floats(0.5, 1.1))
def test_initial_is_never_below_maintenance(seed: int, preset: ScenarioPreset, stable: float) -> None:
    found = margin(random_book(seed), preset, stable_price=stable)
    assert found.initial >= found.maintenance >= 0.0
    assert found.worst <= 0.0


@given(seeds, presets, st.floats(1e-3, 1e3))
def test_proportional_to_size(seed: int, preset: ScenarioPreset, factor: float) -> None:
    book = random_book(seed)
    one, many = margin(book, preset, cash=5e3), margin(scaled(book, size=factor), preset, cash=5e3 * factor)
    floor = 1e-9 * factor
    assert many.initial == pytest.approx(factor * one.initial, rel=1e-9, abs=floor * 1e3)
    assert many.net_maintenance == pytest.approx(factor * one.net_maintenance, rel=1e-8, abs=floor * 1e6)


@given(seeds, presets, st.floats(1e-4, 1e4))
def test_the_same_in_every_currency(seed: int, preset: ScenarioPreset, rate: float) -> None:
    book = random_book(seed)
    one, other = margin(book, preset), margin(scaled(book, price=rate), preset)
    assert other.initial == pytest.approx(rate * one.initial, rel=1e-8, abs=1e-6 * rate)
    assert other.maintenance == pytest.approx(rate * one.maintenance, rel=1e-8, abs=1e-6 * rate)


@given(seeds, presets)
def test_the_order_of_rows_does_not_matter(seed: int, preset: ScenarioPreset) -> None:
    book, rng = random_book(seed), np.random.default_rng(seed)
    order = rng.permutation(book.options.strike.size)
    names = ("seconds", "strike", "right", "quantity", "volatility")
    shuffled = replace(
        book,
        options=mapped(book.options, **{name: lambda column: column[order] for name in names}),
        expiries=tuple(reversed(book.expiries)),
    )
    one, other = margin(book, preset), margin(shuffled, preset)
    assert other.initial == pytest.approx(one.initial, rel=1e-10, abs=1e-6)
    np.testing.assert_allclose(other.pnl, one.pnl, rtol=1e-9, atol=1e-5)


@given(seeds, presets, st.floats(-3.0, 3.0))
def test_a_position_in_two_rows_is_one_position(seed: int, preset: ScenarioPreset, part: float) -> None:
    """All but the charge for low confidence, which counts rows gross, as the venue does."""
    book = replace(random_book(seed), spot_confidence=1.0)
    twice = {
        name: lambda column: np.concatenate([column, column]) for name in ("seconds", "strike", "right", "volatility")
    }
    split = replace(
        book,
        options=mapped(book.options, **twice, quantity=lambda q: np.concatenate([q * part, q * (1.0 - part)])),
    )
    one, other = margin(book, preset), margin(split, preset)
    assert other.initial == pytest.approx(one.initial, rel=1e-9, abs=1e-5)
    assert other.least_delta == pytest.approx(one.least_delta, rel=1e-9, abs=1e-5)


@given(seeds, presets)
def test_origins_add_up_to_every_scenario(seed: int, preset: ScenarioPreset) -> None:
    (part,) = margin(random_book(seed), preset).underlyings
    scale = 1.0 + np.abs(part.origins).sum(axis=0)
    assert (np.abs(part.origins.sum(axis=0) - part.pnl) <= 1e-9 * scale).all()
    np.testing.assert_allclose(part.by_expiry.sum(axis=1) + part.linear + part.collateral, part.pnl, atol=1e-6)


@given(seeds)
def test_hedges_that_lose_less_everywhere_never_cost_more(seed: int) -> None:
    """Perpetuals of all sizes beside a book: where one beats another in every scenario, it is not charged more."""
    book = random_book(seed)
    found = []
    for base in np.linspace(-3.0, 3.0, 13).tolist():
        held = replace(book, linear=LinearColumns.perpetual(base, 60_020.0))
        found.append(margin(held, DERIVE_PMRM2))
    # Coin against a short perpetual of the same size: every move is smaller than without.
    coin = Collateral(amount=1.0, price=60_000.0, risk_cancelling=True)
    bare = UnderlyingBook(name="BTC", spot=60_000.0, linear=LinearColumns.perpetual(-1.0, 60_000.0))
    pairs = [(bare, replace(bare, collateral=(coin,)))]
    compared = [(margin(one, DERIVE_PMRM2), margin(other, DERIVE_PMRM2)) for one, other in pairs]
    compared += [(one, other) for one in found for other in found]
    better = [(one, other) for one, other in compared if (np.minimum(other.pnl, 0) >= np.minimum(one.pnl, 0)).all()]
    assert len(better) > len(found)
    for one, other in better:
        if other.basis >= one.basis:
            assert other.scenario_initial <= one.scenario_initial


@given(st.floats(0.05, 3.0), st.floats(0.05, 3.0))
def test_more_volatility_never_means_less_margin_under_the_regime_grid(low: float, high: float) -> None:
    low, high = sorted((low, high))
    book = UnderlyingBook(name="X", spot=100.0, linear=LinearColumns.perpetual(-2.0, 100.0))
    one, other = (margin(replace(book, volatility=sigma), PRESETS["regime"]) for sigma in (low, high))
    assert one.initial <= other.initial


@given(seeds, presets, st.sampled_from([1.0, -1.0]), st.integers(0, 3), st.floats(0.0, 5.0))
def test_a_book_of_shorts_of_one_right_never_needs_less_for_more(
    seed: int, preset: ScenarioPreset, right: float, place: int, more: float
) -> None:
    book = random_book(seed)
    assume(book.options.strike.size > place)
    short = mapped(book.options, right=lambda column: np.full_like(column, right), quantity=lambda q: -np.abs(q))
    extra = np.zeros(short.quantity.size)
    extra[place] = more
    bare = replace(book, options=short, linear=LinearColumns.perpetual(0.0, 60_000.0), collateral=())
    one, other = (
        margin(replace(bare, options=mapped(short, quantity=lambda q, step=step: q - step)), preset)
        for step in (np.zeros_like(extra), extra)
    )
    assert other.initial >= one.initial * (1.0 - 1e-12)
    assert other.maintenance >= one.maintenance * (1.0 - 1e-12)


@given(presets, st.sampled_from([1.0, -1.0]), st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_a_larger_perpetual_never_needs_less(preset: ScenarioPreset, side: float, size: float, more: float) -> None:
    books = [
        UnderlyingBook(name="X", spot=100.0, volatility=0.6, linear=LinearColumns.perpetual(side * held, 100.0))
        for held in (size, size + more)
    ]
    one, other = (margin(book, preset) for book in books)
    assert other.initial >= one.initial
    assert other.maintenance >= one.maintenance
