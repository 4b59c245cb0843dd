"""What a surface is fitted to: the quotes of each expiry as points of total variance over log-moneyness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.least_squares import minimise
from services.options.svi import flat, largest_psi, ssvi, total_variance

WIDE_SPREAD = 0.10
"""Spread in volatility beyond which a quote counts for less, by the square of the ratio; up to it all count alike."""
LEAST_SPREAD = 1e-4
"""Least that may be called wide, a hundredth of a point: a quote must keep a weight beside others."""
ENOUGH_FOR_SVI, ENOUGH_FOR_SSVI = 5, 3
"""Strikes from which an expiry carries five parameters, or three."""
_SUPPORT, _SUPPORT_WEIGHT = np.linspace(-1.5, 1.5, 7), 0.1
"""Where a thin expiry is held to its fallback [√θ], and how much such a point counts next to a quote."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Smile:
    """Quotes of one expiry, ascending in k.

    Parameters
    ----------
    time_to_expiry : float
        T [years].
    log_moneyness, volatility, spread : (n,) arrays
        k = ln(K/F), implied volatility [annual], and its distance from bid to ask [annual]; 0 where it is not known.
    """

    time_to_expiry: float
    log_moneyness: Floats
    volatility: Floats
    spread: Floats

    @property
    def atm_variance(self) -> float:
        """Total variance at the money, between the neighbouring quotes, or of the nearest one."""
        variance = self.volatility**2 * self.time_to_expiry
        return float(np.interp(0.0, self.log_moneyness, variance))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Smiles:
    """Points of all expiries in arrays of one width; what is not a point has weight 0.

    Parameters
    ----------
    time_to_expiry : (s,) array
        Ascending [years].
    atm_variance : (s,) array
        Total variance at the money, as quoted.
    log_moneyness, variance, weight : (s, n) arrays
        k, w and what turns an error of w into weighted volatility points.
    """

    time_to_expiry: Floats
    atm_variance: Floats
    log_moneyness: Floats
    variance: Floats
    weight: Floats


def smiles_of(parts: Sequence[Smile], *, wide_spread: float = WIDE_SPREAD) -> Smiles:
    r"""All expiries side by side; thin ones are given the support of a simpler smile.

    An error in w is weighted by ``100 / (2 σ T max(1, spread / wide_spread))``: to first order an error in volatility
    points, of a quote that is not wide. An expiry of 3 or 4 strikes is held to its SSVI smile, one of 1 or 2 to a flat
    one, at points within 1.5 standard deviations that count a tenth of a quote; `fallback` says which.

    Raises
    ------
    InvalidInput
        No expiry, an empty one, or times that do not ascend.
    """
    times = np.array([part.time_to_expiry for part in parts])
    if not parts or np.any(np.diff(times, prepend=0.0) <= 0.0) or any(part.log_moneyness.size == 0 for part in parts):
        raise InvalidInput("expiries", "must be at least one, ascending, each with a quote", times.tolist())
    points = [_points(part, wide_spread) for part in parts]
    width = max(len(k) for k, _, _ in points)
    padded = np.zeros((3, len(parts), width))
    padded[1] = 1.0
    for row, columns in enumerate(points):
        for target, column in zip(padded, columns, strict=True):
            target[row, : len(column)] = column
    atm = np.array([part.atm_variance for part in parts])
    return Smiles(time_to_expiry=times, atm_variance=atm, log_moneyness=padded[0], variance=padded[1], weight=padded[2])


def fallback(strikes: int) -> str | None:
    """Family that stands in for SVI where an expiry has too few strikes."""
    if strikes >= ENOUGH_FOR_SVI:
        return None
    return "ssvi" if strikes >= ENOUGH_FOR_SSVI else "flat"


def _points(part: Smile, wide_spread: float) -> tuple[Floats, Floats, Floats]:
    k, variance = part.log_moneyness, part.volatility**2 * part.time_to_expiry
    weight = 100.0 / (2.0 * part.volatility * part.time_to_expiry * np.maximum(1.0, part.spread / wide_spread))
    family = fallback(k.size)
    if family is None:
        return k, variance, weight
    raw = _ssvi_smile(k, variance, weight) if family == "ssvi" else np.array(flat(float(np.mean(variance))))
    support = _SUPPORT * np.sqrt(part.atm_variance)
    every = np.concatenate([k, support])
    order = np.argsort(every, kind="stable")
    held = np.full(support.shape, _SUPPORT_WEIGHT * float(np.mean(weight)))
    return (
        every[order],
        np.concatenate([variance, total_variance(raw, support)])[order],
        np.concatenate([weight, held])[order],
    )


def _ssvi_smile(k: Floats, variance: Floats, weight: Floats) -> Floats:
    """Three parameters to three or four points: θ, ρ, and ψ as a part of what excludes butterflies."""

    def model(x: Floats) -> Floats:
        theta, rho, part = x[:, 0], x[:, 1], x[:, 2]
        return total_variance(ssvi(theta, rho, part * largest_psi(theta, rho)), k)

    def evaluate(x: Floats) -> tuple[Floats, Floats]:
        steps = np.array([1e-6 * x[0, 0], 1e-6, 1e-6])
        moved = model(np.concatenate([x, x + np.diag(steps)]))
        slopes = (moved[1:] - moved[0]) / steps[:, None]
        return ((moved[0] - variance) * weight)[None], (slopes * weight).T[None]

    level = float(np.interp(0.0, k, variance))
    start, lower, upper = [level, -0.1, 0.5], [level / 10.0, -0.9, 0.02], [level * 4.0, 0.9, 0.99]
    x = minimise(evaluate, np.array([start]), np.array([lower]), np.array([upper])).parameters[0]
    return ssvi(x[0], x[1], x[2] * largest_psi(x[0], x[1]))
