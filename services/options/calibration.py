r"""Fits of Heston and Bates to the implied volatilities of a chain.

Letters inside the kernels: x = (v₀, κ, θ, σ, ρ) or (v₀, κ, θ, σ, ρ, λ, μ, δ), the parameters; P price, ν vega, e
standard error of a quote in volatility. Least squares of ``ln(P(x)/P) · P/(ν e)``, which is the error in volatility
over its standard error to first order and needs no inversion. Without the logarithm it would hide the wings: a model
that gives an option no value at all is off by P/ν, a point or two, whatever its volatility is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Bools, Floats
from services.core.outcome import Reason
from services.options.black import black_greeks, black_price
from services.options.checks import finite, positive
from services.options.cosine import put_values, truncation
from services.options.heston import Bates, Heston, StochasticVolatility, heston_exponent, jump_exponent
from services.options.model_fits import BatesFit, HestonFit, ModelFit
from services.options.model_smile import fitted_volatilities

PARAMETERS = (
    "initial_variance",
    "mean_reversion",
    "long_run_variance",
    "volatility_of_variance",
    "correlation",
    "jump_intensity",
    "jump_mean",
    "jump_volatility",
)
SMALLEST_ERROR = 1e-3
"""Standard error of a quote whose spread says less: a tenth of a volatility point."""
FURTHEST, LEAST_TOTAL = 4.0, 1e-4
"""|d1| beyond which a quote says nothing about volatility, as vega there is 3e-4 of that at the money, and σ√T below
which no model can be priced: a second before expiry, or a mistake.
"""
LEAST_EXPIRIES, QUOTES_PER_PARAMETER = 2, 2
_PRECISION = 1e-9
"""Of prices while fitting: far below any spread."""
_MOST_TERMS = 512
"""Of the series while fitting; only models that no chain has need more, and a search may pass by them."""
_FLOOR = 1e-7
"""Added to prices before their logarithm is taken: a ten-millionth of the forward is worth no more than its noise."""
_STEP = 1e-6
_AT_BOUND = 1e-4
_FIRST_ROUNDS, _ROUNDS = 12, 60
"""Steps of each start, and of the best of them from there on."""
_STARTS = ((1.0, 0.5), (4.0, 1.5), (12.0, 3.0))
"""κ and σ of the starts: slow and calm, in between, fast and wild; v₀, θ and ρ are read from the quotes."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted model, and how far to trust it.

    Parameters
    ----------
    model : Heston or Bates
    names : tuple of str
        Parameters, in the order of `covariance`.
    covariance : (p, p) array
        Of the estimates: ``s² (JᵀJ)⁻¹``, s² the mean squared error where above 1; zero for parameters at a bound.
    at_bound : tuple of str
        Parameters that ended on a bound: not estimated, without standard error.
    feller : bool
        Whether 2κθ >= σ².
    root_mean_square_error : float
        Of the model's volatilities at the quotes used [annual fraction], unweighted; of volatilities, not of the
        approximation that is minimised, as are the next two.
    within_error : float
        Share of the quotes used that the model hits within their own standard error.
    reduced_chi_square : float
        Squared errors in standard errors over the degrees of freedom: 1 where the model and the errors are right.
    used : (n,) bool array
        Quotes that were fitted.
    converged : bool
        Whether the search ended because nothing was left to gain, not because its rounds were used up.
    evaluations : int
        Times that the chain was priced with its derivatives.
    """

    model: StochasticVolatility
    names: tuple[str, ...]
    covariance: Floats
    at_bound: tuple[str, ...]
    feller: bool
    root_mean_square_error: float
    within_error: float
    reduced_chi_square: float
    used: Bools
    converged: bool
    evaluations: int

    @property
    def standard_errors(self) -> dict[str, float | None]:
        """Of each parameter; None at a bound."""
        errors = np.sqrt(np.diag(self.covariance))
        return {
            name: None if name in self.at_bound else float(error)
            for name, error in zip(self.names, errors, strict=True)
        }


@dataclass(frozen=True, slots=True)
class _Chain:
    """Quotes that are fitted, as prices over their forwards out of the money, and what they share."""

    expiries: Floats
    which: NDArray[np.intp]
    log_moneyness: Floats
    volatility: Floats
    market: Floats
    weight: Floats
    """1/(ν e)"""
    error: Floats


def calibrate(
    fit: ModelFit,
    log_moneyness: ArrayLike,
    time_to_expiry: ArrayLike,
    implied_volatility: ArrayLike,
    error: ArrayLike,
    *,
    start: StochasticVolatility | None = None,
) -> Calibration:
    r"""Parameters under which the model is closest to a chain.

    Minimises ``½ Σ (ln(P_i(x)/P_i) · P_i/(ν_i e_i))² + feller_penalty · max(0, σ² − 2κθ)²`` within bounds.

    Parameters
    ----------
    fit : HestonFit or BatesFit
    log_moneyness : (n,) array
        ln(K/F), of the forward of the same expiry.
    time_to_expiry : (n,) array
        T [years], > 0.
    implied_volatility : (n,) array
        Black [annual fraction], > 0.
    error : (n,) array
        Standard error of each volatility: half its bid-ask spread [annual fraction]; at least `SMALLEST_ERROR`.
    start : Heston or Bates, optional
        Of an earlier fit: then the only start. By default three starts, the best of which is followed to its end.

    Returns
    -------
    Calibration

    Raises
    ------
    InvalidInput
        Lengths that differ, numbers out of range, or a `start` of the other model.
    Refusal
        `unusable_data`: fewer than two quotes a parameter, or a single expiry, within |d1| <= 4; or the best model is
        too wild to be priced.

    Notes
    -----
    Trust-region least squares with derivatives by forward differences of the characteristic function, all parameter
    sets of a step priced with one table of cosines. Standard errors presume independent errors of quotes; those of
    neighbouring strikes are alike, so the true ones are larger. κ and θ, or κ and σ, move along a ridge where the
    expiries are all short: their errors say so. Measured: docs/measurements/mispricing.md.

    References
    ----------
    Cui, del Baño Rollin & Germano (2017), Full and fast calibration of the Heston stochastic volatility model,
    European J. Operational Research 263. Seber & Wild (1989), Nonlinear Regression, ch. 2 for the covariance.

    Examples
    --------
    >>> from services.options.heston import Heston
    >>> from services.options.model_smile import model_volatilities
    >>> true = Heston(
    ...     initial_variance=0.3, mean_reversion=3.0, long_run_variance=0.4,
    ...     volatility_of_variance=1.5, correlation=-0.3,
    ... )
    >>> moneyness, times = (grid.ravel() for grid in np.meshgrid([-0.2, -0.1, 0.0, 0.1, 0.2], [0.1, 0.3, 1.0]))
    >>> found = calibrate(HestonFit(), moneyness, times, model_volatilities(true, moneyness, times), 0.005)
    >>> round(found.model.mean_reversion, 3), round(found.model.correlation, 3), found.feller
    (3.0, -0.3, True)
    """
    quotes = np.broadcast_arrays(
        finite("log_moneyness", log_moneyness),
        positive("time_to_expiry", time_to_expiry),
        positive("implied_volatility", implied_volatility),
        np.maximum(finite("error", error), SMALLEST_ERROR),
    )
    if quotes[0].ndim != 1:
        raise InvalidInput("log_moneyness", "must be a list of quotes", quotes[0].shape)
    used = informative(*quotes[:3])
    chain, bounds = _chain(*(column[used] for column in quotes)), fit.bounds
    _enough(chain, bounds.shape[0])
    starts = _starts(chain, bounds) if start is None else [_vector(start, bounds)]
    tries = [_descend(fit, chain, bounds, point, _FIRST_ROUNDS) for point in starts]
    best = min(tries, key=lambda found: float(found.cost))
    if best.status == 0:
        tries.append(best := _descend(fit, chain, bounds, best.x, _ROUNDS))
    return _report(chain, bounds, best, used, sum(int(found.njev) for found in tries))


def calibrate_heston(
    log_moneyness: ArrayLike, time_to_expiry: ArrayLike, implied_volatility: ArrayLike, error: ArrayLike
) -> Calibration:
    """`calibrate` with the default bounds of `HestonFit`."""
    return calibrate(HestonFit(), log_moneyness, time_to_expiry, implied_volatility, error)


def calibrate_bates(
    log_moneyness: ArrayLike, time_to_expiry: ArrayLike, implied_volatility: ArrayLike, error: ArrayLike
) -> Calibration:
    """`calibrate` with the default bounds of `BatesFit`."""
    return calibrate(BatesFit(), log_moneyness, time_to_expiry, implied_volatility, error)


def informative(log_moneyness: Floats, time_to_expiry: Floats, implied_volatility: Floats) -> Bools:
    """Quotes that say something about volatility: |d1| <= 4, and a total volatility σ√T of at least 1e-4."""
    total = implied_volatility * np.sqrt(time_to_expiry)
    distance = log_moneyness / np.maximum(total, LEAST_TOTAL) - 0.5 * total
    return np.asarray((np.abs(distance) <= FURTHEST) & (total >= LEAST_TOTAL), dtype=bool)


def volatility_gradient(
    calibration: Calibration, log_moneyness: Floats, time_to_expiry: Floats, volatility: Floats
) -> Floats:
    """Derivatives of the model's implied volatilities by its parameters, (n, p), by way of prices and vega.

    Raises
    ------
    InvalidInput
        If an option is so far from the money that its vega is zero; see `informative`.
    """
    return _gradient(_vector(calibration.model, None), log_moneyness, time_to_expiry, volatility)


def _gradient(point: Floats, log_moneyness: Floats, time: Floats, volatility: Floats) -> Floats:
    chain = _chain(log_moneyness, time, volatility, np.ones_like(volatility))
    return _priced(chain, point)[1] * chain.weight[:, None]


def _chain(log_moneyness: Floats, time: Floats, volatility: Floats, error: Floats) -> _Chain:
    right = np.where(log_moneyness < 0.0, -1.0, 1.0)
    terms = (1.0, np.exp(log_moneyness), time, volatility, right)
    vega = black_greeks(*terms).vega
    if np.any(vega <= 0.0):
        raise InvalidInput(
            "log_moneyness", "is so far from the money that vega is 0", float(log_moneyness[vega <= 0][0])
        )
    expiries, which = np.unique(time, return_inverse=True)
    weight = 1.0 / (vega * error)
    return _Chain(expiries, which, log_moneyness, volatility, black_price(*terms), weight, error)


def _enough(chain: _Chain, parameters: int) -> None:
    count, expiries = chain.volatility.size, chain.expiries.size
    if count < QUOTES_PER_PARAMETER * parameters or expiries < LEAST_EXPIRIES:
        detail = (
            f"{count} usable quotes of {expiries} expiries; {parameters} parameters need "
            f"{QUOTES_PER_PARAMETER * parameters} quotes of {LEAST_EXPIRIES} expiries within |d1| <= {FURTHEST:g}"
        )
        raise Refusal(Reason.UNUSABLE_DATA, detail)


def _starts(chain: _Chain, bounds: Floats) -> list[Floats]:
    """v₀ and θ from the money of the first and the last expiry, ρ from the sign of the skew."""
    at_the_money = [
        float(chain.volatility[mine][np.argmin(np.abs(chain.log_moneyness[mine]))]) ** 2
        for mine in (chain.which == 0, chain.which == chain.expiries.size - 1)
    ]
    skew = float(chain.log_moneyness @ (chain.volatility - chain.volatility.mean()))
    points = [
        [at_the_money[0], kappa, at_the_money[1], sigma, 0.4 * np.sign(skew), 1.0, 0.1 * np.sign(skew), 0.1]
        for kappa, sigma in _STARTS
    ]
    margin = 1e-3 * (bounds[:, 1] - bounds[:, 0])
    return [np.clip(point[: len(bounds)], bounds[:, 0] + margin, bounds[:, 1] - margin) for point in points]


def _vector(model: StochasticVolatility, bounds: Floats | None) -> Floats:
    names = PARAMETERS if isinstance(model, Bates) else PARAMETERS[:5]
    point = np.array([getattr(model, name) for name in names])
    if bounds is None:
        return point
    if len(bounds) != point.size:
        raise InvalidInput("start", "must be of the model that is fitted", model.method)
    margin = 1e-6 * (bounds[:, 1] - bounds[:, 0])
    return np.asarray(np.clip(point, bounds[:, 0] + margin, bounds[:, 1] - margin), dtype=float)


def _model(point: Floats) -> StochasticVolatility:
    values = dict(zip(PARAMETERS, point.tolist(), strict=False))
    return Heston(**values) if point.size == 5 else Bates(**values)


def _exponent(points: Floats, u: Floats, time: Floats) -> NDArray[np.complex128]:
    """ln φ of a point, in the first row, and of a step in each parameter: what a step leaves alone is computed once."""
    columns = points.T[:, :, None, None]
    diffusion = heston_exponent(u, time, *columns[:5, :6])
    if len(columns) == 5:
        return diffusion
    jumps = jump_exponent(u, time, *columns[5:, [0, 6, 7, 8]])
    return np.concatenate([diffusion + jumps[:1], diffusion[:1] + jumps[1:]])


def _priced(chain: _Chain, point: Floats, upper: Floats | None = None) -> tuple[Floats, Floats]:
    """Prices over forwards, (n,), and their derivatives by the parameters, (n, p); steps turn back at upper bounds."""
    step = _STEP * np.maximum(np.abs(point), 1e-2)
    if upper is not None:
        step = np.where(point + step > upper, -step, step)
    points = np.vstack([point, point + np.diag(step)])
    ends = truncation(_model(point), chain.expiries, tolerance=_PRECISION)
    puts = put_values(
        lambda u, time: _exponent(points, u, time),
        *ends,
        chain.expiries,
        chain.log_moneyness,
        chain.which,
        tolerance=_PRECISION,
        most_terms=_MOST_TERMS,
    )
    strike = np.exp(chain.log_moneyness)
    puts = strike * puts
    price = puts[0] + np.where(chain.log_moneyness < 0.0, 0.0, -np.expm1(chain.log_moneyness))
    return price, (puts[1:] - puts[0]).T / step


def _descend(fit: ModelFit, chain: _Chain, bounds: Floats, start: Floats, rounds: int) -> Any:
    """Least squares from one start; residual and Jacobian come out of one pricing."""
    seen: dict[bytes, tuple[Floats, Floats]] = {}

    def computed(point: Floats) -> tuple[Floats, Floats]:
        key = point.tobytes()
        if key not in seen:
            seen.clear()
            price, slopes = _priced(chain, point, bounds[:, 1])
            ratio = (chain.market + _FLOOR) / (price + _FLOOR)
            errors = -np.log(ratio) * (chain.market + _FLOOR) * chain.weight
            gradient = slopes * (ratio * chain.weight)[:, None]
            lack, slope = _feller(fit, point)
            seen[key] = np.append(errors, lack), np.vstack([gradient, slope])
        return seen[key]

    return least_squares(
        lambda point: computed(point)[0],
        start,
        jac=lambda point: computed(point)[1],
        bounds=(bounds[:, 0], bounds[:, 1]),
        x_scale="jac",
        ftol=1e-7,
        xtol=1e-7,
        gtol=1e-8,
        max_nfev=rounds,
    )


def _feller(fit: ModelFit, point: Floats) -> tuple[float, Floats]:
    """Root of twice the penalty as one more residual, and its gradient."""
    _, kappa, theta, sigma = point[:4]
    lack, scale, slope = (
        max(0.0, sigma**2 - 2.0 * kappa * theta),
        np.sqrt(2.0 * fit.feller_penalty),
        np.zeros(point.size),
    )
    if lack > 0.0:
        slope[1:4] = -2.0 * theta, -2.0 * kappa, 2.0 * sigma
    return float(scale * lack), scale * slope


def _report(chain: _Chain, bounds: Floats, best: Any, used: Bools, evaluations: int) -> Calibration:
    point, model = best.x, _model(best.x)
    times, names = chain.expiries[chain.which], PARAMETERS[: best.x.size]
    volatility = fitted_volatilities(model, chain.log_moneyness, times)
    # An option to which the model gives no value misses its whole volatility.
    miss = np.nan_to_num(volatility) - chain.volatility
    seen = np.isfinite(volatility)
    gradient = _gradient(point, chain.log_moneyness[seen], times[seen], volatility[seen]) / chain.error[seen, None]
    width = bounds[:, 1] - bounds[:, 0]
    stuck = (point - bounds[:, 0] < _AT_BOUND * width) | (bounds[:, 1] - point < _AT_BOUND * width)
    chi = float(np.sum((miss / chain.error) ** 2)) / max(miss.size - int((~stuck).sum()), 1)
    return Calibration(
        model=model,
        names=names,
        covariance=_covariance(gradient, ~stuck) * max(chi, 1.0),
        at_bound=tuple(name for name, held in zip(names, stuck, strict=True) if held),
        feller=model.feller,
        root_mean_square_error=float(np.sqrt(np.mean(miss**2))),
        within_error=float(np.mean(np.abs(miss) <= chain.error)),
        reduced_chi_square=chi,
        used=used,
        converged=best.status > 0,
        evaluations=evaluations,
    )


def _covariance(gradient: Floats, free: Bools) -> Floats:
    """``(JᵀJ)⁻¹`` of the free parameters, on columns of unit length: the parameters differ in size by thousands."""
    found, columns = np.zeros((free.size, free.size)), gradient[:, free]
    length = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    scaled = columns / length
    found[np.ix_(free, free)] = np.linalg.pinv(scaled.T @ scaled, rcond=1e-14, hermitian=True) / np.outer(
        length, length
    )
    return found
