"""Overlays on the risk of the whole book, and on volatility in its own history, against slow references."""

from __future__ import annotations

import numpy as np
import pytest

from services.sizing.attenuation import attenuation_path, expanding_quantile, exponential_mean
from services.sizing.overlays.correlation_shock import CorrelationShock
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.portfolio_risk import PortfolioRisk
from services.sizing.overlays.volatility_attenuation import VolatilityAttenuation
from services.sizing.overlays.volatility_shock import VolatilityShock
from tests.support.overlays import effect, view

HEDGED = {"volatility": [0.3, 0.4], "correlation": np.array([[1.0, 0.9], [0.9, 1.0]])}
"""100 long and 80 short at equity 100: risks of 0.30 and −0.32."""


def test_portfolio_risk_by_hand() -> None:
    risk = (0.3**2 + 0.32**2 - 2 * 0.9 * 0.3 * 0.32) ** 0.5
    seen = view([100.0, -80.0], target=0.05, book=HEDGED)
    assert effect(PortfolioRisk(), seen) == pytest.approx([0.1 / risk] * 2)
    assert effect(PortfolioRisk(), view([100.0, -80.0], target=0.2, book=HEDGED)) == [1.0, 1.0]


def test_correlation_shock_adds_up_a_hedge() -> None:
    seen = view([100.0, -80.0], target=0.1, book=HEDGED)
    assert effect(CorrelationShock(), seen) == pytest.approx([0.4 / 0.62] * 2)
    assert effect(CorrelationShock(limit=1.0, volatility=0.31), seen) == pytest.approx([0.5] * 2)


def test_correlation_shock_is_the_worst_correlation_and_side() -> None:
    """No correlation matrix gives the same weights more risk."""
    rng = np.random.default_rng(5)
    weights, volatility = rng.normal(0.0, 1.0, 4), rng.uniform(0.1, 1.0, 4)
    worst = 0.0
    for _ in range(2000):
        loads = rng.normal(size=(4, 2))
        loads /= np.linalg.norm(loads, axis=1, keepdims=True)
        risk = weights * volatility
        worst = max(worst, float(np.sqrt(risk @ (loads @ loads.T) @ risk)))
    seen = view((100.0 * weights).tolist(), target=0.1, book={"volatility": volatility})
    shocked = 0.4 / effect(CorrelationShock(), seen)[0]
    assert 0.9 * shocked < worst <= shocked * (1 + 1e-9)


def test_volatility_shock_by_quantile_and_by_the_figure_of_the_client() -> None:
    path = np.linspace(0.2, 1.2, 101)  # its 99 % quantile is 1.19
    seen = view(
        [100.0, 100.0],
        target=0.1,
        book={"volatility": [0.3, 0.4]},
        volatility_path=(path, None),
        shock_volatility=[np.nan, 1.5],
    )
    expected = 0.6 / np.hypot(1.19, 1.5)
    assert effect(VolatilityShock(), seen) == pytest.approx([expected] * 2)


def test_a_shock_is_never_calmer_than_the_present() -> None:
    seen = view([100.0], target=0.1, book={"volatility": [2.0]}, shock_volatility=[0.5])
    assert effect(VolatilityShock(), seen) == pytest.approx([0.3])


def test_without_path_or_figure_the_known_part_limits_and_nothing_grows() -> None:
    seen = view([100.0, 100.0], target=0.1, volatility_path=(np.full(99, 0.5), None), shock_volatility=[np.nan, 2.0])
    found = VolatilityShock().effect(seen)
    assert found.missing.tolist() == [True, True]
    assert found.multiplier.tolist() == pytest.approx([0.6 / np.hypot(0.4, 2.0)] * 2)
    assert "at least 100 bars" in found.detail[0]


def test_rows_without_exposure_need_no_shock() -> None:
    seen = view([100.0, 0.0], target=0.1, shock_volatility=[1.2, np.nan])
    assert effect(VolatilityShock(), seen) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("overlay", [PortfolioRisk(), CorrelationShock(), VolatilityShock()])
def test_unknown_risk_and_unknown_target_block_increases(overlay: PortfolioRisk) -> None:
    shocks = {"shock_volatility": [2.0, 2.0]}
    unknown = overlay.effect(view([900.0, 0.0], target=0.1, book={"risk_complete": False}, **shocks))
    whole = overlay.effect(view([900.0, 0.0], target=0.1, **shocks))
    assert unknown.missing.all() and not whole.missing.any()
    assert unknown.multiplier.tolist() == whole.multiplier.tolist()
    assert whole.multiplier[0] < 1.0
    aimless = overlay.effect(view([900.0, 0.0], target=None, **shocks))
    assert aimless.missing.all() and aimless.multiplier.tolist() == [1.0, 1.0]


def test_gross_leverage_counts_options_by_their_delta() -> None:
    seen = view([100.0, -80.0], book={"delta_weight": [0.0, -1.0]})
    assert effect(GrossLeverage(limit=1.4), seen) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("overlay", [PortfolioRisk(), CorrelationShock(), VolatilityShock(), GrossLeverage()])
def test_an_empty_book_is_left_alone(overlay: PortfolioRisk) -> None:
    assert effect(overlay, view([0.0, 0.0])) == [1.0, 1.0]


def slow_attenuation(volatility: np.ndarray, span: float) -> list[float]:
    """pysystemtrade, spelled out: rank among the past, multiplier, pandas' adjusted EWM."""
    normalised = [volatility[i] / np.mean(volatility[: i + 1]) for i in range(volatility.size)]
    multipliers = []
    for i, value in enumerate(normalised):
        rank = sum(earlier < value for earlier in normalised[:i]) / (i + 1)
        multipliers.append(2.0 - 1.5 * rank)
    weight = 1.0 - 2.0 / (span + 1.0)
    path = []
    for i in range(len(multipliers)):
        weights = [weight ** (i - j) for j in range(i + 1)]
        path.append(sum(w * m for w, m in zip(weights, multipliers, strict=False)) / sum(weights))
    return path


def test_attenuation_against_its_slow_reference() -> None:
    volatility = np.exp(np.random.default_rng(3).normal(0.0, 0.4, 250).cumsum() * 0.1)
    assert attenuation_path(volatility, 10.0).tolist() == pytest.approx(slow_attenuation(volatility, 10.0), rel=1e-10)


def test_attenuation_is_half_at_the_highest_volatility_ever_and_never_above_one() -> None:
    rising, falling = np.geomspace(0.1, 1.0, 400), np.geomspace(1.0, 0.1, 400)
    seen = view([10.0, 10.0], volatility_path=(rising, falling))
    high, low = effect(VolatilityAttenuation(), seen)
    assert high == pytest.approx(0.5, abs=0.01)
    assert low == 1.0
    assert attenuation_path(falling, 10.0)[-1] == pytest.approx(2.0)


def test_attenuation_needs_a_path() -> None:
    found = VolatilityAttenuation().effect(view([10.0, 10.0], volatility_path=(None, np.full(99, 0.4))))
    assert found.missing.tolist() == [True, True]
    assert found.multiplier.tolist() == [1.0, 1.0]


def test_quantiles_skip_the_unknown_and_the_mean_forgets() -> None:
    assert expanding_quantile(np.array([np.nan, 1.0, 1.0, 2.0])).tolist()[1:] == [0.0, 0.0, pytest.approx(2 / 3)]
    assert exponential_mean(np.array([0.0, 1.0]), 1.0).tolist() == [0.0, 1.0]
