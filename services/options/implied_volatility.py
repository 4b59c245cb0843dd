"""Implied volatility of whole arrays: the normalised Black price inverted by one fifth-order step from a close start.

Letters used inside the kernels: F forward, K strike, T time to expiry, s = σ√T total volatility, x = |ln(F/K)|,
h = x/s, t = s/2, β the time value over √(FK), φ and N density and distribution of the standard normal law.

An option in the money is the same option out of the money plus its intrinsic value, so only β and x matter:

``b(s) = ½ exp(−(h² + t²)/2) D``, ``D = E(h − t) − E(h + t)``, ``E(y) = erfcx(y/√2)``; solve ``ln b(s) = ln β``.
Near its maximum ``m = e^(−x/2)`` the price forgets s, but what is missing does not: there ``b − m`` is solved for
``β − m``, both negative; the same formula holds with ``D = −E(t − h) − E(t + h)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, ndtri

from services.core.explain import Bools, Floats

MAX_VOLATILITY = 10.0
"""Largest volatility that is believed: 1000 % a year."""

Codes = NDArray[np.int8]

_CHUNK = 16384
"""Options worked on at a time: long enough to drown the cost of a call, short enough for the cache."""
_ROUNDING = 4.0 * np.finfo(float).eps
_TINY = float(np.finfo(float).tiny)
_ROOT_HALF = float(np.sqrt(0.5))
_ROOT_TAU = float(np.sqrt(2.0 * np.pi))
_SLOPE = float(np.sqrt(2.0 / np.pi))
"""E'(y) = y E(y) − √(2/π), and b'/b = √(2/π)/D."""
_NARROW = 0.2
"""Total volatility below which the difference D loses digits and its series in t does not."""
_HIGH = 0.75
"""Share of its maximum above which a price is told by what is missing."""
_SERIES_WIDTH = 4.0
_LARGEST = 60.0
"""Total volatility at which every price has reached its maximum in double precision; erfcx overflows at 75."""
_CLOSE = 3e-4
"""Relative step s.t. the error left by a fifth-order method, its fifth power, is below rounding."""
_STEPS = 60


class ImpliedVolatilityStatus(IntEnum):
    """What became of one price."""

    OK = 0
    BELOW_INTRINSIC = 1
    NO_TIME_VALUE = 2
    ABOVE_MAXIMUM = 3
    BAD_INPUT = 4
    EXPIRED = 5
    ABOVE_LIMIT = 6


@dataclass(frozen=True, slots=True)
class ImpliedVolatility:
    """Volatilities and what became of each price, of one shape.

    Parameters
    ----------
    volatility : array
        [annual fraction]; 0 wherever `status` is not OK, never NaN.
    status : int8 array
        `ImpliedVolatilityStatus`.
    """

    volatility: Floats
    status: Codes

    @property
    def ok(self) -> Bools:
        """Where a volatility was found."""
        return np.asarray(self.status == ImpliedVolatilityStatus.OK)


def implied_volatility(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
) -> ImpliedVolatility:
    r"""Volatility at which Black-76 gives the price.

    Householder's method of fifth order on ``ln b(s) − ln β`` (the four derivatives follow from
    ``b''/b' = x²/s³ − s/4`` and cost no further special function), from a start within 1e-4: the closed inverse of the
    Bachelier price, which b tends to for small s, times a fitted correction for its width. One step is enough for
    nearly all prices; the rest are iterated inside a bracket.

    Parameters
    ----------
    price : array
        Of the option, discounted [quote].
    forward, strike : array
        F and K [quote per base].
    time_to_expiry : array
        T [years of 365 days].
    right : array
        +1 call, -1 put.
    discount : array
        Discount factor df to expiry.

    Returns
    -------
    ImpliedVolatility
        Of the broadcast shape. Statuses, in the order in which they are looked for:

        ==================  ==============================================================================
        BAD_INPUT (4)       Not finite; F, K or df not positive; right not ±1; F/K outside [1e-300, 1e300].
        EXPIRED (5)         T <= 0.
        ABOVE_MAXIMUM (3)   Price / df at or above F (call) or K (put): no volatility is high enough.
        BELOW_INTRINSIC (1) Price / df below ``max(w(F − K), 0)`` by more than rounding, 4 ε max(F, K).
        NO_TIME_VALUE (2)   In the money: equal to it within that rounding. Out of the money: β below 2.2e-308.
        ABOVE_LIMIT (6)     The volatility is above 10 (1000 %).
        OK (0)              The rest.
        ==================  ==============================================================================

    Notes
    -----
    Nothing is raised for a bad number: one bad quote never fails a chain. Out of the money the relative error is below
    1e-14 for prices down to 1e-297 and from a second to decades. In the money the price itself carries the volatility
    only to about 2 ε F / time value, and next to the maximum to ε b / (s b'): no method can do better. A price below
    intrinsic usually tells of a wrong forward: use the future of the same expiry.
    Cost O(n), about 0.15 µs an option.

    References
    ----------
    Jäckel (2015), Let's be rational, Wilmott 75: the normalised price through erfcx, Householder steps.
    Jäckel (2017), Implied normal volatility, Wilmott 90: the Bachelier price depends on one number only.

    Examples
    --------
    >>> found = implied_volatility([1656.948418, 60_000.0], 50_000.0, 50_000.0, 7 / 365, 1)
    >>> found.volatility.round(9).tolist(), found.status.tolist()
    ([0.6, 0.0], [0, 3])
    """
    inputs = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (price, forward, strike, time_to_expiry, right, discount))
    )
    shape, size = inputs[0].shape, inputs[0].size
    columns = [column.reshape(-1) for column in inputs]
    volatility, status = np.zeros(size), np.zeros(size, dtype=np.int8)
    # Bad rows are computed with whatever they hold and thrown away by their status.
    with np.errstate(all="ignore"):
        for start in range(0, size, _CHUNK):
            part = slice(start, start + _CHUNK)
            volatility[part], status[part] = _invert(*(column[part] for column in columns))
    return ImpliedVolatility(volatility.reshape(shape), status.reshape(shape))


def _invert(
    price: Floats, forward: Floats, strike: Floats, time: Floats, right: Floats, discount: Floats
) -> tuple[Floats, Codes]:
    """Volatility and status of one chunk."""
    low, high = np.minimum(forward, strike), np.maximum(forward, strike)
    distance = forward - strike
    value = price / discount - np.maximum(right * distance, 0.0)
    scale = np.sqrt(forward) * np.sqrt(strike)
    ratio, missing = value / scale, (value - low) / scale
    status = _status(value, ratio, low, high, time, np.abs(right) == 1.0, right * distance > 0.0, discount)
    good = status == ImpliedVolatilityStatus.OK
    # Through log1p: the difference of two close prices is exact, the logarithm of their ratio is not.
    moneyness, root = np.log1p(np.abs(distance) / low), np.sqrt(time)
    if good.all():
        volatility = _total(moneyness, ratio, missing) / root
    else:
        volatility = np.zeros(price.size)
        volatility[good] = _total(moneyness[good], ratio[good], missing[good]) / root[good]
    above = volatility > MAX_VOLATILITY
    status[above], volatility[above] = ImpliedVolatilityStatus.ABOVE_LIMIT, 0.0
    return volatility, status


def _status(
    value: Floats, ratio: Floats, low: Floats, high: Floats, time: Floats, sided: Bools, inside: Bools, discount: Floats
) -> Codes:
    """Status before the inversion; later lines overrule earlier ones."""
    status = np.zeros(value.size, dtype=np.int8)
    rounding = _ROUNDING * high
    status[np.where(inside, value <= rounding, ratio < _TINY)] = ImpliedVolatilityStatus.NO_TIME_VALUE
    status[value < -rounding] = ImpliedVolatilityStatus.BELOW_INTRINSIC
    status[value >= low] = ImpliedVolatilityStatus.ABOVE_MAXIMUM
    status[time <= 0.0] = ImpliedVolatilityStatus.EXPIRED
    # A comparison with NaN is false, so that each of these lets only good numbers through.
    good = (
        sided
        & (low > 0.0)
        & (low >= 1e-300 * high)
        & (high < np.inf)
        & (discount > 0.0)
        & np.isfinite(value + time + discount)
    )
    status[~good] = ImpliedVolatilityStatus.BAD_INPUT
    return status


def _total(x: Floats, ratio: Floats, missing: Floats) -> Floats:
    """Total volatility s at which b(s) is `ratio`, β; `missing` is β − m."""
    s, least = _start(x, ratio)
    step, close = _step(s, x, ratio)[:2]
    high = ratio > -_HIGH / (1.0 - _HIGH) * missing
    rest = np.flatnonzero(high | ~close)
    total = s + step
    if rest.size:
        s[high] = np.maximum(s[high], _high_start(x[high], missing[high]))
        target = np.where(high, missing, ratio)[rest]
        total[rest] = _bracketed(s[rest], least[rest], x[rest], target)
    return total


def _bracketed(s: Floats, lower: Floats, x: Floats, target: Floats) -> Floats:
    """The same steps, kept inside a bracket that every evaluation narrows; only what has not converged goes on."""
    found, active = s.copy(), np.arange(s.size)
    upper = np.full(s.size, _LARGEST)
    for _ in range(_STEPS):
        step, close, excess = _step(s, x, target)
        below = excess * target < 0.0
        lower, upper = np.where(below, s, lower), np.where(below, upper, s)
        following = s + step
        inside = (following > lower) & (following < upper)
        found[active] = np.where(inside, following, s)
        going = ~close
        if not going.any():
            break
        following = np.where(inside, following, 0.5 * (lower + upper))
        active, s, x, target = active[going], following[going], x[going], target[going]
        lower, upper = lower[going], upper[going]
    return found


def _step(s: Floats, x: Floats, target: Floats) -> tuple[Floats, Bools, Floats]:
    """Householder's fifth-order step, whether it is the last, and ``ln (b(s)/β)``, or of what is missing of both."""
    h, t = x / s, 0.5 * s
    difference = _difference(h, t, s, np.copysign(1.0, target))
    hh = h * h
    excess = np.log(0.5 * difference / target) - 0.5 * (hh + t * t)
    slope = _SLOPE / difference
    # q = b''/b' and its derivatives, scaled by powers of 1/s.
    inverse = 1.0 / s
    q, q1 = hh * inverse - 0.25 * s, -3.0 * hh * inverse * inverse - 0.25
    q2 = 12.0 * hh * inverse * inverse * inverse
    # f = ln b: f2 = f''/f', f3 = f'''/f', f4 = f''''/f' by f'' = f'(q − f').
    f2 = q - slope
    d2 = q1 - slope * f2
    f3 = f2 * f2 + d2
    f4 = f2 * (f3 + 2.0 * d2) + q2 - slope * f3
    newton = -excess / slope
    numerator = 1.0 + newton * (f2 + newton * f3 / 6.0)
    denominator = 1.0 + newton * (1.5 * f2 + newton * (0.25 * f2 * f2 + f3 / 3.0 + newton * f4 / 24.0))
    step = newton * numerator / denominator
    close = np.abs(step) * (inverse + 0.25 * s) < _CLOSE
    return step, close | (np.abs(excess) < 2.0 * _ROUNDING), excess


def _difference(h: Floats, t: Floats, s: Floats, side: Floats) -> Floats:
    """D of the price (side 1) or of what is missing (side −1)."""
    narrow = s < _NARROW
    if narrow.all():
        return _narrow_difference(h, t)
    if not narrow.any():
        return _wide_difference(h, t, side)
    wide, difference = ~narrow, np.empty_like(s)
    difference[narrow] = _narrow_difference(h[narrow], t[narrow])
    difference[wide] = _wide_difference(h[wide], t[wide], side[wide])
    return difference


def _wide_difference(h: Floats, t: Floats, side: Floats) -> Floats:
    return np.asarray(side * erfcx(side * (h - t) * _ROOT_HALF) - erfcx((h + t) * _ROOT_HALF))


def _narrow_difference(h: Floats, t: Floats) -> Floats:
    """``−2 Σ E^(n)(h) tⁿ/n!`` over n = 1, 3, ... 11, by ``E^(n+1) = h E^(n) + n E^(n−1)``."""
    e0 = erfcx(h * _ROOT_HALF)
    e1 = h * e0 - _SLOPE
    e2 = h * e1 + e0
    e3 = h * e2 + 2.0 * e1
    e4 = h * e3 + 3.0 * e2
    e5 = h * e4 + 4.0 * e3
    e6 = h * e5 + 5.0 * e4
    e7 = h * e6 + 6.0 * e5
    e8 = h * e7 + 7.0 * e6
    e9 = h * e8 + 8.0 * e7
    e11 = h * (h * e9 + 9.0 * e8) + 10.0 * e9
    w = t * t
    series = e5 + w / 42.0 * (e7 + w / 72.0 * (e9 + w / 110.0 * e11))
    return np.asarray(-2.0 * t * (e1 + w / 6.0 * (e3 + w / 20.0 * series)))


def _start(x: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """First guess, and a lower bound of s.

    With ``φ(x/σ)`` under both integrals, ``b = ∫₀ˢ φ(x/σ) exp(−σ²/8) dσ`` is the Bachelier price without its last
    factor, which depends on h alone: ``β/x = φ(h)/h − N(−h)``. Its inverse is a rational function of
    ``z = √(1 + ln(1 + x/β)) − 1`` (fitted for h up to 38, error 2.6e-5). What the factor takes away makes s larger:
    by a fitted function of h and of the width u (error 1e-4 for u <= 1.5), exactly ``u²/24`` for x = 0 and small u.
    """
    x = np.maximum(x, 1e-6 * ratio)
    z = np.sqrt(1.0 + np.log(x + ratio) - np.log(ratio)) - 1.0
    top = 0.79786358 + z * (0.51073228 + z * (0.27689004 + z * (0.1629006 + z * 0.05548751)))
    h = z * top / (1.0 + z * (0.13935813 + z * (0.29514057 + z * (0.08071026 + z * 0.03917389))))
    width = x / h
    u2 = np.minimum(width * width, _SERIES_WIDTH)
    growth = 1.0 + h * h * (1.30950655 + 1.09921461 * h) / (1.0 + 3.64476335 * h)
    s = width * (1.0 + u2 / (24.0 * (growth - u2 * (0.0875 + 0.01085154 * h + 0.00236767 * u2))))
    return s, 0.999 * width


def _high_start(x: Floats, missing: Floats) -> Floats:
    """``−2 N⁻¹((m − β)/(2 cosh(x/2)))``: exact for x = 0, too high for others."""
    return np.asarray(np.minimum(-2.0 * ndtri(-missing / (2.0 * np.cosh(0.5 * x))), 0.5 * _LARGEST))
