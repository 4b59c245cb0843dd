"""Shares of a composition: water-filling against its definition, values by symbol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.sizing.shares import limit_shares, undiversified_shares


def test_what_is_cut_is_divided_in_proportion_in_several_rounds() -> None:
    """.5 → .3 leaves .2 for .25 : .15 : .1; .25 becomes .35 and is cut as well; .4 is left for .15 : .1."""
    limited = limit_shares(np.array([0.5, 0.25, 0.15, 0.1]), 0.3)
    assert limited == pytest.approx([0.3, 0.3, 0.24, 0.16], rel=1e-12)


def test_shares_within_the_limit_are_left_alone() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    assert limit_shares(shares, 0.5) is shares


def test_a_limit_that_cannot_be_kept_leaves_cash() -> None:
    assert limit_shares(np.array([0.5, 0.5, 0.0]), 0.4).tolist() == [0.4, 0.4, 0.0]


def test_a_limit_of_exactly_one_over_n_is_equal_weights() -> None:
    assert limit_shares(np.array([0.7, 0.2, 0.1]), 1 / 3) == pytest.approx([1 / 3] * 3, rel=1e-12)


@pytest.mark.parametrize(("shares", "limit"), [([0.5, -0.5], 0.3), ([np.nan, 1.0], 0.3), ([0.5, 0.5], 0.0)])
def test_what_means_nothing_is_refused(shares: list[float], limit: float) -> None:
    with pytest.raises(InvalidInput):
        limit_shares(np.array(shares), limit)


def by_root(shares: Floats, limit: float) -> Floats:
    """min(limit, k · share) with the k that keeps the sum, found by a root finder."""
    total = shares.sum()
    if limit * np.count_nonzero(shares) <= total:
        return np.where(shares > 0.0, limit, 0.0)
    top = 10.0 * limit / shares[shares > 0.0].min()
    k = brentq(lambda k: np.minimum(limit, k * shares).sum() - total, 0.5, max(top, 2.0), xtol=1e-15)
    return np.minimum(limit, k * shares)


POSITIVE = st.lists(st.one_of(st.just(0.0), st.floats(0.001, 1.0)), min_size=1, max_size=12).filter(any)


@given(POSITIVE, st.floats(0.02, 1.0))
def test_water_filling_is_its_definition(values: list[float], limit: float) -> None:
    shares = np.array(values) / sum(values)
    assert limit_shares(shares, limit) == pytest.approx(by_root(shares, limit), abs=1e-9)


@given(POSITIVE, st.floats(0.02, 1.0))
def test_limited_shares_keep_sum_order_and_limit(values: list[float], limit: float) -> None:
    shares = np.array(values) / sum(values)
    limited = limit_shares(shares, limit)
    assert limited.max() <= limit * (1 + 1e-12)
    feasible = min(limit * np.count_nonzero(shares), 1.0)
    assert limited.sum() == pytest.approx(feasible, rel=1e-9)
    order = np.argsort(shares)
    assert (np.diff(limited[order]) >= -1e-12).all()
    assert ((limited > 0.0) == (shares > 0.0)).all()


def test_undiversified_shares_make_the_budgets_when_volatilities_add_up() -> None:
    volatility, budgets = np.array([0.1, 0.4, 0.2]), np.array([0.5, 0.3, 0.2])
    shares = undiversified_shares(volatility, np.ones(3, dtype=bool), budgets)
    assert shares * volatility / (shares @ volatility) == pytest.approx(budgets, rel=1e-12)
