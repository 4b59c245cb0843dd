r"""No-trade bands of a net delta: how far it may drift, and where a trade ends; vectorised, for one book or many paths.

A book of gamma Γ whose delta is off by δ earns ``−g σ² S² δ² / 2`` a year in certainty equivalent, and its delta drifts
by Γ σ S √dt: the volatility is in both and drops out. What is left to weigh is the width against the cost of an order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats

MAX_ITERATIONS = 50
NEGLIGIBLE = 1e-30
RESOLUTION = 4.0 * np.finfo(float).eps
"""Relative step of Newton below which a root is as exact as it gets."""


class TwoBand(NamedTuple):
    """Half widths [base units]: beyond `outer` trade, to `inner` on the same side; ``outer >= inner >= 0``."""

    outer: Floats
    inner: Floats


class Zakamouline(NamedTuple):
    """Terms of Zakamouline's band: ``h0 + h1`` wide [base units], around the delta at variance ``σ² (1 + k)``."""

    h0: Floats
    h1: Floats
    k: Floats


def two_band(
    gamma: ArrayLike, spot: ArrayLike, *, cost_rate: ArrayLike, fixed_cost: ArrayLike, risk_aversion: ArrayLike
) -> TwoBand:
    r"""Optimal no-trade band under fixed and proportional costs.

    With ``c = λ S``, ``s = w + u`` and ``d = w − u``: ``s (s² − d²) = 12 Γ² c / g`` and ``s d³ = 12 Γ² k / g``, so that
    s is the root of ``s³ − s^{1/3} P^{2/3} − Q`` with Q and P the right-hand sides. They are the conditions of the
    least ``g (w² + u²) / 12 + Γ² (k + c (w − u)) / (w² − u²)``: a delta that diffuses, and is put back to u whenever it
    reaches w, has the variance (w² + u²) / 6, and is put back once in (w² − u²) / (Γ σ S)² years. Without a fixed cost
    ``w = u = (3/2 λ S Γ² / g)^{1/3}`` (Whalley & Wilmott), without a proportional one ``w = (12 k Γ² / g)^{1/4}``,
    u = 0.

    Parameters
    ----------
    gamma : array
        Γ of the whole book [base units per unit of price]; its sign does not matter.
    spot : array
        S > 0 [account currency per base unit].
    cost_rate : array
        λ >= 0 [fraction of notional].
    fixed_cost : array
        k >= 0, of one order [account currency].
    risk_aversion : array
        g > 0, absolute [1 / account currency]; infinite: no risk is borne, both widths are 0.

    Returns
    -------
    TwoBand
        Both 0 where there is no gamma or no cost: the caller's floors apply, see `bounded_band`.

    Raises
    ------
    InvalidInput
        For a number outside of these ranges.

    Notes
    -----
    Small-cost asymptotics for a delta that diffuses for long: jumps beyond the band are traded from where they land,
    and near expiry, away from the strike, the band closes with the gamma, down to the caller's floor. Scales as
    q^{2/3} with the size of the book where costs are proportional, as q^{1/2} where they are fixed. Cost: O(n), Newton
    from below on a convex function, about six steps.

    References
    ----------
    Whalley & Wilmott (1997), An asymptotic analysis of an optimal hedging model for option pricing with transaction
    costs, Mathematical Finance 7; (1999), Optimal hedging of options with small but arbitrary transaction cost
    structure, European Journal of Applied Mathematics 10. The closed form for both costs together is derived here.

    Examples
    --------
    >>> terms = {"spot": 100.0, "risk_aversion": 1.0}
    >>> band = two_band(0.0231, cost_rate=0.0005, fixed_cost=[0.0, 0.002], **terms)
    >>> band.outer.round(6).tolist(), band.inner.round(6).tolist()
    ([0.034205, 0.06806], [0.034205, 0.014282])
    """
    size, unit = np.abs(_finite("gamma", gamma)), _positive("spot", spot)
    rate, fixed = _not_negative("cost_rate", cost_rate), _not_negative("fixed_cost", fixed_cost)
    tolerance = 12.0 / _positive("risk_aversion", risk_aversion, finite=False)
    # Both limits as lengths: free of the powers that would overflow.
    proportional = np.cbrt(tolerance * rate * unit) * np.cbrt(size) ** 2
    ordered = (tolerance * fixed) ** 0.25 * np.sqrt(size)
    scale = np.maximum(proportional, ordered)
    none = scale == 0.0
    divisor = np.where(none, 1.0, scale)
    constant = (proportional / divisor) ** 3
    total = _root(constant, np.cbrt(ordered / divisor) ** 8)
    gap = np.cbrt(ordered / divisor) ** 4 / np.cbrt(total)
    # From the first equation: s - d would cancel where nearly all of the cost is fixed. Rounding keeps the order.
    outer = 0.5 * (total + gap)
    inner = np.minimum(0.5 * constant / (total * (total + gap)), outer)
    return TwoBand(np.where(none, 0.0, outer * scale), np.where(none, 0.0, inner * scale))


