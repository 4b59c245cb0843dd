"""Black-76 and Black-Scholes-Merton: prices, Greeks and delta conventions, over arrays of any broadcastable shape.

Letters used inside the kernels: F forward, K strike, T time to expiry, s = σ√T total volatility, d1 and d2 the usual
quantities, φ and N density and distribution of the standard normal law, w = +1 call, -1 put.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.checks import finite, first, positive

ONE_DAY = SECONDS_PER_DAY / SECONDS_PER_YEAR
SETTLEMENT_MINUTES = 30.0
"""Length of the window over which Deribit averages the index into the delivery price."""

_FAR = 40.0
"""|d| beyond which N(d) is 0 or 1 in double precision (it is at 38.5), and φ(d) is 0."""
_NO_VOLATILITY = 1e-12
"""σ√T below which an option is its own limit: less than a basis point a year over a microsecond."""
_INVERSE_ROOT_TAU = 1.0 / np.sqrt(2.0 * np.pi)

DeltaConvention = Literal["spot", "forward", "pa_spot", "pa_forward"]


@dataclass(frozen=True, slots=True)
class Greeks:
    """Price and derivatives of one long option on one unit of base, all of one shape.

    Parameters
    ----------
    price : array
        [quote].
    delta, gamma, speed : arrays
        First, second and third derivative by the forward; delta is discounted.
    vega, volga : arrays
        First and second derivative by volatility, per 1.00 (divide vega by 100 for a volatility point).
    vanna : array
        Derivative of delta by volatility, per 1.00.
    theta, charm : arrays
        Derivative of price and of delta by calendar time, per year of 365 days, at a fixed forward.
    rho : array
        Derivative by the rate at a fixed forward, per 1.00.
    theta_1d : array
        Price after one day (or what is left of the option's life) less the price now, all else fixed.
    expired : bool array
        Time to expiry is zero or negative.
    degenerate : bool array
        Expired, or without volatility: price and delta are limits, every other Greek is set to 0.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    volga: Floats
    charm: Floats
    speed: Floats
    theta_1d: Floats
    expired: Bools
    degenerate: Bools


@dataclass(frozen=True, slots=True)
class CoreGreeks:
    """Price and the four Greeks that a desk watches all day; fields as in `Greeks`, at less than half its cost."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    expired: Bools
    degenerate: Bools


@dataclass(frozen=True, slots=True)
class SpotGreeks:
    """Price and derivatives by the **spot** price, at a fixed carry; units as in `Greeks`.

    `elasticity` is delta · spot / price, and 0 where the option is worth nothing.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    elasticity: Floats
    expired: Bools
    degenerate: Bools


@dataclass(frozen=True, slots=True)
class _Terms:
    """Checked inputs and the quantities that every formula shares; degenerate entries hold harmless placeholders."""

    forward: Floats
    strike: Floats
    time: Floats
    volatility: Floats
    right: Floats
    discount: Floats
    root_time: Floats
    total: Floats
    d1: Floats
    d2: Floats
    expired: Bools
    degenerate: Bools


def black_price(
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
) -> Floats:
    """Black-76 price, ``df · w · (F N(w d1) − K N(w d2))``; parameters, limits and errors as in `black_greeks`.

    Examples
    --------
    >>> round(float(black_price(50_000.0, 50_000.0, 7 / 365, 0.6, 1)), 6)
    1656.948418
    """
    return _price(_terms(forward, strike, time_to_expiry, volatility, right, discount))


def black_greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
) -> Greeks:
    r"""Black-76 price and Greeks of European options on a forward or future.

    ``V = df·w·(F N(w d1) − K N(w d2))``, ``d1 = ln(F/K)/s + s/2``, ``d2 = d1 − s``, ``s = σ√T``;
    ``Δ = df·w·N(w d1)``, ``Γ = df·φ/(F s)``, ``vega = df·F·φ·√T``, ``Θ = −df·F·φ·σ/(2√T) + rV``, ``ρ = −T V``,
    ``vanna = −df·φ·d2/σ``, ``volga = vega·d1·d2/σ``, ``charm = rΔ + df·φ·d2/(2T)``, ``speed = −Γ/F·(d1/s + 1)``,
    with φ taken at d1.

    Parameters
    ----------
    forward, strike : array
        F and K [quote per base], > 0.
    time_to_expiry : array
        T [years of 365 days].
    volatility : array
        Implied volatility σ [annual fraction].
    right : array
        +1 call, -1 put.
    discount : array
        Discount factor df to expiry, > 0 (above 1 for negative rates). The rate behind it is ``r = −ln(df)/T``.

    Returns
    -------
    Greeks
        All of the broadcast shape of the inputs; never NaN.

    Raises
    ------
    InvalidInput
        If an input is not finite, a price or discount is not positive, or `right` is not ±1.

    Notes
    -----
    Limits: for T <= 0 the intrinsic value, undiscounted, for σ√T < 1e-12 the discounted one; delta then is the step 0,
    w, and w/2 at F = K; the other Greeks are 0 and `degenerate` says so. Far from the money everything underflows to 0.
    Negative forwards (Bachelier) are refused. An American option is priced as a European one.
    Cost O(n), about 0.3 µs an option.

    References
    ----------
    Black (1976), The pricing of commodity contracts, JFE 3.
    Haug (2007), The Complete Guide to Option Pricing Formulas, ch. 2.

    Examples
    --------
    >>> greeks = black_greeks(50_000.0, 50_000.0, 7 / 365, 0.6, 1)
    >>> round(float(greeks.delta), 9), round(float(greeks.vega) / 100, 4)
    (0.516569484, 27.5999)
    """
    t = _terms(forward, strike, time_to_expiry, volatility, right, discount)
    core, density, growth = _core(t)
    smooth = ~t.degenerate
    return Greeks(
        price=core.price,
        delta=core.delta,
        gamma=core.gamma,
        vega=core.vega,
        theta=core.theta,
        rho=np.where(smooth, -t.time * core.price, 0.0),
        vanna=np.where(smooth, -density * t.d2 / t.volatility, 0.0),
        volga=core.vega * t.d1 * t.d2 / t.volatility,
        charm=np.where(smooth, (growth * core.delta + 0.5 * density * t.d2) / t.time, 0.0),
        speed=-core.gamma / t.forward * (t.d1 / t.total + 1.0),
        theta_1d=np.where(smooth, _price(_one_day_later(t)) - core.price, 0.0),
        expired=t.expired,
        degenerate=t.degenerate,
    )


