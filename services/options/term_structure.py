"""What is read off a surface: levels, skews, risk reversals and model-free variance by expiry, and a fixed horizon."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import simpson
from scipy.special import ndtr, ndtri

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.checks import finite
from services.options.model_free import constant_maturity_variance
from services.options.surface import Surface, SurfaceSlice
from services.options.svi import JumpWings, RawSvi, jump_wings, shape, total_variance

THIRTY_DAYS = 30.0 * SECONDS_PER_DAY / SECONDS_PER_YEAR
_DEVIATIONS, _POINTS, _BISECTIONS, _REACH = 30.0, 2401, 64, 64.0
_FARTHEST = 600.0
"""Log-moneyness whose exponential still is a number."""


@dataclass(frozen=True, slots=True)
class SmileFigures:
    """One expiry in a desk's terms; volatilities are annual fractions.

    Parameters
    ----------
    atm_volatility : float
        At the forward.
    skew : float
        dσ/dk at the forward.
    risk_reversal, butterfly : float, optional
        σ(25-delta call) − σ(25-delta put), and their mean less σ at the forward; forward deltas. None for a smile whose
        wings are too steep to reach these deltas.
    model_free_volatility : float
        Root of the variance that pays the log contract, see `model_free_variance`.
    jump_wings : JumpWings
    """

    atm_volatility: float
    skew: float
    risk_reversal: float | None
    butterfly: float | None
    model_free_volatility: float
    jump_wings: JumpWings


def smile_figures(part: SurfaceSlice) -> SmileFigures:
    """Figures of one slice.

    ``dσ/dk = w'(0) / (2 √(w(0) T))``.
    """
    found = shape(part.raw, np.zeros(1))
    variance, slope = float(found.variance[0]), float(found.slope[0])
    atm = math.sqrt(variance / part.time_to_expiry)
    k, reached = log_moneyness_of_delta(partial(total_variance, part.raw), [0.25, -0.25])
    call, put = part.volatility(k).tolist()
    reversal, middle = (call - put, (call + put) / 2.0 - atm) if reached.all() else (None, None)
    free = math.sqrt(model_free_variance(part.raw, part.time_to_expiry))
    skew = slope / (2.0 * math.sqrt(variance * part.time_to_expiry))
    return SmileFigures(atm, skew, reversal, middle, free, jump_wings(part.raw, part.time_to_expiry))


def log_moneyness_of_delta(variance: Callable[[Floats], Floats], delta: ArrayLike) -> tuple[Floats, Bools]:
    r"""k of options with given forward deltas, undiscounted: ``N(d₁) = Δ`` of a call, ``−N(−d₁) = Δ`` of a put.

    Parameters
    ----------
    variance : callable
        w of an array of k, one smile for each delta or one for all.
    delta : (n,) array
        In (0, 1) for a call, (-1, 0) for a put.

    Returns
    -------
    k : (n,) array
    reached : (n,) bool array
        Whether a strike within |k| <= 64 has this delta; k is 0 where none has.

    Raises
    ------
    InvalidInput
        A delta out of range.

    Notes
    -----
    Bisection of ``d₁(k) = −k/√w + √w/2``, which falls in k wherever the smile is free of arbitrage.

    Examples
    --------
    >>> k, _ = log_moneyness_of_delta(lambda k: np.full_like(k, 0.04), [0.5])
    >>> round(float(k[0]), 9)
    0.02
    """
    wanted = np.atleast_1d(finite("delta", delta))
    if np.any(wanted == 0.0) or np.any(np.abs(wanted) >= 1.0):
        raise InvalidInput("delta", "must lie within 0 and 1 for a call, -1 and 0 for a put", wanted.tolist())
    goal = np.sign(wanted) * ndtri(np.abs(wanted))
    low, high = np.full(goal.shape, -_REACH), np.full(goal.shape, _REACH)
    reached = (first_distance(variance(low), low) > goal) & (first_distance(variance(high), high) < goal)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        right = first_distance(variance(middle), middle) > goal
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    return np.where(reached, (low + high) / 2.0, 0.0), np.asarray(reached, dtype=bool)


def forward_delta(variance: Floats, log_moneyness: Floats) -> Floats:
    """Undiscounted forward delta of the call, ``N(d₁)``."""
    return np.asarray(ndtr(first_distance(variance, log_moneyness)), dtype=float)


def first_distance(variance: Floats, log_moneyness: Floats) -> Floats:
    """d₁ at k."""
    root = np.sqrt(np.maximum(variance, 1e-300))
    return np.asarray(root / 2.0 - log_moneyness / root, dtype=float)


def model_free_variance(raw: RawSvi, time_to_expiry: float) -> float:
    r"""Annual variance that the options out of the money pay together: the whole integral over the fitted smile.

    ``σ² T = 2 [∫_{−∞}^0 p(k) e^{−k} dk + ∫_0^∞ c(k) e^{−k} dk]``, p and c puts and calls over the forward.

    Notes
    -----
    The strip of listed strikes (`model_free.strip_variance`) lacks the wings beyond them and adds the convexity between
    them; here the smile supplies both. Simpson's rule over thirty standard deviations, finer at the money:
    the wings of a steep smile count.

    References
    ----------
    Demeterfi, Derman, Kamal & Zou (1999), More than you ever wanted to know about volatility swaps.

    Examples
    --------
    >>> from services.options.svi import flat
    >>> round(model_free_variance(flat(0.09), 0.25), 6)
    0.36
    """
    root = math.sqrt(float(total_variance(raw, 0.0)))
    u = np.linspace(-1.0, 1.0, _POINTS)
    k = min(max(_DEVIATIONS * root, 1.0), _FARTHEST) * (0.2 * u + 0.8 * u**3)
    total = total_variance(raw, k)
    d1 = first_distance(total, k)
    d2, side = d1 - np.sqrt(total), np.where(k < 0.0, -1.0, 1.0)
    # Price times e^-k in one go: a put from its call would lose all digits far out.
    worth = side * (np.exp(-k) * ndtr(side * d1) - ndtr(side * d2))
    return 2.0 * float(simpson(worth, x=k)) / time_to_expiry


def model_free_at(surface: Surface, horizon: float = THIRTY_DAYS) -> tuple[float, bool]:
    """Model-free volatility of a fixed horizon, and whether it had to be extrapolated.

    Total variance is linear in time between the expiries around the horizon, as the VIX takes it; outside the quoted
    expiries the nearest one's annual variance is held.

    Parameters
    ----------
    surface : Surface
    horizon : float
        [years].
    """
    times = surface.times
    after = int(np.searchsorted(times, horizon))
    if 0 < after < len(times):
        pair = surface.slices[after - 1], surface.slices[after]
        variances = tuple(model_free_variance(part.raw, part.time_to_expiry) for part in pair)
        found = constant_maturity_variance((variances[0], variances[1]), (times[after - 1], times[after]), horizon)
        return math.sqrt(found), False
    nearest = surface.slices[0 if after == 0 else -1]
    exact = math.isclose(nearest.time_to_expiry, horizon, rel_tol=1e-9)
    return math.sqrt(model_free_variance(nearest.raw, nearest.time_to_expiry)), not exact