def _root(constant: Floats, slope: Floats) -> Floats:
    """Root >= 1 of ``x³ − slope · x^{1/3} − constant``, where the larger of the two is 1."""
    root = np.ones(np.broadcast_shapes(constant.shape, slope.shape))
    for _ in range(MAX_ITERATIONS):
        third = np.cbrt(root)
        step = (root**3 - slope * third - constant) / (3.0 * root**2 - slope / (3.0 * third**2))
        root = root - step
        if (np.abs(step) <= RESOLUTION * root).all():
            break
    return root


def band_objective(
    outer: ArrayLike,
    inner: ArrayLike,
    gamma: ArrayLike,
    spot: ArrayLike,
    *,
    cost_rate: ArrayLike,
    fixed_cost: ArrayLike,
    risk_aversion: ArrayLike,
) -> Floats:
    r"""What `two_band` makes least, over σ² S²: ``g (w² + u²) / 12 + Γ² (k + c (w − u)) / (w² − u²)``, for w > u >= 0.

    Raises
    ------
    InvalidInput
        Where the widths are equal: an order of no size, infinitely often.

    Examples
    --------
    >>> terms = {"gamma": 0.0231, "spot": 100.0, "cost_rate": 0.0005, "fixed_cost": 0.002, "risk_aversion": 1.0}
    >>> best = band_objective(*two_band(**terms), **terms)
    >>> bool(best < band_objective(0.08, 0.014, **terms)), bool(best < band_objective(0.068, 0.0, **terms))
    (True, True)
    """
    wide, narrow, size = _finite("outer", outer), _not_negative("inner", inner), _finite("gamma", gamma)
    apart = _positive("outer - inner", wide - narrow)
    unit_cost = _not_negative("cost_rate", cost_rate) * _positive("spot", spot)
    order = _not_negative("fixed_cost", fixed_cost) + unit_cost * apart
    risk = _positive("risk_aversion", risk_aversion) * (wide**2 + narrow**2) / 12.0
    return np.asarray(risk + size**2 * order / (apart * (wide + narrow)))


def risk_aversion_from_band(
    outer: ArrayLike, gamma: ArrayLike, spot: ArrayLike, *, cost_rate: ArrayLike, fixed_cost: ArrayLike = 0.0
) -> Floats:
    r"""Risk aversion under which `two_band` is this wide at this gamma: ``g = 3/2 λ S Γ² / w³`` without a fixed cost.

    With one, ``d (1 + √(1 + d c / k)) = 2 w`` gives d, and ``g = 12 Γ² (c + k / d) / s³``.

    Parameters
    ----------
    outer : array
        w > 0 [base units], such as the drift that a desk tolerates at the money.
    gamma : array
        Γ at which that holds [base units per unit of price], not 0.
    spot, cost_rate, fixed_cost
        As in `two_band`; not both costs 0.

    Returns
    -------
    array
        [1 / account currency].

    Raises
    ------
    InvalidInput
        For a number outside of these ranges: without a cost or a gamma every risk aversion gives the same band.

    Examples
    --------
    >>> terms = {"gamma": 0.0231, "spot": 100.0, "cost_rate": 0.0005, "fixed_cost": [0.0, 0.002]}
    >>> risk_aversion_from_band([0.03420543, 0.06806019], **terms).round(6).tolist()
    [1.0, 1.0]
    """
    width, size = _positive("outer", outer), _positive("gamma", np.abs(_finite("gamma", gamma)))
    rate, fixed = _not_negative("cost_rate", cost_rate), _not_negative("fixed_cost", fixed_cost)
    unit_cost = rate * _positive("spot", spot)
    if ((unit_cost == 0.0) & (fixed == 0.0)).any():
        raise InvalidInput("cost_rate", "must be > 0 where there is no fixed cost", 0.0)
    # Below this part of what the width costs, a fixed cost is lost in the rounding of the other.
    proportional = fixed <= NEGLIGIBLE * unit_cost * width
    ratio = np.where(proportional, 0.0, unit_cost * width / np.where(proportional, 1.0, fixed))
    gap = width * _gap(ratio)
    total = 2.0 * width - np.where(proportional, 0.0, gap)
    order = unit_cost + np.where(proportional, 0.0, fixed / gap)
    return np.asarray(12.0 * size**2 * order / total**3)


