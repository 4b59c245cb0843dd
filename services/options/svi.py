r"""Raw SVI: total implied variance of one expiry as a hyperbola in log-moneyness.

Letters of the literature: k = ln(K/F), w = σ²T total variance, θ = w(0), a, b, ρ, m, σ the raw parameters; v, ψ, p, c
and ṽ the jump-wing parameters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import positive

LARGEST_SLOPE = 2.0
"""Of a wing of total variance (Lee, 2004)."""
_SMALLEST_VARIANCE = 1e-12
"""Total variance below which g is evaluated as if it were this: 1/w must stay finite."""


class RawSvi(NamedTuple):
    """Raw parameters of one expiry: ``w(k) = a + b (ρ (k − m) + √((k − m)² + σ²))``.

    Parameters
    ----------
    a : float
        Level [total variance].
    b : float
        Half the sum of the slopes of both wings, >= 0.
    rho : float
        Tilt, within ±1: the right wing rises with b(1 + ρ), the left with b(1 − ρ).
    m : float
        Where the hyperbola is centred [log-moneyness].
    sigma : float
        Width of its turn, > 0 [log-moneyness].
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    @property
    def minimum(self) -> float:
        """Least total variance, ``a + b σ √(1 − ρ²)``."""
        return self.a + self.b * self.sigma * math.sqrt(1.0 - self.rho * self.rho)


class JumpWings(NamedTuple):
    """What a trader reads off a smile; does not depend on time to expiry if the smile scales with it.

    Parameters
    ----------
    atm_variance : float
        v = w(0)/T [annual].
    atm_skew : float
        ψ = dσ√T/dk at k = 0.
    put_slope, call_slope : float
        p and c: slope of either wing of w over √w(0).
    least_variance : float
        ṽ = min w / T [annual].
    """

    atm_variance: float
    atm_skew: float
    put_slope: float
    call_slope: float
    least_variance: float


class Shape(NamedTuple):
    """Total variance and its first and second derivative by k."""

    variance: Floats
    slope: Floats
    curvature: Floats


def total_variance(raw: ArrayLike, log_moneyness: ArrayLike) -> Floats:
    """``w(k)``; parameters (..., 5) against k of shape (..., n).

    Examples
    --------
    >>> round(float(total_variance(RawSvi(0.04, 0.1, 0.0, 0.0, 0.1), [0.0])[0]), 12)
    0.05
    """
    a, b, rho, m, sigma = _columns(raw)
    y = np.asarray(log_moneyness, dtype=float) - m
    return np.asarray(a + b * (rho * y + np.sqrt(y * y + sigma * sigma)), dtype=float)


def shape(raw: ArrayLike, log_moneyness: ArrayLike) -> Shape:
    """``w``, ``w' = b (ρ + y/r)``, ``w'' = b σ²/r³`` with y = k − m, r = √(y² + σ²); shapes as `total_variance`."""
    a, b, rho, m, sigma = _columns(raw)
    y = np.asarray(log_moneyness, dtype=float) - m
    radius = np.sqrt(y * y + sigma * sigma)
    return Shape(a + b * (rho * y + radius), b * (rho + y / radius), b * sigma * sigma / radius**3)


def durrleman(raw: ArrayLike, log_moneyness: ArrayLike) -> Floats:
    r"""Density of the price at expiry over that of its own lognormal law: butterflies are free of arbitrage where >= 0.

    ``g(k) = (1 − k w'/(2w))² − (w'²/4)(1/w + 1/4) + w''/2``; the density in K is ``g(k) φ(d₂)/(K √w)``.

    Parameters
    ----------
    raw : (..., 5) array
    log_moneyness : (..., n) array

    Returns
    -------
    (..., n) array

    Notes
    -----
    g >= 0 everywhere and call prices that vanish as k grows (d₁ → −∞, true of wings less steep than 2) exclude every
    static arbitrage within the expiry.

    References
    ----------
    Gatheral & Jacquier (2014), Arbitrage-free SVI volatility surfaces, Quantitative Finance 14, section 2.2.

    Examples
    --------
    Axel Vogt's smile has a negative density on its right wing.

    >>> vogt = RawSvi(-0.041, 0.1331, 0.306, 0.3586, 0.4153)
    >>> round(float(durrleman(vogt, np.linspace(-1.5, 1.5, 3001)).min()), 6)
    -0.032864
    """
    return density_ratio(shape(raw, log_moneyness), np.asarray(log_moneyness, dtype=float))


