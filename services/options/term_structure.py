"""What is read off a surface: levels, skews, risk reversals and model-free variance by expiry, and a fixed horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import simpson
from scipy.special import ndtri

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.model_free import constant_maturity_variance
from services.options.no_arbitrage import normalised_calls
from services.options.surface import Surface, SurfaceSlice
from services.options.svi import JumpWings, RawSvi, jump_wings, shape, total_variance

THIRTY_DAYS = 30.0 * SECONDS_PER_DAY / SECONDS_PER_YEAR
_DEVIATIONS, _POINTS, _BISECTIONS = 12.0, 1601, 60


@dataclass(frozen=True, slots=True)
class SmileFigures:
    """One expiry in a desk's terms; volatilities are annual fractions.

    Parameters
    ----------
    atm_volatility : float
        At the forward.
    skew : float
        dσ/dk at the forward.
    risk_reversal, butterfly : float
        σ(25-delta call) − σ(25-delta put), and their mean less σ at the forward; forward deltas.
    model_free_volatility : float
        Root of the variance that pays the log contract, see `model_free_variance`.
    jump_wings : JumpWings
    """

    atm_volatility: float
    skew: float
    risk_reversal: float
    butterfly: float
    model_free_volatility: float
    jump_wings: JumpWings


def smile_figures(part: SurfaceSlice) -> SmileFigures:
    """Figures of one slice.

    ``dσ/dk = w'(0) / (2 √(w(0) T))``.
    """
    found = shape(part.raw, np.zeros(1))
    variance, slope = float(found.variance[0]), float(found.slope[0])
    atm = math.sqrt(variance / part.time_to_expiry)
    call, put = (float(part.volatility(log_moneyness_of_delta(part.raw, delta))) for delta in (0.25, -0.25))
    free = math.sqrt(model_free_variance(part.raw, part.time_to_expiry))
    skew = slope / (2.0 * math.sqrt(variance * part.time_to_expiry))
    return SmileFigures(
        atm, skew, call - put, (call + put) / 2.0 - atm, free, jump_wings(part.raw, part.time_to_expiry)
    )


def log_moneyness_of_delta(raw: RawSvi, delta: float) -> float:
    r"""k of the option with a given forward delta, undiscounted: ``N(d₁) = Δ`` of a call, ``−N(−d₁) = Δ`` of a put.

    Parameters
    ----------
    raw : RawSvi
    delta : float
        In (0, 1) for a call, (-1, 0) for a put.

    Raises
    ------
    InvalidInput
        A delta out of range, or one that no strike has: a smile whose wings are too steep to reach it.

    Notes
    -----
    Bisection of ``d₁(k) = −k/√w + √w/2``, which falls in k wherever the smile is free of arbitrage.
    """
    if not 0.0 < abs(delta) < 1.0:
        raise InvalidInput("delta", "must lie within 0 and 1 for a call, -1 and 0 for a put", delta)
    goal = float(ndtri(delta)) if delta > 0.0 else -float(ndtri(-delta))
    reach = 1.0
    while _first_distance(raw, -reach) < goal or _first_distance(raw, reach) > goal:
        reach *= 2.0
        if reach > 64.0:
            raise InvalidInput("delta", "is not reached by any strike of this smile", delta)
    low, high = -reach, reach
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _first_distance(raw, middle) > goal else (low, middle)
    return (low + high) / 2.0


def model_free_variance(raw: RawSvi, time_to_expiry: float) -> float:
    r"""Annual variance that the options out of the money pay together: the whole integral over the fitted smile.

    ``σ² T = 2 [∫_{−∞}^0 p(k) e^{−k} dk + ∫_0^∞ c(k) e^{−k} dk]``, p and c puts and calls over the forward.

    Notes
    -----
    The strip of listed strikes (`model_free.strip_variance`) lacks the wings beyond them and adds the convexity between
    them; here the smile supplies both. Simpson's rule over twelve standard deviations, finer at the money.

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
    k = max(_DEVIATIONS * root, 1.0) * (0.2 * u + 0.8 * u**3)
    calls = normalised_calls(k, total_variance(raw, k))
    prices: Floats = np.where(k < 0.0, calls - 1.0 + np.exp(k), calls)
    return 2.0 * float(simpson(np.maximum(prices, 0.0) * np.exp(-k), x=k)) / time_to_expiry


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


def _first_distance(raw: RawSvi, k: float) -> float:
    """d₁."""
    root = math.sqrt(max(float(total_variance(raw, k)), 1e-300))
    return -k / root + root / 2.0
