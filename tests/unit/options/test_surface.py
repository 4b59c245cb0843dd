"""A surface between and beyond its expiries, its audit, and what is read off it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.options.black import black_greeks, black_price
from services.options.essvi import essvi, fit_essvi
from services.options.model_free import strip_variance
from services.options.no_arbitrage import audit, normalised_calls
from services.options.smiles import smiles_of
from services.options.surface import Surface, SurfaceSlice
from services.options.svi import RawSvi, durrleman, flat, largest_psi, ssvi, total_variance
from services.options.term_structure import log_moneyness_of_delta, model_free_at, model_free_variance, smile_figures
from tests.support.surfaces import smile_parameters, smiles

VOGT = RawSvi(-0.041, 0.1331, 0.306, 0.3586, 0.4153)


def piece(raw: Any, years: float, forward: float = 100.0, **changes: Any) -> SurfaceSlice:
    found = SurfaceSlice(
        expiry=years * 31_536_000.0,
        time_to_expiry=years,
        forward=forward,
        forward_source="given",
        raw=RawSvi(*np.asarray(raw).tolist()),
        family="svi",
        strikes=12,
        rmse=0.0,
        inside=1.0,
        lowest=-0.5,
        highest=0.4,
    )
    return replace(found, **changes)


def surface(*pieces: SurfaceSlice) -> Surface:
    return Surface(as_of=0.0, slices=pieces)


TWO = surface(piece(smile_parameters(73.0), 0.2, 100.0), piece(smile_parameters(146.0), 0.4, 104.0))


def test_variance_is_linear_in_time_at_fixed_moneyness_and_forwards_in_logs() -> None:
    k = np.array([-0.3, 0.0, 0.2])
    first, second = total_variance(TWO.raw, k)
    assert TWO.total_variance(k, 0.3) == pytest.approx((first + second) / 2.0)
    assert TWO.total_variance(k, [0.2, 0.25, 0.4]) == pytest.approx(
        [first[0], 0.75 * first[1] + 0.25 * second[1], second[2]]
    )
    assert float(TWO.forward(0.3)) == pytest.approx(np.sqrt(100.0 * 104.0))
    assert TWO.forward([0.01, 5.0]) == pytest.approx([100.0, 104.0])


def test_before_the_first_and_after_the_last_expiry() -> None:
    k = np.array([-0.3, 0.0, 0.2])
    first, last = total_variance(TWO.raw, k)
    atm = total_variance(TWO.raw, np.zeros((2, 1)))[:, 0]
    assert TWO.total_variance(k, 0.05) == pytest.approx(first / 4.0)
    assert TWO.total_variance(k, 0.9) == pytest.approx(last + 0.5 * (atm[1] - atm[0]) / 0.2)
    alone = surface(piece(flat(0.04), 0.25))
    assert float(alone.volatility(100.0, 1.0)) == pytest.approx(0.4)
    falling = surface(piece(flat(0.04), 0.2), piece(flat(0.04), 0.4))
    assert float(falling.total_variance(0.0, 0.9)) == pytest.approx(0.04)


@pytest.mark.parametrize("hours", [1 / 60, 1.0, 24.0])
def test_a_last_expiry_beside_another_does_not_extrapolate_its_noise(hours: float) -> None:
    """One point of volatility between neighbours is a slope that would be 1500 % in a year."""
    month, level = 30 / 365, 0.5
    last = month + hours / 8760.0
    ends = (piece(flat(level**2 * month), month), piece(flat((level + 0.01) ** 2 * last), last))
    assert float(surface(*ends).volatility(100.0, 1.0)) == pytest.approx(level + 0.01)
    sooner = piece(flat(level**2 * month / 2), month / 2)
    slope = ((level + 0.01) ** 2 * last - level**2 * month / 2) / (last - month / 2)
    expected = np.sqrt((level + 0.01) ** 2 * last + (1.0 - last) * slope)
    assert float(surface(sooner, *ends).volatility(100.0, 1.0)) == pytest.approx(expected)
    assert expected < 0.53


def test_volatility_at_a_strike_uses_the_forward_of_its_time() -> None:
    forward = float(TWO.forward(0.3))
    assert float(TWO.volatility(forward, 0.3)) == pytest.approx(float(np.sqrt(TWO.total_variance(0.0, 0.3) / 0.3)))


def test_what_is_extrapolated() -> None:
    found = TWO.extrapolated([0.0, 0.0, 0.0, 0.45, -0.5], [0.1, 0.3, 0.5, 0.3, 0.3])
    assert found.tolist() == [True, False, True, True, False]


def test_slices_must_ascend() -> None:
    with pytest.raises(InvalidInput, match="slices"):
        surface()
    with pytest.raises(InvalidInput, match="slices"):
        surface(piece(flat(0.1), 0.2), piece(flat(0.2), 0.2))
    with pytest.raises(InvalidInput, match="time_to_expiry"):
        TWO.total_variance(0.0, 0.0)


def test_the_audit_finds_the_butterflies_of_vogt() -> None:
    found = audit(surface(piece(VOGT, 1.0)), np.linspace(-1.5, 1.5, 301))
    assert found.butterflies > 10
    assert (found.calendars, found.largest_crossing) == (0, None)
    # Its calls even rise with the strike beyond k = 1: digital options of a negative price.
    k = np.linspace(-1.5, 1.5, 301)
    calls = black_price(1.0, np.exp(k), 1.0, np.sqrt(total_variance(VOGT, k)), 1)
    assert found.call_spreads == np.count_nonzero(np.diff(calls) > 1e-10) > 0
    assert found.least_density == pytest.approx(-0.0328, abs=1e-3)
    assert found.severity == "minor"
    assert {violation.kind for violation in found.violations} <= {"butterfly", "call_spread"}
    assert len(found.violations) == 20
    sizes = [violation.size for violation in found.violations]
    assert sizes == sorted(sizes, reverse=True)
    assert found.worst == sizes[0]
    assert all(0.6 < item.log_moneyness < 1.3 for item in found.violations if item.kind == "butterfly")


def test_a_butterfly_costs_what_its_three_calls_cost() -> None:
    k = np.array([0.8, 0.88, 0.96])
    found = audit(surface(piece(VOGT, 1.0)), k)
    strikes = np.exp(k)
    volatility = np.sqrt(total_variance(VOGT, k))
    low, middle, high = black_price(1.0, strikes, 1.0, volatility, 1)
    near, far = np.diff(strikes)
    cost = min(near, far) * ((low - middle) / near - (middle - high) / far)
    sizes = [violation.size for violation in found.violations if violation.kind == "butterfly"]
    assert sizes == [pytest.approx(-cost, rel=1e-9)]


def test_the_audit_finds_calendars_and_call_spreads() -> None:
    crossed = audit(surface(piece(flat(0.09), 0.2), piece(flat(0.04), 0.4)))
    assert (crossed.butterflies, crossed.call_spreads, crossed.calendars) == (0, 0, 61)
    assert crossed.largest_crossing == pytest.approx(0.05)
    worst = crossed.violations[0]
    assert (worst.kind, worst.slice, worst.log_moneyness) == ("calendar", 1, pytest.approx(0.0, abs=0.05))
    strikes = np.exp(np.linspace(-1.0, 1.0, 61))
    sooner, later = (black_price(1.0, strikes, 1.0, volatility, 1) for volatility in (0.3, 0.2))
    assert worst.size == pytest.approx(float((sooner - later).max()), rel=1e-12)
    assert crossed.severity == "moderate"
    rising = audit(surface(piece(RawSvi(0.0001, 1.9, 0.0, 0.0, 0.001), 0.1)), np.linspace(0.0, 0.3, 20))
    assert rising.call_spreads > 0
    assert not rising.clean


def test_a_clean_surface_is_clean() -> None:
    found = audit(TWO)
    assert found.clean
    assert (found.severity, found.worst, found.violations) == ("none", 0.0, ())


def test_calls_over_the_forward_are_black_prices() -> None:
    k, variance = np.linspace(-0.5, 0.5, 11), np.full(11, 0.09)
    assert normalised_calls(k, variance) == pytest.approx(black_price(1.0, np.exp(k), 1.0, 0.3, 1), rel=1e-12)


def test_figures_of_a_smile() -> None:
    part = piece(smile_parameters(73.0), 0.2)
    figures, step = smile_figures(part), 1e-5
    slope = (part.volatility(step) - part.volatility(-step)) / (2.0 * step)
    assert figures.atm_volatility == pytest.approx(0.6)
    assert figures.skew == pytest.approx(float(slope), rel=1e-6)
    k, reached = log_moneyness_of_delta(lambda at: total_variance(part.raw, at), [0.25, -0.25, 0.5])
    assert reached.all()
    volatility = part.volatility(k)
    strikes = 100.0 * np.exp(k)
    deltas = black_greeks(100.0, strikes, 0.2, volatility, [1, -1, 1]).delta
    assert deltas == pytest.approx([0.25, -0.25, 0.5], abs=1e-12)
    assert figures.risk_reversal == pytest.approx(volatility[0] - volatility[1])
    assert figures.butterfly == pytest.approx((volatility[0] + volatility[1]) / 2.0 - 0.6)
    assert figures.risk_reversal is not None
    assert figures.risk_reversal < 0.0


def test_a_delta_that_no_strike_has() -> None:
    """A volatility of 40,000 %: even the strike e^64 times the forward has a delta above a half."""
    _, reached = log_moneyness_of_delta(lambda k: np.full_like(k, 400.0), [0.01])
    assert not reached[0]
    with pytest.raises(InvalidInput, match="delta"):
        log_moneyness_of_delta(lambda k: np.full_like(k, 0.04), [0.0])


@pytest.mark.parametrize("days", [7.0, 73.0, 365.0])
def test_model_free_variance_is_that_of_a_strip_without_gaps_or_ends(days: float) -> None:
    years, raw = days / 365.0, RawSvi(*smile_parameters(days))
    strikes = 100.0 * np.exp(np.linspace(-20.0, 20.0, 40_001) * 0.6 * np.sqrt(years))
    volatility = np.sqrt(total_variance(raw, np.log(strikes / 100.0)) / years)
    calls, puts = (black_price(100.0, strikes, years, volatility, right) for right in (1, -1))
    prices = np.where(strikes < 100.0, puts, calls)
    strip = strip_variance(strikes, prices, forward=100.0, pivot=100.0, time_to_expiry=years)
    assert model_free_variance(raw, years) == pytest.approx(strip, rel=2e-5)


def test_a_fixed_horizon_is_linear_in_total_variance() -> None:
    flats = surface(piece(flat(0.04 * 0.05), 0.05), piece(flat(0.09 * 0.10), 0.10))
    weight = (0.10 - 30.0 / 365.0) / 0.05
    expected = (0.002 * weight + 0.009 * (1.0 - weight)) / (30.0 / 365.0)
    found, beyond = model_free_at(flats)
    assert found**2 == pytest.approx(expected, rel=1e-6)
    assert not beyond
    assert model_free_at(flats, 0.5) == (pytest.approx(0.3, rel=1e-6), True)
    assert model_free_at(flats, 0.01) == (pytest.approx(0.2, rel=1e-6), True)
    assert model_free_at(flats, 0.05) == (pytest.approx(0.2, rel=1e-6), False)


def test_essvi_keeps_the_conditions_of_hendriks_and_martini() -> None:
    rho = [-0.4, -0.2, 0.1]
    raw = essvi(rho, 0.01, [0.005, 0.0], [0.9, 0.2, 1.0])
    theta = total_variance(raw, np.zeros((3, 1)))[:, 0]
    psi = 2.0 * raw[:, 1]
    assert np.all(psi <= largest_psi(theta, raw[:, 2]))
    growth = [max((1 + a) / (1 + b), (1 - a) / (1 - b)) for a, b in pairwise(rho)]
    assert theta[1:] == pytest.approx(np.array(growth) * theta[:-1] + [0.005, 0.0])
    assert np.all(psi[1:] >= growth * psi[:-1])
    assert np.all(psi[1:] / theta[1:] <= psi[:-1] / theta[:-1] * (1 + 1e-9))
    with pytest.raises(InvalidInput, match="parameters"):
        essvi([0.0, 1.0], 0.01, [0.01], [0.5, 0.5])


def test_essvi_finds_smiles_that_are_its_own() -> None:
    parts = smiles()
    raw = fit_essvi(smiles_of(parts))
    for part, row in zip(parts, raw, strict=True):
        fitted = np.sqrt(total_variance(row, part.log_moneyness) / part.time_to_expiry)
        assert fitted == pytest.approx(part.volatility, abs=2e-4)
    assert durrleman(raw, np.linspace(-4, 4, 801)).min() > 0.0
    assert fit_essvi(smiles_of(parts), raw) == pytest.approx(raw, rel=1e-3, abs=1e-5)


def test_ssvi_of_one_expiry() -> None:
    raw = fit_essvi(smiles_of(smiles((30.0,))))
    assert raw[0] == pytest.approx(smile_parameters(30.0), rel=1e-3, abs=1e-6)
    assert ssvi(0.03, -0.2, 0.1).shape == (5,)


@pytest.mark.parametrize("time", [0.05, 0.1, 0.3, 0.5, 0.9])
def test_the_skew_is_the_slope_of_the_volatility(time: float) -> None:
    k, step = np.array([-0.4, -0.1, 0.0, 0.2]), 1e-5
    up, down = (np.sqrt(TWO.total_variance(k + d, time) / time) for d in (step, -step))
    np.testing.assert_allclose(TWO.skew(k, time), (up - down) / (2 * step), atol=1e-8)
