"""Differences between quotes and a fitted model: their errors, what they cost to trade, and the verdicts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.options.black import black_greeks, black_price
from services.options.calibration import Calibration, calibrate_heston
from services.options.heston import Heston
from services.options.mispricing import (
    VERDICT_TEXT,
    Verdict,
    mispricing,
    quote_error,
)
from services.options.model_smile import model_volatilities

TRUE = Heston(
    initial_variance=0.3, mean_reversion=3.0, long_run_variance=0.4, volatility_of_variance=1.8, correlation=-0.35
)
TIMES = np.array([10.0, 30.0, 90.0, 180.0]) / 365.0
MONEYNESS, TIME = (np.linspace(-1.5, 1.5, 9) * np.sqrt(0.3 * TIMES)[:, None]).ravel(), np.repeat(TIMES, 9)
VOLATILITY = model_volatilities(TRUE, MONEYNESS, TIME)
HALF = 0.005


@pytest.fixture(scope="module")
def fit() -> Calibration:
    """Of quotes that are right."""
    return calibrate_heston(MONEYNESS, TIME, VOLATILITY, HALF)


def quoted(moved: dict[int, float], half: float = HALF) -> tuple[Floats, Floats, Floats]:
    """Mean, bid and ask with some quotes elsewhere."""
    mean = VOLATILITY.copy()
    for place, change in moved.items():
        mean[place] += change
    return mean, mean - half, mean + half


def test_quotes_off_the_model_are_rich_and_cheap_by_what_they_were_moved(fit: Calibration) -> None:
    found = mispricing(fit, MONEYNESS, TIME, *quoted({12: 0.04, 20: -0.04}), fee=0.0)
    verdicts = found.verdict.tolist()
    assert (verdicts[12], verdicts[20]) == ("rich", "cheap")
    assert {verdict for place, verdict in enumerate(verdicts) if place not in (12, 20)} == {"fair"}
    assert found.difference[[12, 20]] == pytest.approx([-0.04, 0.04], abs=1e-5)
    assert found.edge[[12, 20]] == pytest.approx([0.035, 0.035], abs=1e-5)
    assert found.z_score == pytest.approx(found.difference / found.standard_error)


def test_error_joins_the_quote_and_the_parameters(fit: Calibration) -> None:
    """Against the spread of the model's volatility over draws from the normal law of the estimates."""
    found = mispricing(fit, MONEYNESS, TIME, *quoted({}))
    names = list(fit.names)
    rng, drawn = np.random.default_rng(3), []
    center = np.array([getattr(fit.model, name) for name in names])
    for point in rng.multivariate_normal(center, 0.04 * fit.covariance, 150):
        model = Heston(**dict(zip(names, point.tolist(), strict=True)))
        drawn.append(model_volatilities(model, MONEYNESS, TIME))
    expected = np.sqrt(HALF**2 + 25.0 * np.var(drawn, axis=0))
    assert found.standard_error == pytest.approx(expected, rel=0.15)
    assert (found.standard_error > HALF).all()


def test_inside_the_spread_or_the_fee_nothing_is_worth_a_trade(fit: Calibration) -> None:
    """A difference of many errors that the bid does not reach, and one that the fee eats."""
    mean, _, _ = quoted({12: 0.04})
    wide = mispricing(fit, MONEYNESS, TIME, mean, mean - 0.05, mean + 0.05, threshold=0.5, fee=0.0)
    assert wide.z_score[12] < -0.5 and wide.edge[12] < 0.0
    assert wide.verdict[12] == "fair"
    dear = mispricing(fit, MONEYNESS, TIME, *quoted({12: 0.04}), fee=0.05, fee_cap=1.0)
    assert dear.verdict[12] == "fair"
    vega = black_greeks(1.0, np.exp(MONEYNESS[12]), TIME[12], mean[12], 1).vega
    price = black_price(1.0, np.exp(MONEYNESS[12]), TIME[12], mean[12], math.copysign(1, MONEYNESS[12]))
    assert dear.edge[12] == pytest.approx(0.035 - min(0.05, price) / vega, abs=1e-5)


def test_the_fee_is_capped_by_the_price(fit: Calibration) -> None:
    free, capped = (mispricing(fit, MONEYNESS, TIME, *quoted({}), fee=fee, fee_cap=0.1) for fee in (0.0, 1.0))
    right = np.where(MONEYNESS < 0.0, -1.0, 1.0)
    terms = (1.0, np.exp(MONEYNESS), TIME, VOLATILITY, right)
    assert free.edge - capped.edge == pytest.approx(0.1 * black_price(*terms) / black_greeks(*terms).vega, rel=1e-6)


def test_a_side_that_is_not_quoted_is_not_traded(fit: Calibration) -> None:
    mean, bid, ask = quoted({12: 0.04, 20: -0.04})
    bid[12], ask[20] = np.nan, np.nan
    found = mispricing(fit, MONEYNESS, TIME, mean, bid, ask)
    assert found.verdict[[12, 20]].tolist() == ["fair", "fair"]
    assert np.isneginf(found.edge[[12, 20]]).all()
    assert np.isfinite(found.standard_error).all()


def test_far_options_are_unpriced_and_the_others_answered(fit: Calibration) -> None:
    found = mispricing(fit, [0.0, 2.0], [0.1, 0.02], [0.55, 0.6], [0.54, 0.5], [0.56, 0.7])
    assert found.verdict.tolist()[1] == "unpriced"
    for column in (found.model_volatility, found.difference, found.standard_error, found.z_score, found.edge):
        assert np.isfinite(column[0]) and np.isnan(column[1])
    nothing = mispricing(fit, [2.0], [0.02], [0.6], [0.5], [0.7])
    assert nothing.verdict.tolist() == ["unpriced"]


def test_a_model_too_wild_to_price_is_refused(fit: Calibration) -> None:
    wild = Heston(
        initial_variance=1e-7, mean_reversion=1.0, long_run_variance=1e-7, volatility_of_variance=30.0, correlation=0.0
    )
    broken = Calibration(wild, fit.names, fit.covariance, (), False, 0.0, 1.0, 1.0, fit.used, False, 1)
    with pytest.raises(Refusal, match="the fitted model cannot be priced"):
        mispricing(broken, [0.0], [1e-4], [0.5], [0.4], [0.6])


def test_quote_errors() -> None:
    nan = math.nan
    found = quote_error(np.full(4, 0.5), np.array([0.49, nan, 0.44, 0.5]), np.array([0.52, 0.53, nan, 0.5]))
    assert found == pytest.approx([0.015, 0.03, 0.06, 0.001])


def test_every_verdict_is_explained() -> None:
    assert set(VERDICT_TEXT) == set(Verdict)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bid_volatility": 0.6}, "bid_volatility must not lie above ask_volatility"),
        ({"bid_volatility": -0.1}, "bid_volatility must be >= 0"),
        ({"ask_volatility": math.inf}, "ask_volatility must be >= 0"),
        ({"threshold": -1.0}, "threshold must be >= 0"),
        ({"fee": math.nan}, "fee must be >= 0"),
    ],
)
def test_numbers_out_of_range(fit: Calibration, changes: dict[str, Any], message: str) -> None:
    given = {"bid_volatility": 0.49, "ask_volatility": 0.51, **changes}
    with pytest.raises(InvalidInput, match=message):
        mispricing(fit, [0.0], [0.1], [0.5], **given)