def core_greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
) -> CoreGreeks:
    """Price, delta, gamma, vega and theta only; parameters, formulas, limits and errors as in `black_greeks`.

    Examples
    --------
    >>> core = core_greeks(50_000.0, 50_000.0, 7 / 365, 0.6, 1)
    >>> round(float(core.delta), 9), round(float(core.theta) / 365, 4)
    (0.516569484, -118.2854)
    """
    return _core(_terms(forward, strike, time_to_expiry, volatility, right, discount))[0]


def spot_greeks(
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    *,
    rate: ArrayLike = 0.0,
    dividend_yield: ArrayLike = 0.0,
) -> SpotGreeks:
    r"""Black-Scholes-Merton: the same option seen from the spot, ``F = S e^{(r−q)T}``, ``df = e^{−rT}``.

    ``Δ_S = Δ·F/S``, ``Γ_S = Γ·(F/S)²``, ``Θ_S = Θ − (r−q)·F·Δ`` (the forward slides along the carry),
    ``ρ_S = ρ + T·F·Δ = w·K·T·df·N(w d2)``.

    Parameters
    ----------
    spot, strike : array
        S and K [quote per base], > 0.
    time_to_expiry, volatility, right : array
        As in `black_greeks`.
    rate, dividend_yield : array
        r and q, continuously compounded [per year]; q is the foreign rate of a currency pair or a coin's lending yield.

    Returns
    -------
    SpotGreeks

    Raises
    ------
    InvalidInput
        As in `black_greeks`.

    References
    ----------
    Merton (1973). Haug (2007), ch. 2: the generalised formula with cost of carry b = r − q.

    Examples
    --------
    >>> round(float(spot_greeks(100, 95, 0.5, 0.2, -1, rate=0.10, dividend_yield=0.05).price), 4)
    2.4648
    """
    spot_price, time = positive("spot", spot), np.maximum(finite("time_to_expiry", time_to_expiry), 0.0)
    interest, carry = finite("rate", rate), finite("rate", rate) - finite("dividend_yield", dividend_yield)
    growth = np.exp(carry * time)
    forward = spot_price * growth
    black = black_greeks(forward, strike, time_to_expiry, volatility, right, discount=np.exp(-interest * time))
    delta, smooth = black.delta * growth, ~black.degenerate
    slide = forward * black.delta
    worth = black.price > 0.0
    return SpotGreeks(
        price=black.price,
        delta=delta,
        gamma=black.gamma * growth**2,
        vega=black.vega,
        theta=np.where(smooth, black.theta - carry * slide, 0.0),
        rho=np.where(smooth, black.rho + time * slide, 0.0),
        elasticity=np.where(worth, delta * spot_price / np.where(worth, black.price, 1.0), 0.0),
        expired=black.expired,
        degenerate=black.degenerate,
    )


