r"""Variance that option prices imply without any model: strips of options out of the money.

A continuous strip of options weighted by 1/K² pays the realised variance of a price that does not jump:
``σ² T = 2 df⁻¹ [∫_0^F P(K)/K² dK + ∫_F^∞ C(K)/K² dK]``. Quotes are neither continuous nor endless; the functions here
differ in how they take the gaps between strikes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import finite, positive


@dataclass(frozen=True, slots=True)
class VarianceStrip:
    """Variance of one expiry, and the strip it was read from.

    Parameters
    ----------
    variance : float
        Annual variance [fraction²].
    forward, pivot : float
        F, and the strike K₀ at or below it where puts end and calls begin [quote].
    strikes, prices : (k,) arrays
        Options that were used [quote].
    """

    variance: float
    forward: float
    pivot: float
    strikes: Floats
    prices: Floats


def strip_variance(
    strikes: ArrayLike,
    prices: ArrayLike,
    *,
    forward: float,
    pivot: float,
    time_to_expiry: float,
    discount: float = 1.0,
) -> float:
    r"""Sum over strikes as the VIX takes it.

    ``σ² = (2/T) Σ ΔK/K² Q(K)/df − (F/K₀ − 1)²/T``, ΔK half the distance between both neighbours, at the ends the
    distance to the one neighbour.

    Parameters
    ----------
    strikes : (k,) array
        Ascending, k >= 2 [quote].
    prices : (k,) array
        Q: of the put below `pivot`, of the call above, of their mean at it [quote].
    forward, pivot : float
        F and K₀ [quote].
    time_to_expiry : float
        T [years].
    discount : float
        df to expiry.

    Returns
    -------
    float
        Annual variance.

    Raises
    ------
    InvalidInput
        Fewer than two strikes, strikes not ascending, lengths that differ, numbers out of range.

    Notes
    -----
    Too low by the wings that are not quoted, too high by the convexity between strikes (of order (ΔK / (F σ √T))²).
    The last term repairs to second order that K₀ is not F.

    References
    ----------
    Cboe (2009), VIX White Paper: formula (1).
    """
    strike, price = positive("strikes", strikes), finite("prices", prices)
    if strike.ndim != 1 or strike.size < 2 or np.any(np.diff(strike) <= 0.0):
        raise InvalidInput("strikes", "must be at least two, ascending", strike.tolist())
    if price.shape != strike.shape:
        raise InvalidInput("prices", "must be one for each strike", price.size)
    for name, value in (
        ("forward", forward),
        ("pivot", pivot),
        ("time_to_expiry", time_to_expiry),
        ("discount", discount),
    ):
        positive(name, value)
    total = float((_steps(strike) / strike**2) @ price) / discount
    return (2.0 * total - (forward / pivot - 1.0) ** 2) / time_to_expiry


def quoted_variance(
    strikes: ArrayLike,
    *,
    call_bid: ArrayLike,
    call_ask: ArrayLike,
    put_bid: ArrayLike,
    put_ask: ArrayLike,
    time_to_expiry: float,
    rate: float = 0.0,
) -> VarianceStrip:
    """Variance of one expiry from its quotes, by the rules of the VIX.

    F from put-call parity at the strike where call and put differ least; K₀ the highest strike at or below F; puts
    below K₀ and calls above it with a bid above zero, each wing ending before two bids of zero in a row; prices at mid.

    Parameters
    ----------
    strikes : (k,) array
        Ascending [quote].
    call_bid, call_ask, put_bid, put_ask : (k,) arrays
        [quote]; NaN where there is no quote, which counts as a bid of zero.
    time_to_expiry : float
        T [years of 365 days].
    rate : float
        Continuous, annual.

    Raises
    ------
    InvalidInput
        No strike with both sides quoted, none at or below the forward, or fewer than two usable options.

    References
    ----------
    Cboe (2009), VIX White Paper.
    """
    strike = positive("strikes", strikes)
    bids = [np.nan_to_num(np.asarray(side, dtype=float)) for side in (call_bid, put_bid)]
    call, put = (
        (np.asarray(bid, dtype=float) + np.asarray(ask, dtype=float)) / 2.0
        for bid, ask in ((call_bid, call_ask), (put_bid, put_ask))
    )
    discount = math.exp(-rate * time_to_expiry)
    forward = _parity_forward(strike, call, put, discount)
    if strike[0] > forward:
        raise InvalidInput("strikes", f"must reach down to the forward, {forward:.6g}", float(strike[0]))
    middle = int(np.searchsorted(strike, forward, side="right")) - 1
    below, above = _wing(bids[1][:middle][::-1]), _wing(bids[0][middle + 1 :])
    chosen = np.concatenate([middle - 1 - below[::-1], [middle], middle + 1 + above]).astype(int)
    prices = np.where(strike < strike[middle], put, call)
    prices[middle] = (call[middle] + put[middle]) / 2.0
    pivot, used = float(strike[middle]), (strike[chosen], prices[chosen])
    variance = strip_variance(*used, forward=forward, pivot=pivot, time_to_expiry=time_to_expiry, discount=discount)
    return VarianceStrip(variance, forward, pivot, *used)


def constant_maturity_variance(variances: tuple[float, float], times: tuple[float, float], target: float) -> float:
    """Annual variance of a fixed horizon from the expiries around it: total variance, linear in time.

    ``σ² = [T₁σ₁² (T₂ − T)/(T₂ − T₁) + T₂σ₂² (T − T₁)/(T₂ − T₁)] / T``

    Parameters
    ----------
    variances, times : pairs of float
        σ² and T of the near and the next expiry; the target may lie outside, as in the week before the roll.
    target : float
        T [years]; 30/365 for the VIX.

    Examples
    --------
    >>> round(constant_maturity_variance((0.04, 0.05), (0.05, 0.10), 30 / 365), 6)
    0.047833
    """
    near, following = times
    if not 0.0 < near < following:
        raise InvalidInput("times", "must be ascending and > 0", times)
    weight = (following - target) / (following - near)
    return (near * variances[0] * weight + following * variances[1] * (1.0 - weight)) / target


def replicated_variance(
    put_strikes: ArrayLike,
    put_prices: ArrayLike,
    call_strikes: ArrayLike,
    call_prices: ArrayLike,
    *,
    forward: float,
    time_to_expiry: float,
    discount: float,
    end_step: float,
) -> float:
    r"""Fair strike of a variance swap from the portfolio that replicates the log contract from outside.

    ``K_var = (2/T)[ln(F/S*) − (F/S* − 1)] + (Σ w_p P + Σ w_c C) / df``; the weights make the pay-off of the portfolio
    the chords of ``f(S) = (2/T)[(S − S*)/S* − ln(S/S*)]`` between strikes.

    Parameters
    ----------
    put_strikes, call_strikes : arrays
        Both ascending, both with the split S*: the last of the puts and the first of the calls [quote].
    put_prices, call_prices : arrays
        [quote]
    forward, time_to_expiry, discount : float
        F [quote], T [years], df.
    end_step : float
        Distance beyond the outermost strikes at which the last chords end [quote].

    Notes
    -----
    Chords lie above the curve: never too low between the outermost strikes.

    References
    ----------
    Demeterfi, Derman, Kamal & Zou (1999), More than you ever wanted to know about volatility swaps, Goldman Sachs,
    appendix A.
    """
    puts, calls = positive("put_strikes", put_strikes), positive("call_strikes", call_strikes)
    split = float(calls[0])
    if puts[-1] != split:
        raise InvalidInput("put_strikes", f"must end where calls begin, at {split:g}", float(puts[-1]))
    positive("discount", discount), positive("time_to_expiry", time_to_expiry), positive("forward", forward)

    def payoff(price: Floats) -> Floats:
        return np.asarray(2.0 / time_to_expiry * ((price - split) / split - np.log(price / split)), dtype=float)

    held = 0.0
    for outward, prices, end in (
        (puts[::-1], finite("put_prices", put_prices)[::-1], puts[0] - end_step),
        (calls, finite("call_prices", call_prices), calls[-1] + end_step),
    ):
        nodes = np.append(outward, end)
        slopes = np.diff(payoff(positive("end_step", nodes))) / np.abs(np.diff(nodes))
        held += float(np.diff(slopes, prepend=0.0) @ prices)
    ratio = forward / split
    return 2.0 / time_to_expiry * (math.log(ratio) - (ratio - 1.0)) + held / discount


def _steps(strikes: Floats) -> Floats:
    """ΔK: half the distance between both neighbours, the whole distance at the ends."""
    gaps = np.diff(strikes)
    return np.concatenate([gaps[:1], (gaps[1:] + gaps[:-1]) / 2.0, gaps[-1:]])


def _parity_forward(strikes: Floats, call: Floats, put: Floats, discount: float) -> float:
    """``F = K + (C − P)/df`` at the strike where |C − P| is least."""
    difference = np.abs(call - put)
    if np.isnan(difference).all():
        raise InvalidInput("strikes", "must have one with both call and put quoted", strikes.size)
    nearest = int(np.nanargmin(difference))
    return float(strikes[nearest] + (call[nearest] - put[nearest]) / discount)


def _wing(bids: Floats) -> NDArray[np.intp]:
    """Places, from the middle outward, of bids above zero before the first two zeros in a row."""
    none = bids <= 0.0
    pairs = np.flatnonzero(none[1:] & none[:-1])
    end = pairs[0] if pairs.size else bids.size
    return np.flatnonzero(~none[:end])
