r"""Prices of European options under Heston and Bates by the COS method, for many strikes and expiries at once.

Letters inside the kernels: k = ln(K/F) log-moneyness; y = ln(F_T/F) on [a, b]; u_j = jπ/(b − a); φ characteristic
function. The density of y is a series of cosines whose coefficients are values of φ, and the pay-off of a put has
cosine coefficients in closed form, hence

``P/K = Σ' A_j/(1 + u_j²) · [sin(u_j(k − a))/u_j − cos(u_j(k − a)) + e^{a − k}]``,
``A_j = 2/(b − a) Re[φ(u_j) e^{−iu_j a}]``,

the term j = 0 halved, its sine replaced by k − a. Calls by parity.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import finite, first, positive
from services.options.heston import Complexes, StochasticVolatility

Exponent = Callable[[Floats, Floats], Complexes]
"""ln φ of m parameter sets at (e, b) arguments and (e, 1) times: (m, e, b)."""

TOLERANCE = 1e-14
"""Of the probability left outside [a, b], and of the part of the series left out; of a price relative to its strike."""
_BLOCK, _MOST_TERMS = 128, 1 << 17
_ORDERS = np.geomspace(1e-3, 2e4, 64)
"""|p| of the moments that bound the tails: the best of them is within a few percent of the best there is."""


def model_prices(
    model: StochasticVolatility,
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
) -> Floats:
    r"""Price of European options under a stochastic-volatility model.

    Parameters
    ----------
    model : Heston or Bates
    forward, strike : array
        F and K [quote per base], > 0.
    time_to_expiry : array
        T [years], > 0.
    right : array
        +1 call, −1 put.
    discount : array
        df to expiry, > 0.

    Returns
    -------
    array
        [quote], of the broadcast shape; never below the intrinsic value.

    Raises
    ------
    InvalidInput
        Numbers out of range, or a law that 131,072 terms do not describe: so peaked (a short expiry against the
        volatility of variance), or with tails so heavy, that the series has not decayed.

    Notes
    -----
    Absolute error about 1e-13 · K (1e-14 of probability outside [a, b], the same beyond the last term, and rounding):
    options further out of the money than that have no digits.
    No width of [a, b] in standard deviations is assumed, as is usual with this method: Chernoff's bound
    ``P(y > b) <= e^{−pb} E e^{py}``, at the best p whose moment exists, says where the tails end; and terms are added
    until ``|φ(u)|/u`` has died out. A model with heavy tails or a spike gets as many terms as it needs.
    Cost: about 100 terms an expiry for a diffusion, times the strikes of that expiry.

    References
    ----------
    Fang & Oosterlee (2008), A novel pricing method for European options based on Fourier-cosine series expansions,
    SIAM J. Scientific Computing 31. Junike & Pankrashkin (2022), Precise option pricing by the COS method: how to
    choose the truncation range, Applied Mathematics and Computation 421.

    Examples
    --------
    Alan Lewis's reference call at a spot of 100, rate 1 %, yield 2 %:

    >>> from services.options.heston import Heston
    >>> model = Heston(
    ...     initial_variance=0.04, mean_reversion=4.0, long_run_variance=0.25,
    ...     volatility_of_variance=1.0, correlation=-0.5,
    ... )
    >>> float(model_prices(model, 100.0 * np.exp(-0.01), 100.0, 1.0, 1, discount=np.exp(-0.01)).round(10))
    16.070154917
    """
    f, k, time, df = (
        positive("forward", forward),
        positive("strike", strike),
        positive("time_to_expiry", time_to_expiry),
        positive("discount", discount),
    )
    w = finite("right", right)
    if np.any(np.abs(w) != 1.0):
        raise InvalidInput("right", "must be +1 (call) or -1 (put)", first(w, np.abs(w) != 1.0))
    f, k, time, w, df = np.broadcast_arrays(f, k, time, w, df)
    expiries, which = np.unique(time.ravel(), return_inverse=True)
    puts = put_values(
        lambda u, t: model.exponent(u, t)[None],
        *truncation(model, expiries),
        expiries,
        np.log(k / f).ravel(),
        np.asarray(which).ravel(),
    )[0]
    value = k * puts.reshape(k.shape) + np.where(w > 0.0, f - k, 0.0)
    return np.asarray(df * np.maximum(value, np.maximum(w * (f - k), 0.0)), dtype=float)


def truncation(model: StochasticVolatility, expiries: Floats, *, tolerance: float = TOLERANCE) -> tuple[Floats, Floats]:
    """Ends a and b of the log-return of each expiry, with a probability of at most `tolerance` beyond either."""
    times, ends = expiries[:, None], []
    for sign in (-1.0, 1.0):
        bound = (model.log_moment(sign * _ORDERS[None, :], times) - np.log(tolerance)) / _ORDERS
        ends.append(sign * np.maximum(bound.min(axis=1), 0.0))
    return ends[0], ends[1]


def put_values(
    exponent: Exponent,
    low: Floats,
    high: Floats,
    expiries: Floats,
    log_moneyness: Floats,
    which: NDArray[np.intp],
    *,
    tolerance: float = TOLERANCE,
    most_terms: int | None = None,
) -> Floats:
    """Undiscounted puts over their strikes, P/K, of several parameter sets at the same strikes and expiries.

    Parameters
    ----------
    exponent : callable
        ln φ of m parameter sets; the terms end where they have died out for all of them.
    low, high, expiries : (e,) arrays
        [a, b] and T of each expiry.
    log_moneyness : (n,) array
        k.
    which : (n,) int array
        Expiry of each option.
    most_terms : int, optional
        Where the series is cut whatever is left of it; by default a series that does not end is an error.

    Returns
    -------
    (m, n) array
    """
    offset = np.clip(log_moneyness, low[which], high[which]) - low[which]
    members = [np.flatnonzero(which == place) for place in range(expiries.size)]
    total: Floats | None = None
    active, done = np.arange(expiries.size), 0
    while active.size and done < (most_terms or _MOST_TERMS):
        u = np.pi / (high - low)[active, None] * np.arange(done, done + _BLOCK, dtype=float)
        values = np.exp(exponent(u, expiries[active, None]))
        amplitude = _amplitude(values, u, low[active, None], high[active, None])
        total = np.zeros((len(values), log_moneyness.size)) if total is None else total
        for place, expiry in enumerate(active):
            mine = members[expiry]
            total[:, mine] += amplitude[:, place] @ _payoff(u[place], offset[mine]).T
        done += _BLOCK
        active = active[np.abs(values[..., -1]).max(axis=0) > tolerance * np.maximum(u[:, -1], 1.0)]
    if total is None or (active.size and most_terms is None):
        rule = f"and the parameters of the model make a law that {_MOST_TERMS:,} terms do not describe"
        raise InvalidInput("time_to_expiry", rule, expiries[active].tolist())
    # Beyond [a, b] the option is its intrinsic value.
    total = np.where(log_moneyness >= high[which], -np.expm1(-log_moneyness), total)
    return np.where(log_moneyness <= low[which], 0.0, total)


def _amplitude(values: Complexes, u: Floats, low: Floats, high: Floats) -> Floats:
    """``A_j/(1 + u_j²)``, the first of them halved."""
    found = (values * np.exp(-1j * u * low)).real * (2.0 / (high - low)) / (1.0 + u * u)
    return np.asarray(np.where(u == 0.0, 0.5 * found, found), dtype=float)


def _payoff(u: Floats, offset: Floats) -> Floats:
    """Coefficients of the pay-off, (options, terms), from u_j = u_0 + jδ and k − a."""
    wave = _waves(u, offset)
    sine = np.divide(wave.imag, u, where=u > 0.0, out=np.repeat(offset[:, None], u.size, axis=1))
    return np.asarray(sine - wave.real + np.exp(-offset)[:, None], dtype=float)


def _waves(u: Floats, offset: Floats) -> Complexes:
    """``e^{iu(k − a)}`` as the product of coarse and fine steps: a sixth of the exponentials."""
    fine = _BLOCK // 8
    coarse_wave = np.exp(1j * offset[:, None] * u[::fine])
    fine_wave = np.exp(1j * offset[:, None] * (u[:fine] - u[0]))
    table = coarse_wave[:, :, None] * fine_wave[:, None, :]
    return np.asarray(table.reshape(offset.size, u.size), dtype=complex)