def _gap(ratio: Floats) -> Floats:
    """Root x <= 1 of ``x (1 + √(1 + ratio · x)) − 2``."""
    # Either term alone is a bound from above, where Newton on a convex function does not overshoot.
    gap = np.minimum(1.0, np.cbrt(4.0 / np.maximum(ratio, 1.0)))
    for _ in range(MAX_ITERATIONS):
        root = np.sqrt(1.0 + ratio * gap)
        step = (gap * (1.0 + root) - 2.0) / (1.0 + root + ratio * gap / (2.0 * root))
        gap = gap - step
        if (np.abs(step) <= RESOLUTION * gap).all():
            break
    return gap


def bounded_band(band: TwoBand, *, least: ArrayLike = 0.0, most: ArrayLike = np.inf) -> TwoBand:
    """A band no narrower than what can be traded, and no wider than a hard limit, which wins.

    Parameters
    ----------
    band : TwoBand
        [base units].
    least : array
        Half a lot, or the smallest order [base units].
    most : array
        Hard limit on the net delta [base units].

    Examples
    --------
    >>> narrow = TwoBand(np.array([0.001]), np.array([0.001]))
    >>> [half.tolist() for half in bounded_band(narrow, least=0.05)]
    [[0.05], [0.001]]
    """
    outer = np.minimum(np.maximum(band.outer, least), most)
    return TwoBand(outer, np.minimum(band.inner, outer))


def delta_left(net_delta: ArrayLike, band: TwoBand) -> tuple[Bools, Floats]:
    """Whether a band trades, and the |net delta| that it leaves: the inner width beyond the outer one, else all.

    Examples
    --------
    >>> acts, left = delta_left([-0.5, 0.2], TwoBand(np.array(0.3), np.array(0.1)))
    >>> acts.tolist(), left.tolist()
    ([True, False], [0.1, 0.2])
    """
    size = np.abs(_finite("net_delta", net_delta))
    acts = size > band.outer
    return acts, np.where(acts, np.minimum(band.inner, size), size)


def whalley_wilmott_target(
    delta: ArrayLike,
    gamma: ArrayLike,
    spot: ArrayLike,
    held: ArrayLike,
    *,
    cost_rate: ArrayLike,
    risk_aversion: ArrayLike,
) -> Floats:
    r"""Hedge nearest to what is held within ``Δ ± (3/2 λ S Γ² / g)^{1/3}``: the rule of pfhedge.

    Parameters
    ----------
    delta, gamma : arrays
        Of the option [base units; per unit of price].
    held : array
        Hedge in place, of the sign of `delta` [base units].
    spot, cost_rate, risk_aversion
        As in `two_band`.

    References
    ----------
    Whalley & Wilmott (1997); Imaki, Imajo, Ito, Minami & Nakagawa (2021), No-transaction band network, pfhedge
    ``WhalleyWilmott``.

    Examples
    --------
    >>> whalley_wilmott_target(0.5, 0.0231, 100.0, [0.4, 0.51], cost_rate=0.0005, risk_aversion=1.0).round(6).tolist()
    [0.465795, 0.51]
    """
    width = two_band(gamma, spot, cost_rate=cost_rate, fixed_cost=0.0, risk_aversion=risk_aversion).outer
    aim = _finite("delta", delta)
    return np.asarray(np.clip(_finite("held", held), aim - width, aim + width))