def density_ratio(found: Shape, log_moneyness: Floats) -> Floats:
    """g of any smile whose variance and derivatives are known; see `durrleman`."""
    variance = np.maximum(found.variance, _SMALLEST_VARIANCE)
    bend = 1.0 - log_moneyness * found.slope / (2.0 * variance)
    return np.asarray(bend * bend - found.slope**2 / 4.0 * (1.0 / variance + 0.25) + found.curvature / 2.0, dtype=float)


def jump_wings(raw: RawSvi, time_to_expiry: float) -> JumpWings:
    """Jump-wing parameters of a raw smile.

    ``v = θ/T``, ``ψ = b/(2√θ) (ρ − m/√(m² + σ²))``, ``p = b(1 − ρ)/√θ``, ``c = b(1 + ρ)/√θ``, ``ṽ = min w/T``.

    Raises
    ------
    InvalidInput
        No variance at the money, or T <= 0.

    References
    ----------
    Gatheral & Jacquier (2014), equation (3.5).
    """
    positive("time_to_expiry", time_to_expiry)
    theta = float(positive("w(0)", total_variance(raw, 0.0)))
    root = math.sqrt(theta)
    skew = raw.b / (2.0 * root) * (raw.rho - raw.m / math.hypot(raw.m, raw.sigma))
    put, call = raw.b * (1.0 - raw.rho) / root, raw.b * (1.0 + raw.rho) / root
    return JumpWings(theta / time_to_expiry, skew, put, call, raw.minimum / time_to_expiry)


def from_jump_wings(wings: JumpWings, time_to_expiry: float) -> RawSvi:
    r"""Raw parameters of a smile given by its jump wings.

    With ``b = √θ (p + c)/2``, ``ρ = 1 − p√θ/b``, ``β = ρ − 2ψ√θ/b = m/√(m² + σ²)`` and R = √(m² + σ²):
    ``R = (v − ṽ)T (1 − ρβ + √((1 − ρ²)(1 − β²))) / (b (ρ − β)²)``, ``m = βR``, ``σ = R√(1 − β²)``,
    ``a = ṽT − bσ√(1 − ρ²)``.

    Raises
    ------
    InvalidInput
        Slopes that are negative or both 0, ṽ above v, |β| > 1, or a smile whose least variance lies at the money (ψ = 0
        and ṽ = v): width and curvature are then not determined.

    Notes
    -----
    One formula for all signs of m, in place of the cases of the reference; it loses digits as ψ → 0 with ṽ → v.

    References
    ----------
    Gatheral & Jacquier (2014), Lemma 3.2.
    """
    positive("time_to_expiry", time_to_expiry), positive("atm_variance", wings.atm_variance)
    root = math.sqrt(wings.atm_variance * time_to_expiry)
    b = root * (wings.put_slope + wings.call_slope) / 2.0
    if min(wings.put_slope, wings.call_slope) < 0.0 or b <= 0.0:
        raise InvalidInput("put_slope and call_slope", "must be >= 0 and not both 0", tuple(wings))
    rho = 1.0 - wings.put_slope * root / b
    tilt = 2.0 * wings.atm_skew * root / b
    beta = rho - tilt
    if abs(beta) >= 1.0:
        raise InvalidInput("atm_skew", "must lie between -put_slope / 2 and call_slope / 2", wings.atm_skew)
    drop = (wings.atm_variance - wings.least_variance) * time_to_expiry
    if drop <= 0.0 or tilt == 0.0:
        raise InvalidInput("least_variance", "must lie below atm_variance, with a skew that is not 0", tuple(wings))
    both = math.sqrt((1.0 - rho * rho) * (1.0 - beta * beta))
    radius = drop * (1.0 - rho * beta + both) / (b * tilt * tilt)
    sigma = radius * math.sqrt(1.0 - beta * beta)
    a = wings.least_variance * time_to_expiry - b * sigma * math.sqrt(1.0 - rho * rho)
    return RawSvi(a, b, rho, beta * radius, sigma)