def delta_in_convention(
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    *,
    convention: DeltaConvention,
    foreign_discount: ArrayLike = 1.0,
) -> Floats:
    r"""Delta as a market quotes it.

    ``forward``: ``w N(w d1)``, units of the forward; ``pa_forward``: ``w (K/F) N(w d2)``, what is left of it when the
    premium is paid in base (premium-adjusted); ``spot`` and ``pa_spot``: the same times the discount factor of the base
    currency. Coin-settled options are hedged by the premium-adjusted one.

    Parameters
    ----------
    forward, strike, time_to_expiry, volatility, right : array
        As in `black_greeks`.
    convention : {"spot", "forward", "pa_spot", "pa_forward"}
    foreign_discount : array
        Discount factor of the base currency, ``e^{−qT}``; used by the two spot conventions.

    Returns
    -------
    array
        [base units per option].

    Raises
    ------
    InvalidInput
        For a bad number, as in `black_greeks`, or an unknown convention.

    Notes
    -----
    Undiscounted, as foreign-exchange desks and QuantLib define them. With df = 1 `forward` equals `Greeks.delta`, and
    `pa_forward` equals ``delta − price/F``.

    References
    ----------
    Reiswig & Wystup (2010), FX volatility smile construction, §1.

    Examples
    --------
    >>> round(float(delta_in_convention(50_000, 50_000, 7 / 365, 0.6, 1, convention="pa_forward")), 9)
    0.483430516
    """
    if convention not in ("spot", "forward", "pa_spot", "pa_forward"):
        raise InvalidInput("convention", "must be spot, forward, pa_spot or pa_forward", convention)
    t = _terms(forward, strike, time_to_expiry, volatility, right, 1.0)
    delta = _delta(t)
    if convention.startswith("pa"):
        delta = delta - _price(t) / t.forward
    return delta * positive("foreign_discount", foreign_discount) if convention.endswith("spot") else delta


def settlement_window_factor(minutes_to_expiry: ArrayLike) -> Floats:
    """Share of delta and mark still alive while the delivery price is averaged: minutes / 30, within [0, 1].

    References
    ----------
    Deribit: the delivery price is the average of the index over the last 30 minutes.

    Examples
    --------
    >>> float(settlement_window_factor(15.0)), float(settlement_window_factor(600.0))
    (0.5, 1.0)
    """
    return np.clip(finite("minutes_to_expiry", minutes_to_expiry) / SETTLEMENT_MINUTES, 0.0, 1.0)


