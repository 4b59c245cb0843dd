"""All expiries at once: what is known is found, nothing that comes out is arbitrage, and a slow solver agrees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.smiles import Smile, Smiles, fallback, smiles_of
from services.options.svi import density_ratio, durrleman, total_variance
from services.options.svi_box import box_of, density_slopes, hyperbola, raw_of, slopes_of
from services.options.svi_fit import AUDIT_NODES, fit_jointly, without_crossings
from tests.support.surfaces import smile_parameters, smiles

DENSE = np.linspace(-4.0, 4.0, 16_001)


def errors(parts: list[Smile], raw: Floats) -> Floats:
    """Fitted less quoted volatility, in points."""
    return 100.0 * np.concatenate(
        [
            np.sqrt(total_variance(row, part.log_moneyness) / part.time_to_expiry) - part.volatility
            for part, row in zip(parts, raw, strict=True)
        ]
    )


def is_free_of_arbitrage(raw: Floats) -> bool:
    variance = total_variance(raw, DENSE)
    return bool(durrleman(raw, DENSE).min() >= 0.0 and np.diff(variance, axis=0).min(initial=0.0) >= -1e-9)


@pytest.mark.parametrize(("days", "count"), [((30.0,), 5), ((30.0,), 20), ((7.0, 30.0, 90.0), 12), ((2.0, 9.0), 7)])
def test_smiles_that_are_known_are_found(days: tuple[float, ...], count: int) -> None:
    parts = smiles(days, count)
    raw = fit_jointly(smiles_of(parts))
    assert np.abs(errors(parts, raw)).max() < 0.02
    assert is_free_of_arbitrage(raw)


def test_expiries_whose_levels_cross_are_reconciled() -> None:
    """The middle expiry quotes 90 % between two of 60 %: its variance is above that of the last."""
    parts = smiles((20.0, 30.0, 40.0))
    wrong = parts[1]
    parts[1] = Smile(
        time_to_expiry=wrong.time_to_expiry,
        log_moneyness=wrong.log_moneyness,
        volatility=wrong.volatility * 1.5,
        spread=wrong.spread,
    )
    raw = fit_jointly(smiles_of(parts))
    atm = np.sqrt(total_variance(raw, np.zeros((3, 1)))[:, 0] / [part.time_to_expiry for part in parts])
    assert is_free_of_arbitrage(raw)
    assert 0.6 < atm[1] < 0.9
    assert 0.6 < atm[2] < 0.9
    assert atm[0] == pytest.approx(0.6, abs=0.01)


def reference(points: Smiles, start: Floats) -> float:
    """Least cost by SLSQP under the same constraints: slow, and another algorithm altogether."""
    unit, nodes = np.tile([0.01, 0.1, 0.1, 0.05, 0.1], len(start)), np.concatenate([AUDIT_NODES, AUDIT_NODES / 5.0])

    def raw(u: Floats) -> Floats:
        return raw_of((u * unit).reshape(-1, 5))

    def cost(u: Floats) -> float:
        residual = (total_variance(raw(u), points.log_moneyness) - points.variance) * points.weight
        return 0.05 * float(np.sum(residual**2))

    def constraints(u: Floats) -> Floats:
        rises = np.diff(total_variance(raw(u), nodes), axis=0)
        return np.concatenate([(durrleman(raw(u), nodes) - 1e-3).ravel(), 1e3 * rises.ravel()])

    best = minimize(
        cost,
        box_of(start).ravel() / unit,
        constraints={"type": "ineq", "fun": constraints},
        bounds=[(1e-4, 100.0), (1e-4, 20.0), (1e-4, 20.0), (-20.0, 20.0), (1e-2, 20.0)] * len(start),
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-9},
    )
    assert constraints(best.x).min() > -1e-3
    return 10.0 * float(best.fun)


def test_the_least_squares_within_the_constraints_are_those_of_a_slow_solver() -> None:
    """Two expiries that cross in their wings and at the money, so that constraints bind."""
    parts = smiles((28.0, 30.0), 9)
    first = parts[0]
    tilt = first.volatility * (1.06 + 0.3 * first.log_moneyness)
    parts[0] = Smile(
        time_to_expiry=first.time_to_expiry, log_moneyness=first.log_moneyness, volatility=tilt, spread=first.spread
    )
    points = smiles_of(parts)
    raw = fit_jointly(points)
    residual = (total_variance(raw, points.log_moneyness) - points.variance) * points.weight
    mine, slow = 0.5 * float(np.sum(residual**2)), reference(points, fit_jointly(smiles_of(smiles((28.0, 40.0), 9))))
    assert mine > 1.0
    assert mine == pytest.approx(slow, rel=0.01)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    parts, later = smiles((7.0, 30.0, 90.0)), smiles((6.9, 29.9, 89.9), volatility=0.62)
    before = fit_jointly(smiles_of(parts))
    warm, cold = (fit_jointly(smiles_of(later), initial) for initial in (before, None))
    assert np.abs(errors(later, warm)).max() < 0.02
    assert total_variance(warm, AUDIT_NODES) == pytest.approx(total_variance(cold, AUDIT_NODES), rel=2e-3)


def test_a_start_outside_is_drawn_in() -> None:
    crossing = np.array([smile_parameters(90.0), smile_parameters(30.0), smile_parameters(7.0)])
    parts = smiles((7.0, 30.0, 90.0))
    assert np.abs(errors(parts, fit_jointly(smiles_of(parts), crossing))).max() < 0.02


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_quoted_nothing_is_arbitrage(seed: int) -> None:
    """Noise without any smile in it, from one strike an expiry to many."""
    generator, parts, years = np.random.default_rng(seed), [], 0.0
    for _ in range(int(generator.integers(1, 7))):
        years += generator.exponential(0.1) + 0.003
        count = int(generator.integers(1, 15))
        parts.append(
            Smile(
                time_to_expiry=years,
                log_moneyness=np.sort(generator.normal(0.0, 0.5 * np.sqrt(years), count)),
                volatility=generator.uniform(0.05, 3.0, count),
                spread=generator.uniform(0.0, 0.5, count),
            )
        )
    assert is_free_of_arbitrage(fit_jointly(smiles_of(parts)))


@pytest.mark.parametrize(("strikes", "family"), [(1, "flat"), (2, "flat"), (3, "ssvi"), (4, "ssvi"), (5, None)])
def test_thin_expiries_have_a_simpler_smile(strikes: int, family: str | None) -> None:
    assert fallback(strikes) == family
    parts = smiles((30.0, 90.0))
    full = parts[0]
    rows = np.linspace(0, 11, strikes).round().astype(int)
    parts[0] = Smile(
        time_to_expiry=full.time_to_expiry,
        log_moneyness=full.log_moneyness[rows],
        volatility=full.volatility[rows],
        spread=full.spread[rows],
    )
    raw = fit_jointly(smiles_of(parts))
    assert is_free_of_arbitrage(raw)
    # Three strikes of an SSVI smile are the smile; one or two give its level only.
    error = np.abs(np.sqrt(total_variance(raw[0], full.log_moneyness) / full.time_to_expiry) - full.volatility)
    assert error.max() < (0.001 if strikes >= 3 else 0.35)


def test_a_wide_quote_counts_for_less() -> None:
    parts = smiles((30.0,))
    outlier = parts[0].volatility.copy()
    outlier[2] += 0.2
    fits = {}
    for spread in (0.01, 1.0):
        spreads = parts[0].spread.copy()
        spreads[2] = spread
        smile = Smile(
            time_to_expiry=parts[0].time_to_expiry,
            log_moneyness=parts[0].log_moneyness,
            volatility=outlier,
            spread=spreads,
        )
        fits[spread] = np.abs(errors(parts, fit_jointly(smiles_of([smile])))).max()
    assert fits[1.0] < 0.1 * fits[0.01]


def test_lifts_end_crossings_between_the_nodes() -> None:
    low, high = smile_parameters(30.0), smile_parameters(30.0)
    high[4] *= 1.5
    high[0] -= 0.3 * high[1] * low[4]
    lifted = without_crossings(np.array([low, high]))
    assert np.diff(total_variance(np.array([low, high]), DENSE), axis=0).min() < 0.0
    assert np.diff(total_variance(lifted, DENSE), axis=0).min() > 0.0
    assert lifted[0].tolist() == low.tolist()


def test_slopes_are_those_of_differences() -> None:
    box, k, step = box_of(np.array([smile_parameters(7.0), smile_parameters(30.0)])), np.linspace(-0.4, 0.5, 19), 1e-6
    slopes = slopes_of(box, k)
    density = density_slopes(hyperbola(box, k), slopes, k)
    for place in range(5):
        moved = [hyperbola(box + sign * step * np.eye(5)[place], k) for sign in (1.0, -1.0)]
        for found, (up, down) in zip(slopes, zip(*moved, strict=True), strict=True):
            assert found[..., place] == pytest.approx((up - down) / (2.0 * step), rel=2e-5, abs=1e-5)
        up, down = (density_ratio(each, k) for each in moved)
        assert density[..., place] == pytest.approx((up - down) / (2.0 * step), rel=2e-4, abs=1e-4)


def test_boxes_are_raw_parameters_again() -> None:
    raw = np.array([smile_parameters(7.0), smile_parameters(30.0)])
    assert raw_of(box_of(raw)) == pytest.approx(raw)


def test_what_is_no_chain_is_refused() -> None:
    with pytest.raises(InvalidInput, match="expiries"):
        smiles_of([])
    with pytest.raises(InvalidInput, match="expiries"):
        smiles_of(smiles((30.0, 7.0)))