def repaired_wings(wings: JumpWings) -> JumpWings:
    """The smile of the same v, ψ and p that is an SSVI smile: ``c' = p + 2ψ``, ``ṽ' = 4 v p c'/(p + c')²``.

    Raises
    ------
    InvalidInput
        ``p + 2ψ <= 0``: no SSVI smile has this skew.

    Notes
    -----
    Free of butterfly arbitrage if besides ``√(vT) max(p, c') < 2`` and ``(p + c') max(p, c') <= 2``.

    References
    ----------
    Gatheral & Jacquier (2014), section 5.1 and Theorem 4.2.

    Examples
    --------
    >>> wings = repaired_wings(jump_wings(RawSvi(-0.041, 0.1331, 0.306, 0.3586, 0.4153), 1.0))
    >>> round(wings.call_slope, 7), round(wings.least_variance, 7)
    (0.3493158, 0.0154818)
    """
    put, call = wings.put_slope, wings.put_slope + 2.0 * wings.atm_skew
    if put <= 0.0 or call <= 0.0:
        raise InvalidInput("atm_skew", "must lie above -put_slope / 2", wings.atm_skew)
    least = 4.0 * wings.atm_variance * put * call / (put + call) ** 2
    return wings._replace(call_slope=call, least_variance=least)


def ssvi(theta: ArrayLike, rho: ArrayLike, psi: ArrayLike) -> Floats:
    """Raw parameters (..., 5) of the SSVI smile ``w = θ/2 (1 + ρφk + √((φk + ρ)² + 1 − ρ²))`` with ψ = θφ.

    ``a = θ(1 − ρ²)/2``, ``b = ψ/2``, ``m = −ρθ/ψ``, ``σ = √(1 − ρ²) θ/ψ``; b may be 0 only in the limit.
    """
    level, tilt, slope = (np.asarray(value, dtype=float) for value in (theta, rho, psi))
    free = 1.0 - tilt * tilt
    columns = (level * free / 2.0, slope / 2.0, tilt, -tilt * level / slope, np.sqrt(free) * level / slope)
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def largest_psi(theta: ArrayLike, rho: ArrayLike) -> Floats:
    """Largest ψ = θφ of an SSVI smile without butterfly arbitrage: ``min(4/(1 + |ρ|), √(4θ/(1 + |ρ|)))``.

    References
    ----------
    Gatheral & Jacquier (2014), Theorem 4.2 (sufficient).
    """
    room = 4.0 / (1.0 + np.abs(rho))
    return np.asarray(np.minimum(room, np.sqrt(room * np.asarray(theta, dtype=float))), dtype=float)


def butterfly_free(raw: RawSvi) -> RawSvi:
    """The SSVI smile with the level, the skew and the left wing of `raw`, its slope cut to what excludes butterflies.

    Parameters
    ----------
    raw : RawSvi
        With w(0) > 0.

    Notes
    -----
    `repaired_wings`, and where that cannot work: a skew steeper than any SSVI smile has is cut to ρ = −0.999, and ψ to
    `largest_psi`, less a hair for rounding. The answer always has g >= 0.
    """
    wings = jump_wings(raw, 1.0)
    put = max(wings.put_slope, 1e-6, -2.0 * wings.atm_skew * 1.0005)
    call = put + 2.0 * wings.atm_skew
    rho = min(max((call - put) / (call + put), -0.999), 0.999)
    psi = min((call + put) * math.sqrt(wings.atm_variance), (1.0 - 1e-9) * float(largest_psi(wings.atm_variance, rho)))
    return RawSvi(*ssvi(wings.atm_variance, rho, psi).tolist())


def flat(variance: float) -> RawSvi:
    """The smile that is none: the same total variance at every strike."""
    return RawSvi(float(positive("variance", variance)), 0.0, 0.0, 0.0, 1.0)


def _columns(raw: ArrayLike) -> tuple[Floats, ...]:
    """Parameters, each of shape (..., 1) where there are several smiles."""
    array = np.asarray(raw, dtype=float)
    if array.ndim == 1:
        return tuple(array)
    return tuple(array[..., place, None] for place in range(5))
