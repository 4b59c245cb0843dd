"""What holds for every stochastic-volatility model: parity, bounds, convexity, and what more variance is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.options.cosine import model_prices
from services.options.heston import Heston, StochasticVolatility
from services.options.model_smile import model_volatilities
from services.options.model_stress import stressed_prices
from tests.support.stochastic_volatility import with_jumps

TIMES = st.floats(1 / 365, 3.0)


@contextmanager
def describable() -> Iterator[None]:
    """Laws with tails so heavy that no series describes them are refused, and nothing is said of them here."""
    try:
        yield
    except InvalidInput as problem:
        if not problem.rule.endswith("terms do not describe"):
            raise
        reject()


BASES = st.builds(
    Heston,
    initial_variance=st.floats(0.01, 2.0),
    mean_reversion=st.floats(0.2, 15.0),
    long_run_variance=st.floats(0.01, 1.5),
    volatility_of_variance=st.floats(0.05, 4.0),
    correlation=st.floats(-0.95, 0.95),
)
MODELS = st.one_of(BASES, st.builds(with_jumps, BASES, st.floats(0.0, 10.0), st.floats(-0.3, 0.3), st.floats(0.0, 0.3)))
STRIKES = 100.0 * np.exp(np.linspace(-1.0, 1.0, 21))


@given(model=MODELS, time=TIMES, discount=st.floats(0.7, 1.2))
def test_parity_and_bounds(model: StochasticVolatility, time: float, discount: float) -> None:
    with describable():
        call, put = (model_prices(model, 100.0, STRIKES, time, right, discount=discount) for right in (1, -1))
    assert call - put == pytest.approx(discount * (100.0 - STRIKES), abs=1e-9)
    assert (call >= discount * np.maximum(100.0 - STRIKES, 0.0)).all() and (call <= discount * 100.0).all()
    assert (put >= discount * np.maximum(STRIKES - 100.0, 0.0)).all() and (put <= discount * STRIKES).all()


@given(model=MODELS, time=TIMES)
def test_no_arbitrage_between_strikes_and_expiries(model: StochasticVolatility, time: float) -> None:
    """Calls fall and are convex in strike; longer ones are worth no less on the same forward."""
    strikes = np.linspace(50.0, 200.0, 31)
    with describable():
        short, long = model_prices(model, 100.0, strikes, [[time], [2.0 * time]], 1)
    assert (np.diff(short) <= 1e-10).all() and (np.diff(short, 2) >= -1e-10).all()
    assert (long >= short - 1e-10).all()


@given(model=MODELS, time=TIMES, scale=st.floats(1e-3, 1e4))
def test_scale_of_the_currency(model: StochasticVolatility, time: float, scale: float) -> None:
    with describable():
        small, large = (model_prices(model, unit * 100.0, unit * STRIKES, time, -1) for unit in (1.0, scale))
    assert large == pytest.approx(scale * small, rel=1e-9, abs=1e-10 * scale)


@given(model=BASES, time=TIMES, factor=st.floats(1.0, 9.0), move=st.floats(-0.5, 0.5))
def test_more_variance_is_worth_more(model: Heston, time: float, factor: float, move: float) -> None:
    with describable():
        found = stressed_prices(model, 100.0, STRIKES, time, 1, forward_move=move, variance_factor=[1.0, factor])
    assert (found[1] >= found[0] - 1e-9).all()


@given(model=BASES, time=TIMES)
def test_the_smile_mirrors_the_correlation(model: Heston, time: float) -> None:
    """Without correlation the smile is even in log-moneyness."""
    even = replace(model, correlation=0.0)
    moneyness = np.linspace(0.0, 1.0, 5) * np.sqrt(even.expected_variance(time) * time)
    with describable():
        right, left = model_volatilities(even, moneyness, time), model_volatilities(even, -moneyness, time)
    assert right == pytest.approx(left, rel=1e-6)