def zakamouline_band(
    gamma: ArrayLike,
    spot: ArrayLike,
    *,
    volatility: ArrayLike,
    time_to_expiry: ArrayLike,
    cost_rate: ArrayLike,
    risk_aversion: ArrayLike,
    rate: ArrayLike = 0.0,
) -> Zakamouline:
    r"""Zakamouline's fit to the numerical optimum of one option under proportional costs; reported, not traded on.

    ``h0 = λ / (g S σ² T)``, ``h1 = 1.12 λ^{0.31} T^{0.05} (e^{−rT} / σ)^{1/4} (|Γ| / g)^{1/2}``,
    ``k = −4.76 λ^{0.78} T^{−0.02} (e^{−rT} / σ)^{1/4} (g S² |Γ|)^{0.15}``.

    Parameters
    ----------
    gamma, spot, cost_rate, risk_aversion
        As in `two_band`.
    volatility : array
        σ > 0 [annual fraction].
    time_to_expiry : array
        T > 0 [years].
    rate : array
        r, continuous [annual fraction].

    Returns
    -------
    Zakamouline

    References
    ----------
    Zakamouline (2006), European option pricing and hedging with both fixed and proportional transaction costs, Journal
    of Economic Dynamics and Control 30; the constants are those of his 2005 working paper.

    Examples
    --------
    >>> found = zakamouline_band(0.0221, 100.0, volatility=0.25, time_to_expiry=0.5, cost_rate=0.01,
    ...     risk_aversion=1.0, rate=0.05)
    >>> [round(float(term), 6) for term in found]
    [0.0032, 0.05422, -0.419843]
    """
    size, unit = np.abs(_finite("gamma", gamma)), _positive("spot", spot)
    sigma, years = _positive("volatility", volatility), _positive("time_to_expiry", time_to_expiry)
    cost, aversion = _not_negative("cost_rate", cost_rate), _positive("risk_aversion", risk_aversion)
    carried = (np.exp(-_finite("rate", rate) * years) / sigma) ** 0.25
    return Zakamouline(
        h0=np.asarray(cost / (aversion * unit * sigma**2 * years)),
        h1=np.asarray(1.12 * cost**0.31 * years**0.05 * carried * np.sqrt(size / aversion)),
        k=np.asarray(-4.76 * cost**0.78 / years**0.02 * carried * (aversion * unit**2 * size) ** 0.15),
    )


def leland_volatility(
    volatility: ArrayLike, *, round_trip_cost: ArrayLike, interval_years: ArrayLike, short: bool = True
) -> Floats:
    r"""Volatility at which an option pays for its own hedges: ``σ² (1 ± √(2/π) κ / (σ √dt))``; reported, not traded on.

    Parameters
    ----------
    volatility : array
        σ > 0 [annual fraction].
    round_trip_cost : array
        κ >= 0, of a purchase and a sale together [fraction of notional].
    interval_years : array
        dt > 0 between two hedges [years].
    short : bool
        Of a short option, which is sold dearer; a long one is bought cheaper.

    Returns
    -------
    array
        0 where the cost of hedging a long option exceeds its variance.

    References
    ----------
    Leland (1985), Option pricing and replication with transactions costs, Journal of Finance 40, eq. 12.

    Examples
    --------
    >>> round(float(leland_volatility(0.2, round_trip_cost=0.01, interval_years=1 / 52)), 6)
    0.226952
    """
    sigma, step = _positive("volatility", volatility), _positive("interval_years", interval_years)
    number = np.sqrt(2.0 / np.pi) * _not_negative("round_trip_cost", round_trip_cost) / (sigma * np.sqrt(step))
    return np.asarray(sigma * np.sqrt(np.maximum(1.0 + number if short else 1.0 - number, 0.0)))


def _finite(name: str, value: ArrayLike) -> Floats:
    found = np.asarray(value, dtype=np.float64)
    if not np.isfinite(found).all():
        raise InvalidInput(name, "must be finite", float(found[~np.isfinite(found)].flat[0]))
    return found


def _not_negative(name: str, value: ArrayLike) -> Floats:
    found = _finite(name, value)
    if (found < 0.0).any():
        raise InvalidInput(name, "must be >= 0", float(found.min()))
    return found


def _positive(name: str, value: ArrayLike, *, finite: bool = True) -> Floats:
    found = _finite(name, value) if finite else np.asarray(value, dtype=np.float64)
    if not (found > 0.0).all():
        raise InvalidInput(name, "must be > 0", float(found[~(found > 0.0)].flat[0]))
    return found