def _core(t: _Terms) -> tuple[CoreGreeks, Floats, Floats]:
    """Price and four Greeks, and what the other ones need besides: df·φ(d1) and rT."""
    chance = _chance(t)
    price = _price(t, chance)
    density = t.discount * np.exp(-0.5 * t.d1 * t.d1) * _INVERSE_ROOT_TAU
    gamma, vega = density / (t.forward * t.total), t.forward * density * t.root_time
    growth = -np.log(t.discount)
    theta = (growth * price - 0.5 * vega * t.volatility) / t.time
    if t.degenerate.any():
        gamma, vega, theta = (np.where(t.degenerate, 0.0, greek) for greek in (gamma, vega, theta))
    core = CoreGreeks(price, t.discount * t.right * chance, gamma, vega, theta, t.expired, t.degenerate)
    return core, density, growth


def _chance(t: _Terms) -> Floats:
    """N(w d1), and its limit, a step, where there is no volatility."""
    chance = ndtr(t.right * t.d1)
    if t.degenerate.any():
        step = np.where(t.forward == t.strike, 0.5, t.right * (t.forward - t.strike) > 0.0)
        chance = np.where(t.degenerate, step, chance)
    return np.asarray(chance)


def _price(t: _Terms, chance: Floats | None = None) -> Floats:
    first_term = t.forward * (_chance(t) if chance is None else chance)
    live = np.maximum(t.right * (first_term - t.strike * ndtr(t.right * t.d2)), 0.0)
    if t.degenerate.any():
        live = np.where(t.degenerate, np.maximum(t.right * (t.forward - t.strike), 0.0), live)
    return np.asarray(t.discount * live)


def _delta(t: _Terms) -> Floats:
    return t.discount * t.right * _chance(t)


def _terms(
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    discount: ArrayLike,
) -> _Terms:
    f, k, df = positive("forward", forward), positive("strike", strike), positive("discount", discount)
    time, sigma, w = (
        finite("time_to_expiry", time_to_expiry),
        finite("volatility", volatility),
        finite("right", right),
    )
    if np.any(np.abs(w) != 1.0):
        raise InvalidInput("right", "must be +1 (call) or -1 (put)", first(w, np.abs(w) != 1.0))
    f, k, time, sigma, w, df = np.broadcast_arrays(f, k, time, sigma, w, df)
    expired = time <= 0.0
    degenerate = sigma * np.sqrt(np.maximum(time, 0.0)) < _NO_VOLATILITY
    if degenerate.any():
        time, sigma, df = (
            np.where(degenerate, 1.0, time),
            np.where(degenerate, 1.0, sigma),
            np.where(expired, 1.0, df),
        )
    return _assemble(f, k, time, sigma, w, df, expired, degenerate)


def _assemble(
    f: Floats, k: Floats, time: Floats, sigma: Floats, w: Floats, df: Floats, expired: Bools, degenerate: Bools
) -> _Terms:
    root = np.sqrt(time)
    total = sigma * root
    with np.errstate(over="ignore", divide="ignore"):
        moneyness = np.log(f / k) / total
    # Clipping to ±40 loses nothing (N and φ have long underflowed) and keeps 0 · inf out of the Greeks.
    half = 0.5 * total
    d1, d2 = np.clip(moneyness + half, -_FAR, _FAR), np.clip(moneyness - half, -_FAR, _FAR)
    return _Terms(f, k, time, sigma, w, df, root, total, d1, d2, expired, degenerate)


def _one_day_later(t: _Terms) -> _Terms:
    left = np.maximum(t.time - ONE_DAY, 0.0)
    over = left == 0.0
    discount = t.discount ** (left / t.time)
    return _assemble(t.forward, t.strike, np.where(over, 1.0, left), t.volatility, t.right, discount, over, over)
