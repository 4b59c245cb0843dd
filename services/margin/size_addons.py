"""How the margin rate grows with the size of a position, and the largest size that a budget then pays for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
NEWTON_STEPS = 50
RELATIVE_STEP = 4.0 * float(np.finfo(float).eps)


class MarketSize(NamedTuple):
    """How large the market of each row is; NaN where that is not known.

    Parameters
    ----------
    open_interest : array
        Open interest of the market [contracts].
    daily_volume : array
        Average daily volume [contracts a day].
    value : array
        Value of a contract [account currency].
    """

    open_interest: ArrayLike = np.nan
    daily_volume: ArrayLike = np.nan
    value: ArrayLike = np.nan

    def open_notional(self, contracts: ArrayLike) -> Floats:
        """Open interest in money [account currency], never less than the position itself; NaN where unknown."""
        held = np.abs(np.asarray(contracts, dtype=np.float64))
        found: Floats = np.maximum(np.asarray(self.open_interest, dtype=np.float64), held) * np.asarray(self.value)
        return found


UNKNOWN_MARKET = MarketSize()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAddon:
    """The rate does not depend on size."""

    method: Literal["none"] = "none"
    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """`base`, whatever the size."""
        return np.asarray(base, dtype=np.float64) + 0.0 * np.asarray(contracts, dtype=np.float64)

    def largest(self, base: ArrayLike, units: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Size with ``size · rate = units``."""
        return _ratio(units, base)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqrtAddon:
    """``max(f, 0.8 f + c sqrt(|q|))``: replaces the rate once a position is large.

    Parameters
    ----------
    coefficient : float
        c [per square root of a contract].

    References
    ----------
    Drift Protocol v2, size premium of the liability weight (`imf_factor`).

    Examples
    --------
    >>> SqrtAddon(coefficient=0.002).rate(0.05, [1.0, 100.0, 10_000.0]).round(12).tolist()
    [0.05, 0.06, 0.24]
    """

    method: Literal["sqrt"] = "sqrt"
    coefficient: Annotated[float, Ge(0)]
    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Rate of a position of this many contracts."""
        flat = np.asarray(base, dtype=np.float64)
        with np.errstate(over="ignore"):  # an infinite rate is cut to its cap
            steep: Floats = 0.8 * flat + self.coefficient * np.sqrt(np.abs(contracts))
        return np.maximum(flat, steep)

    def largest(self, base: ArrayLike, units: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Size with ``size · rate(size) = units``: flat part, or root of ``c x³ + 0.8 f x² = units``, x = √size."""
        base, units = np.asarray(base, dtype=np.float64), np.asarray(units, dtype=np.float64)
        flat = _ratio(units, base)
        if self.coefficient == 0.0:
            return flat
        steep = _cubic(self.coefficient, 0.8 * base, units)
        return np.where(self.coefficient * np.sqrt(flat) <= 0.2 * base, flat, steep)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearAddon:
    """``f + c |q|``: added to the rate.

    Parameters
    ----------
    per_contract : float
        c [per contract].

    References
    ----------
    Synthetix v2 perpetuals: premium linear in size over the skew scale.
    """

    method: Literal["linear"] = "linear"
    per_contract: Annotated[float, Gt(0)]
    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Rate of a position of this many contracts."""
        with np.errstate(over="ignore"):  # an infinite rate is cut to its cap
            return np.asarray(base, dtype=np.float64) + self.per_contract * np.abs(contracts)

    def largest(self, base: ArrayLike, units: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Size with ``size · rate(size) = units``: positive root of ``c q² + f q − units``, free of cancellation."""
        base, units = np.asarray(base, dtype=np.float64), np.asarray(units, dtype=np.float64)
        return _ratio(2.0 * units, base + np.sqrt(base * base + 4.0 * self.per_contract * units))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterestRamp:
    r"""``f + (1 − f) · clip((OI − lower) / (upper − lower), 0, 1)``: up to 1 as open interest fills a market.

    Parameters
    ----------
    lower, upper : float
        Open interest at which the rate begins to rise, and at which it is 1 [account currency].

    Notes
    -----
    It replaces the initial rate; maintenance stays that of the rate without it, so that nobody is liquidated because
    others open positions. Open interest is never less than the position itself. Where it is not known the rate is 1.

    References
    ----------
    dYdX v4, Open Interest Initial Margin Fraction: ``open_notional_lower_cap``, ``open_notional_upper_cap``.

    Examples
    --------
    >>> addon = OpenInterestRamp(lower=20e6, upper=50e6)
    >>> addon.rate(0.05, 1.0, MarketSize([10e6, 28e6, 60e6, np.nan], value=1.0)).round(12).tolist()
    [0.05, 0.303333333333, 1.0, 1.0]
    """

    method: Literal["oi_ramp"] = "oi_ramp"
    lower: Annotated[float, Ge(0)]
    upper: Annotated[float, Gt(0)]
    requires: ClassVar[frozenset[str]] = frozenset({"open_interest"})
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def __post_init__(self) -> None:
        if not self.upper > self.lower:
            raise InvalidInput("size_addon.upper", f"must be > lower ({self.lower:g})", self.upper)

    def rate(self, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Rate in a market of this open interest; one above 1 stays as it is."""
        flat, filled = np.asarray(base, dtype=np.float64), self._filled(market.open_notional(contracts))
        return np.maximum(flat, flat + filled * (1.0 - flat))

    def largest(self, base: ArrayLike, units: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Size with ``size · rate(size) = units``: at the open interest of others, and where it is all of it."""
        flat, budget = np.asarray(base, dtype=np.float64), np.asarray(units, dtype=np.float64)
        value = np.asarray(market.value, dtype=np.float64)
        beside = _ratio(budget, self.rate(flat, 0.0, market))
        span = self.upper - self.lower
        slope = np.maximum(1.0 - flat, 0.0) * value / span
        start = flat - np.maximum(1.0 - flat, 0.0) * self.lower / span
        # Of the two forms of the root the one without a difference of near equals.
        radical = np.sqrt(np.maximum(start * start + 4.0 * slope * budget, 0.0))
        root = np.where(start > 0.0, _ratio(2.0 * budget, start + radical), _ratio(radical - start, 2.0 * slope))
        below = _ratio(budget, flat)
        alone = np.where(below * value <= self.lower, below, np.where(budget * value >= self.upper, budget, root))
        return np.minimum(beside, np.where(flat >= 1.0, below, np.where(np.isnan(alone), budget, alone)))

    def _filled(self, notional: Floats) -> Floats:
        share = np.clip((notional - self.lower) / (self.upper - self.lower), 0.0, 1.0)
        return np.where(np.isnan(share), 1.0, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterestLinear:
    """``max(f, c · OI)``: at least in proportion to open interest.

    Parameters
    ----------
    per_notional : float
        c [rate per unit of account currency].

    Notes
    -----
    It replaces the initial rate; maintenance stays that of the rate without it. Open interest is never less than the
    position itself. Where it is not known the rate is without bound, and so the largest that the policy asks.

    References
    ----------
    GMX v2 synthetics, ``minCollateralFactorForOpenInterestMultiplier``: read where a position is opened, not where one
    is liquidated.

    Examples
    --------
    >>> OpenInterestLinear(per_notional=1e-9).rate(0.05, 1.0, MarketSize([20e6, 80e6, np.nan], value=1.0)).tolist()
    [0.05, 0.08, inf]
    """

    method: Literal["oi_linear"] = "oi_linear"
    per_notional: Annotated[float, Gt(0)]
    requires: ClassVar[frozenset[str]] = frozenset({"open_interest"})
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Rate in a market of this open interest."""
        notional = market.open_notional(contracts)
        with np.errstate(over="ignore"):  # an infinite rate is cut to its cap
            steep = np.where(np.isnan(notional), np.inf, self.per_notional * np.nan_to_num(notional, posinf=np.inf))
        return np.maximum(np.asarray(base, dtype=np.float64), steep)

    def largest(self, base: ArrayLike, units: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Size with ``size · rate(size) = units``: at the open interest of others, and where it is all of it."""
        budget = np.asarray(units, dtype=np.float64)
        beside = _ratio(budget, self.rate(base, 0.0, market))
        alone = np.sqrt(_ratio(budget, self.per_notional * np.asarray(market.value, dtype=np.float64)))
        return np.fmin(beside, alone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactAddon:
    r"""``f + I √(|q| / ADV)``: what closing the position moves the price by, added to the rate.

    Parameters
    ----------
    coefficient : float
        I [fraction of the price for a day's volume].

    Notes
    -----
    Where the volume is not known the initial rate is without bound, and so the largest that the policy asks;
    maintenance stays that of the rate without the add-on there, so that nobody is liquidated for missing data.

    References
    ----------
    Square-root law of impact: Tóth et al. (2011), Anomalous price impact and the critical nature of liquidity, Phys.
    Rev. X 1, 021006.

    Examples
    --------
    >>> ImpactAddon().rate(0.05, 100.0, MarketSize(daily_volume=[10_000.0, np.nan])).round(12).tolist()
    [0.06, inf]
    """

    method: Literal["impact"] = "impact"
    coefficient: Annotated[float, Gt(0), Le(10)] = 0.1
    requires: ClassVar[frozenset[str]] = frozenset({"average_daily_volume"})
    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def rate(self, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Rate of a position of this many contracts."""
        per_root, size = self._per_root(market), np.abs(np.asarray(contracts, dtype=np.float64))
        steep = np.where(np.isinf(per_root), np.inf, np.where(np.isinf(per_root), 0.0, per_root) * np.sqrt(size))
        return np.asarray(base, dtype=np.float64) + steep

    def largest(self, base: ArrayLike, units: ArrayLike, market: MarketSize = UNKNOWN_MARKET) -> Floats:
        """Size with ``size · rate(size) = units``: root of ``c x³ + f x² = units``, x = √size, c = I/√ADV."""
        per_root = self._per_root(market)
        known = np.where(np.isinf(per_root), 1.0, per_root)
        size = _cubic(known, np.asarray(base, dtype=np.float64), np.asarray(units, dtype=np.float64))
        return np.where(np.isinf(per_root), 0.0, size)

    def _per_root(self, market: MarketSize) -> Floats:
        """I / √ADV [per square root of a contract]; infinite where the volume is unknown or 0."""
        volume = np.asarray(market.daily_volume, dtype=np.float64)
        traded = volume > 0.0
        return np.where(traded, self.coefficient / np.sqrt(np.where(traded, volume, 1.0)), np.inf)


SizeAddon = NoAddon | SqrtAddon | LinearAddon | OpenInterestRamp | OpenInterestLinear | ImpactAddon
"""Every size add-on; adding one is one class and one name here."""


def maintenance_rate(
    addon: SizeAddon, base: ArrayLike, contracts: ArrayLike, market: MarketSize = UNKNOWN_MARKET
) -> Floats:
    """Rate that the maintenance margin is a fraction of: open interest and an unknown volume do not raise it.

    Examples
    --------
    >>> market = MarketSize(open_interest=60e6, daily_volume=[10_000.0, np.nan], value=1.0)
    >>> maintenance_rate(ImpactAddon(), 0.05, 100.0, market).round(12).tolist()
    [0.06, 0.05]
    >>> float(maintenance_rate(OpenInterestRamp(lower=20e6, upper=50e6), 0.05, 100.0, market))
    0.05
    """
    flat = np.asarray(base, dtype=np.float64) + 0.0 * np.asarray(contracts, dtype=np.float64)
    if "open_interest" in addon.requires:
        return flat
    rate = addon.rate(base, contracts, market)
    return np.where(np.isnan(market.daily_volume), flat, rate) if "average_daily_volume" in addon.requires else rate


def _cubic(steep: ArrayLike, flat: ArrayLike, units: ArrayLike) -> Floats:
    """x² with ``c x³ + a x² = units``, for c > 0 and a >= 0.

    The cubic is convex and rising, and the start lies above its root, so Newton's method falls to it.
    """
    c, a, budget = np.broadcast_arrays(*(np.asarray(item, dtype=np.float64) for item in (steep, flat, units)))
    x = np.minimum(np.sqrt(_ratio(budget, a)), np.cbrt(budget) / np.cbrt(c))
    for _ in range(NEWTON_STEPS):
        slope = np.where(x > 0.0, x * (3.0 * c * x + 2.0 * a), 1.0)
        step = (x * x * (c * x + a) - budget) / slope
        x = np.maximum(x - step, 0.0)
        if not np.any(np.abs(step) > RELATIVE_STEP * x):
            break
    return np.asarray(x * x, dtype=np.float64)


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Quotient; 0 over anything is 0, anything over 0 is infinite."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    unbounded = np.where(top == 0.0, 0.0, np.inf)
    return np.where(bottom == 0.0, unbounded, top / np.where(bottom == 0.0, 1.0, bottom))
