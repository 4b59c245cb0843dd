r"""Where quotes and a fitted stochastic-volatility model differ by more than their errors and the costs of trading.

``difference = σ_model − σ_market``, in volatility points; its standard error joins that of the quote, half its spread,
and that of the fitted parameters by the delta method, ``e² + ∇σ' Cov ∇σ``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.black import black_greeks, black_price
from services.options.calibration import SMALLEST_ERROR, Calibration, informative, volatility_gradient
from services.options.checks import finite, positive
from services.options.model_smile import fitted_volatilities


class Verdict(StrEnum):
    """What a difference amounts to."""

    RICH = "rich"
    CHEAP = "cheap"
    FAIR = "fair"
    UNPRICED = "unpriced"


VERDICT_TEXT: dict[Verdict, str] = {
    Verdict.RICH: "The model lies below the bid by more than the fee, and the difference beyond the threshold.",
    Verdict.CHEAP: "The model lies above the ask by more than the fee, and the difference beyond the threshold.",
    Verdict.FAIR: "Within the errors, or within the costs of trading it, or the side to trade is not quoted.",
    Verdict.UNPRICED: "So far from the money, or so near to expiry, that a price says nothing about volatility.",
}


@dataclass(frozen=True, slots=True)
class Mispricing:
    """Model against quotes, (n,) arrays; NaN in the numbers of rows that are unpriced.

    Parameters
    ----------
    model_volatility : array
        [annual fraction].
    difference : array
        σ_model − σ_market [annual fraction].
    standard_error : array
        Of the difference.
    z_score : array
        difference / standard_error.
    edge : array
        What is left of the difference after crossing the spread and paying the fee [annual fraction]: of a sale at the
        bid where the model lies below, of a purchase at the ask where it lies above. Minus infinity without that side.
    verdict : (n,) array of str
        Values of `Verdict`.
    """

    model_volatility: Floats
    difference: Floats
    standard_error: Floats
    z_score: Floats
    edge: Floats
    verdict: np.ndarray[tuple[int, ...], np.dtype[np.str_]]


def mispricing(
    calibration: Calibration,
    log_moneyness: ArrayLike,
    time_to_expiry: ArrayLike,
    implied_volatility: ArrayLike,
    bid_volatility: ArrayLike,
    ask_volatility: ArrayLike,
    *,
    threshold: float = 2.0,
    fee: float = 0.0003,
    fee_cap: float = 0.125,
) -> Mispricing:
    r"""What a fitted model says of each quote: rich, cheap or fair, with error bars and after costs.

    Rich: ``z <= −threshold`` and ``σ_bid − σ_model > fee/ν``;
    cheap: ``z >= threshold`` and ``σ_model − σ_ask > fee/ν``.

    Parameters
    ----------
    calibration : Calibration
    log_moneyness, time_to_expiry, implied_volatility : (n,) arrays
        As in `calibrate`; they need not be the quotes that were fitted.
    bid_volatility, ask_volatility : (n,) arrays
        [annual fraction]; NaN where a side is not quoted: that side is never traded.
    threshold : float
        Of |z|.
    fee, fee_cap : float
        Of one trade: `fee` of the forward, at most `fee_cap` of the option's price. The defaults are Deribit's.

    Returns
    -------
    Mispricing

    Raises
    ------
    InvalidInput
        Numbers out of range, or a bid above its ask.
    Refusal
        `unusable_data`: the fit ended at a model too wild to be priced.

    Notes
    -----
    One crossing and one fee are counted, that of getting in; hedging and getting out are not. Quotes that were fitted
    pull the model toward themselves, and a model that does not fit has differences that are its own fault:
    `reduced_chi_square` far above 1 says so. What such differences were worth is in docs/measurements/mispricing.md.

    References
    ----------
    Seber & Wild (1989), Nonlinear Regression, §5.1 (the delta method).
    """
    k, time, market, bid, ask = np.broadcast_arrays(
        finite("log_moneyness", log_moneyness),
        positive("time_to_expiry", time_to_expiry),
        positive("implied_volatility", implied_volatility),
        np.asarray(bid_volatility, dtype=float),
        np.asarray(ask_volatility, dtype=float),
    )
    _check(bid, ask, threshold, fee, fee_cap)
    seen, model = informative(k, time, market), np.full(k.shape, np.nan)
    if seen.any():
        model[seen] = fitted_volatilities(calibration.model, k[seen], time[seen])
    seen &= np.isfinite(model)
    safe = np.where(seen, model, market)
    error = np.full(k.shape, np.nan)
    costs = np.full(k.shape, np.nan)
    if seen.any():
        error[seen] = _errors(calibration, k[seen], time[seen], safe[seen], quote_error(market, bid, ask)[seen])
        costs[seen] = _fees(k[seen], time[seen], market[seen], fee, fee_cap)
    difference = np.where(seen, model - market, np.nan)
    z_score = difference / error
    sale, purchase = bid - safe - costs, safe - ask - costs
    edge = np.where(difference < 0.0, sale, purchase)
    edge = np.where(seen & np.isnan(edge), -np.inf, edge)
    return Mispricing(
        np.where(seen, model, np.nan), difference, error, z_score, edge, _verdicts(seen, z_score, edge, threshold)
    )


def quote_error(volatility: Floats, bid: Floats, ask: Floats) -> Floats:
    """Standard error of a quoted volatility: half the spread, the distance to the only side quoted, or the least.

    Examples
    --------
    >>> nan = float("nan")
    >>> bid, ask = np.array([0.48, nan, nan]), np.array([0.52, 0.54, nan])
    >>> quote_error(np.array([0.5, 0.5, 0.5]), bid, ask).round(6).tolist()
    [0.02, 0.04, 0.001]
    """
    both = 0.5 * (ask - bid)
    one = np.fmax(np.abs(ask - volatility), np.abs(volatility - bid))
    found = np.where(np.isnan(both), one, both)
    return np.maximum(np.where(np.isnan(found), 0.0, found), SMALLEST_ERROR)


def _errors(calibration: Calibration, k: Floats, time: Floats, model: Floats, quote: Floats) -> Floats:
    gradient = volatility_gradient(calibration, k, time, model)
    fitted = np.einsum("ni,ij,nj->n", gradient, calibration.covariance, gradient)
    return np.asarray(np.sqrt(quote**2 + np.maximum(fitted, 0.0)), dtype=float)


def _fees(k: Floats, time: Floats, volatility: Floats, fee: float, fee_cap: float) -> Floats:
    """Fee of one trade as a volatility."""
    terms = (1.0, np.exp(k), time, volatility, np.where(k < 0.0, -1.0, 1.0))
    return np.minimum(fee, fee_cap * black_price(*terms)) / black_greeks(*terms).vega


def _verdicts(
    seen: Bools, z_score: Floats, edge: Floats, threshold: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
    with np.errstate(invalid="ignore"):
        worth = (np.abs(z_score) >= threshold) & (edge > 0.0)
        sides = np.where(z_score < 0.0, Verdict.RICH.value, Verdict.CHEAP.value)
    return np.where(seen, np.where(worth, sides, Verdict.FAIR.value), Verdict.UNPRICED.value)


def _check(bid: Floats, ask: Floats, threshold: float, fee: float, fee_cap: float) -> None:
    for name, side in (("bid_volatility", bid), ("ask_volatility", ask)):
        known = side[~np.isnan(side)]
        if known.size and not (np.isfinite(known).all() and known.min() >= 0.0):
            raise InvalidInput(name, "must be >= 0", known[~(known >= 0.0) | np.isinf(known)][0])
    crossed = np.nan_to_num(bid, nan=-1.0) > np.nan_to_num(ask, nan=np.inf)
    if crossed.any():
        raise InvalidInput("bid_volatility", "must not lie above ask_volatility", float(bid[crossed][0]))
    for name, value in (("threshold", threshold), ("fee", fee), ("fee_cap", fee_cap)):
        if not (np.isfinite(value) and value >= 0.0):
            raise InvalidInput(name, "must be >= 0", value)
