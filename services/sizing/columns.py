"""The book as columns: what every sizing method reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.core.control import Control
from services.core.explain import Bools, Floats
from services.risk.covariance import portfolio_volatility
from services.sizing.evidence import Evidence

NO_RISK = 1e-12
"""Exposure over equity below which a book is dust: scaling it to a target would only magnify rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingColumns:
    """Columns over the rows of a book, in row order.

    Parameters
    ----------
    equity : float
        [account currency], > 0.
    current : (n,) array
        Held quantity [signed contracts].
    unit_value : (n,) array
        Notional of one contract [account currency], > 0.
    direction : (n,) array
        Effective direction; 0 where there is no live signal.
    live : (n,) bool array
        Rows with a live signal.
    sizable : (n,) bool array
        Rows that a linear method may resize: described, priced, with a volatility, not an option, not reserved for
        hedges.
    volatility, forecast, calibration : (n,) arrays
        Annual volatility used, raw forecast and calibration factor; 1 where unknown (never sizable).
    known_risk : (n,) bool array
        Rows whose volatility is known, sizable or not.
    correlation : (n, n) array, optional
        Between rows; None: volatilities add up (no diversification is assumed).
    collateral : (n,) array
        Coin collateral as contracts of the row that carries it; counted once per underlying.
    delta_weight : (n,) array
        Delta exposure / equity of rows that are not resized although they carry risk (options).
    fixed_notional : (n,) array
        |Notional| of each row as it is [account currency]: options by their delta, 0 where the price is unknown.
    side : (n,) array
        +1 or -1 where a row may only be long or short (hedge mode, unlevered spot), 0 where it may be either.
    primary : (n,) bool array
        False for the second row of an instrument that is held long and short: it takes no share of the risk.
    shocks : (n, k) array, optional
        Volatility that each scheduled event adds to the next bar of each row [annual].
    risk_complete : bool
        False when a held position has no known risk: then nothing is scaled up.
    evidence : Evidence, optional
        Further figures per row, where the sizing method uses some.
    control : Control
        Control state of the account, moved to its present equity and deposits.
    elapsed_years : float
        Time since the decision that left `control` [years of 365 days]; 0 where there was none.
    equity_parameter : str
        Where `equity` comes from: the account, or the policy's rule of capital.
    symbols : tuple of str
        Symbol of each row, for methods whose parameters name symbols.
    faulty : (n,) bool array, optional
        Rows that would be sized but for a fault of their data; options and rows reserved for hedges are none.
    """

    equity: float
    current: Floats
    unit_value: Floats
    direction: Floats
    live: Bools
    sizable: Bools
    volatility: Floats
    forecast: Floats
    calibration: Floats
    known_risk: Bools
    correlation: Floats | None
    collateral: Floats
    delta_weight: Floats
    fixed_notional: Floats
    side: Floats
    primary: Bools
    shocks: Floats | None = None
    risk_complete: bool = True
    evidence: Evidence | None = None
    control: Control = Control()
    elapsed_years: float = 0.0
    equity_parameter: str = "account.equity"
    symbols: tuple[str, ...] = ()
    faulty: Bools | None = None

    @property
    def live_count(self) -> int:
        """Instruments with a live signal, at least 1."""
        return max(int(np.count_nonzero(self.live & self.primary)), 1)

    def fixed_weights(self, resized: Bools) -> Floats:
        """Exposure over equity that a method does not touch: other rows with their collateral, and option deltas."""
        return self.weights(np.where(resized, 0.0, self.current + self.collateral)) + self.delta_weight

    def weights(self, contracts: Floats) -> Floats:
        """Signed notional over equity, 0 where the risk is unknown."""
        return np.where(self.known_risk, contracts * self.unit_value / self.equity, 0.0)

    @property
    def event_volatility(self) -> Floats:
        """Volatility in the next bar, scheduled events included: variances add up."""
        if self.shocks is None:
            return self.volatility
        total: Floats = np.sqrt(self.volatility**2 + (self.shocks**2).sum(axis=1))
        return total

    def on_capital(self, capital: float) -> SizingColumns:
        """The same book seen from another capital than the equity: every weight is over it."""
        if capital == self.equity:
            return self
        delta_weight = self.delta_weight * (self.equity / capital)
        return replace(self, equity=capital, delta_weight=delta_weight, equity_parameter="capital")

    def with_events(self) -> SizingColumns:
        """Columns of the next bar: an event is a shock that the rows it moves share, independent of all else.

        With the shocks S the covariance is ``Σ + S S'``, so that no book has less risk with an event than without.
        """
        if self.shocks is None:
            return self
        volatility, correlation = self.event_volatility, self.correlation
        if correlation is not None:
            covariance = correlation * np.outer(self.volatility, self.volatility) + self.shocks @ self.shocks.T
            correlation = covariance / np.outer(volatility, volatility)
        return replace(self, volatility=volatility, correlation=correlation, shocks=None)

    def portfolio_volatility(self, weights: Floats) -> float:
        """Annual volatility of a set of weights: sqrt(w'Σw), or Σ|w|σ without a correlation matrix."""
        return portfolio_volatility(weights, self.volatility, self.correlation)


def volatility_multiplier(columns: SizingColumns, weights: Floats, fixed: Floats, target: float) -> float:
    r"""Multiplier m >= 0 of `weights` that brings the book to the target, given what cannot be resized.

    Solves ``vol(m·w + f) = target``: with a = w'Σw, b = w'Σf, c = f'Σf − target²,
    ``m = (−b + sqrt(b² − a·c)) / a``. Without fixed exposure this is target / vol(w).

    Parameters
    ----------
    weights, fixed : (n,) arrays
        Resizable and fixed exposure over equity.
    target : float
        [annual volatility]

    Returns
    -------
    float
        1 when `weights` carry no risk worth scaling (below 1e-12); when the fixed part alone exceeds the target,
        the m >= 0 of least total
        variance. Without a correlation matrix: (target − Σ|f|σ) / Σ|w|σ, at least 0.
    """
    risk, still = weights * columns.volatility, fixed * columns.volatility
    if columns.correlation is None:
        total = float(np.abs(risk).sum())
        return max(target - float(np.abs(still).sum()), 0.0) / total if total > NO_RISK else 1.0
    correlated = columns.correlation @ risk
    a, b = float(risk @ correlated), float(still @ correlated)
    if a <= NO_RISK**2:
        return 1.0
    c = float(still @ columns.correlation @ still) - target**2
    discriminant = b * b - a * c
    if not np.isfinite(discriminant):
        return 0.0
    if discriminant < 0:
        return max(-b / a, 0.0)
    return max((-b + float(np.sqrt(discriminant))) / a, 0.0)
