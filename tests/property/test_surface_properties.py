"""What holds for every smile and every surface, whatever its parameters."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.options.essvi import essvi
from services.options.no_arbitrage import audit
from services.options.surface import Surface
from services.options.svi import RawSvi, butterfly_free, durrleman, from_jump_wings, jump_wings, total_variance
from tests.unit.options.test_surface import piece

K = np.linspace(-1.0, 1.0, 61)
WIDE = np.linspace(-6.0, 6.0, 2_001)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def smiles(draw: st.DrawFn) -> RawSvi:
    """Raw SVI with variance everywhere and wings that Lee allows."""
    rho, sigma = draw(numbers(-0.95, 0.95)), draw(numbers(0.02, 0.8))
    b = draw(numbers(0.005, 1.9)) / (1.0 + abs(rho))
    least = draw(numbers(1e-4, 0.3))
    return RawSvi(least - b * sigma * math.sqrt(1.0 - rho * rho), b, rho, draw(numbers(-0.5, 0.5)), sigma)


@st.composite
def surfaces(draw: st.DrawFn) -> Surface:
    """eSSVI surfaces of one to six expiries."""
    count = draw(st.integers(1, 6))
    rho = [draw(numbers(-0.9, 0.9)) for _ in range(count)]
    rises = [draw(numbers(0.0, 0.3)) for _ in range(count - 1)]
    places = [draw(numbers(0.0, 1.0)) for _ in range(count)]
    raw = essvi(rho, draw(numbers(1e-4, 0.3)), rises, places)
    times = np.cumsum([draw(numbers(0.003, 1.0)) for _ in range(count)])
    return Surface(as_of=0.0, slices=tuple(piece(row, float(years)) for row, years in zip(raw, times, strict=True)))


@given(smiles(), numbers(0.003, 3.0))
def test_jump_wings_are_the_smile_again(raw: RawSvi, years: float) -> None:
    wings = jump_wings(raw, years)
    # Where the least variance lies at the money, width and curvature are not determined by the wings.
    assume(wings.atm_variance - wings.least_variance > 1e-4 * wings.atm_variance)
    again = from_jump_wings(wings, years)
    assert np.allclose(total_variance(again, K), total_variance(raw, K), rtol=1e-6, atol=1e-9)


@given(smiles())
def test_a_mended_smile_has_no_negative_density_and_the_same_level(raw: RawSvi) -> None:
    mended = butterfly_free(raw)
    assert durrleman(mended, WIDE).min() >= -1e-9
    assert math.isclose(float(total_variance(mended, 0.0)), float(total_variance(raw, 0.0)), rel_tol=1e-9)


@given(surfaces())
def test_every_essvi_surface_passes_the_audit(surface: Surface) -> None:
    assert audit(surface).clean
    assert audit(surface, WIDE[::8]).clean


@given(surfaces(), st.lists(numbers(0.001, 8.0), min_size=2, max_size=8))
@settings(max_examples=60)
def test_variance_never_falls_with_time_between_and_beyond_expiries(surface: Surface, times: list[float]) -> None:
    ascending = np.sort(np.array([*times, *surface.times]))
    variance = surface.total_variance(K[None, :], ascending[:, None])
    assert np.all(np.diff(variance, axis=0) >= -1e-12 * variance[1:])
    assert np.all(variance > 0.0)
