"""Haircuts of collateral: what a balance is worth as margin where markets fall, thin out, lose a peg or fall silent.

Credit of a positive balance is its value times (1 − haircut). A negative balance is owed in full: it is never cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_YEAR
from services.core.book import AssetClass
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats

NORMAL_TAIL = 2.3378
"""Expected shortfall of the normal law at 97.5 %, in standard deviations."""
SIZE_DISCOUNT = 1.1
"""Share of a weight at size 0 from which Drift's discount for size is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityHaircut:
    """Haircut by the volatility, size, peg and age of an asset, and by how it moves with the positions.

    Parameters
    ----------
    tail_multiple : float
        k: standard deviations of a fall that the haircut pays for.
    liquidation_seconds : float
        t, the time to sell the collateral [s].
    impact : float
        Relative price move of selling a day's volume; it grows with the square root of the size.
    peg_threshold : float
        Price of a pegged asset, in units of its peg, below which it is off it.
    peg_factor : float
        Haircut per unit of price below the threshold.
    initial_multiple : float
        Haircut for initial margin over that for maintenance, at least 1.
    stale_multiple : float
        Factor on the maintenance haircut once the price is older than its heartbeat; for initial margin it is then 1.
    wrong_way_threshold, wrong_way_slope : float
        A correlation of the collateral with the loss of the positions beyond the threshold adds slope · excess of it.
    cash_floor, stable_floor, major_floor, other_floor : float
        Least maintenance haircut by class of asset.

    Notes
    -----
    Thresholds of correlation, the stale multiple and the peg factor are choices without an empirical optimum behind
    them.
    """

    method: Literal["volatility_haircut"] = "volatility_haircut"
    tail_multiple: Annotated[float, Gt(0), Le(20)] = NORMAL_TAIL
    liquidation_seconds: Annotated[float, Gt(0), Le(30 * 86_400)] = 4.0 * 3_600.0
    impact: Annotated[float, Ge(0), Le(10)] = 0.1
    peg_threshold: Annotated[float, Gt(0), Le(1)] = 0.99
    peg_factor: Annotated[float, Ge(0), Le(100)] = 2.0
    initial_multiple: Annotated[float, Ge(1), Le(10)] = 1.25
    stale_multiple: Annotated[float, Ge(1), Le(10)] = 2.0
    wrong_way_threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    wrong_way_slope: Annotated[float, Ge(0), Le(10)] = 0.5
    cash_floor: Annotated[float, Ge(0), Le(1)] = 0.0
    stable_floor: Annotated[float, Ge(0), Le(1)] = 0.01
    major_floor: Annotated[float, Ge(0), Le(1)] = 0.05
    other_floor: Annotated[float, Ge(0), Le(1)] = 0.15

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def floor(self, asset_class: AssetClass) -> float:
        """Least maintenance haircut of a class.

        Examples
        --------
        >>> VolatilityHaircut().floor(AssetClass.MAJOR)
        0.05
        """
        floor: float = getattr(self, f"{asset_class}_floor")
        return floor

    def haircuts(
        self,
        volatility: ArrayLike,
        *,
        floor: ArrayLike = 0.15,
        spread: ArrayLike = 0.0,
        size_quote: ArrayLike = 0.0,
        average_daily_volume: ArrayLike = np.inf,
        peg_price: ArrayLike = np.inf,
        wrong_way_correlation: ArrayLike = 0.0,
        age_seconds: ArrayLike = 0.0,
        heartbeat_seconds: ArrayLike = np.inf,
        multiplier: ArrayLike = 1.0,
    ) -> Haircuts:
        r"""Haircuts of assets.

        ``base = k σ √(t + age) + spread/2 + I √(size/ADV) + factor · max(0, threshold − price)``;
        ``maintenance = min(1, max(floor, base) · (1 + slope · max(0, ρ − threshold)) · multiplier)``, times the stale
        multiple where the price is older than its heartbeat; ``initial = min(1, 1.25 · maintenance)``, or 1 there.

        Parameters
        ----------
        volatility : (n,) array
            σ [annual fraction], >= 0.
        floor : (n,) array
            Least maintenance haircut: 0 for cash, .01 for stablecoins, .05 for BTC and ETH, .15 for the rest.
        spread : (n,) array
            Bid-ask spread [fraction of the price].
        size_quote, average_daily_volume : (n,) arrays
            Amount to sell, and what is traded a day, in one currency; infinite: no add-on for size.
        peg_price : (n,) array
            Price in units of the peg; infinite for what has none.
        wrong_way_correlation : (n,) array
            ρ of the collateral's return with that of the positions that it backs, in [-1, 1]: 1 falls with them.
        age_seconds, heartbeat_seconds : (n,) arrays
            Age of the price, and how often its source speaks [s].
        multiplier : (n,) array
            Contagion, 1 in calm; never below 1.

        Returns
        -------
        Haircuts
            All in [0, 1], ``initial >= maintenance``.

        Raises
        ------
        InvalidInput
            If an input is negative, or a multiplier below 1.

        Notes
        -----
        NaN in any input of a row is not known, and what is not known carries no credit: both haircuts are 1 and `known`
        is False. An old price is one that has had longer to move: its age lengthens the time to sell, also within the
        heartbeat. More volatility, size, age, correlation or distance from the peg never lowers a haircut.

        Examples
        --------
        >>> found = VolatilityHaircut().haircuts([0.7, 1.4], floor=0.05, size_quote=5e6, average_daily_volume=2e9)
        >>> found.maintenance.round(6).tolist(), found.initial.round(6).tolist()
        ([0.05, 0.074938], [0.0625, 0.093673])
        """
        sigma, least, wide, size, volume, peg, rho, age, heartbeat, contagion = np.broadcast_arrays(
            *(
                np.asarray(column, dtype=np.float64)
                for column in (
                    volatility,
                    floor,
                    spread,
                    size_quote,
                    average_daily_volume,
                    peg_price,
                    wrong_way_correlation,
                    age_seconds,
                    heartbeat_seconds,
                    multiplier,
                )
            )
        )
        _not_below(0.0, volatility=sigma, floor=least, spread=wide, size_quote=size, average_daily_volume=volume)
        _not_below(0.0, peg_price=peg, age_seconds=age, heartbeat_seconds=heartbeat)
        _not_below(1.0, multiplier=contagion)
        years = (self.liquidation_seconds + age) / SECONDS_PER_YEAR
        tail, half_spread = self.tail_multiple * sigma * np.sqrt(years), 0.5 * wide
        impact = self.impact * np.sqrt(_share(size, volume))
        off_peg = self.peg_factor * np.maximum(0.0, self.peg_threshold - peg)
        base = tail + half_spread + impact + off_peg
        wrong_way = 1.0 + self.wrong_way_slope * np.maximum(0.0, rho - self.wrong_way_threshold)
        full = np.maximum(least, base) * wrong_way * contagion
        stale, known = age > heartbeat, ~np.isnan(full + heartbeat)
        maintenance = np.minimum(1.0, np.where(stale, self.stale_multiple * full, full))
        initial = np.where(stale, 1.0, np.minimum(1.0, self.initial_multiple * maintenance))
        return Haircuts(
            maintenance=np.where(known, maintenance, 1.0),
            initial=np.where(known, initial, 1.0),
            stale=stale & known,
            known=known,
            tail=tail,
            spread=half_spread,
            size=impact,
            peg=off_peg,
            wrong_way=wrong_way,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Haircuts:
    """Haircuts per asset [fraction of value]; `stale`: the price is past its heartbeat; `known`: all was given.

    Parts of the sum: `tail`, `spread`, `size`, `peg`; factor on it: `wrong_way`. NaN where a part is not known.
    """

    maintenance: Floats
    initial: Floats
    stale: Bools
    known: Bools
    tail: Floats
    spread: Floats
    size: Floats
    peg: Floats
    wrong_way: Floats


def collateral_credit(value: ArrayLike, haircut: ArrayLike) -> Floats:
    """What balances count as margin: ``value · (1 − haircut)`` where positive, the whole value where owed.

    Parameters
    ----------
    value : (n,) array
        Of each balance, signed [account currency].
    haircut : (n,) array
        In [0, 1].

    References
    ----------
    Binance, portfolio margin: sum over assets of ``min(equity, equity · collateral rate)``.

    Examples
    --------
    >>> collateral_credit([1_000.0, -1_000.0], 0.1).tolist()
    [900.0, -1000.0]
    """
    worth, cut = np.asarray(value, dtype=np.float64), np.asarray(haircut, dtype=np.float64)
    if np.any((cut < 0.0) | (cut > 1.0)):
        raise InvalidInput("haircut", "must lie in [0, 1]", cut.tolist())
    return np.where(worth > 0.0, worth * (1.0 - cut), worth)


def cap_scaled_weight(weight: ArrayLike, deposits: ArrayLike, cap: ArrayLike) -> Floats:
    """Weight (1 − haircut) of an asset of which more is deposited than the cap: ``weight · cap / deposits``.

    Parameters
    ----------
    weight : array
        For initial margin: others' deposits should not liquidate anybody.
    deposits, cap : array
        Of the venue, or of the account for a limit on concentration, in one unit; the value of cap / deposits is taken
        as 1 up to the cap.

    References
    ----------
    Drift Protocol v2, `get_scaled_initial_asset_weight`.

    Examples
    --------
    >>> cap_scaled_weight(0.9, [25.0, 500_000.0, 1_500_000.0], 500_000.0).round(12).tolist()
    [0.9, 0.9, 0.3]
    """
    total, limit = np.asarray(deposits, dtype=np.float64), np.asarray(cap, dtype=np.float64)
    return np.asarray(weight, dtype=np.float64) * np.where(
        total > limit, limit / np.where(total > limit, total, 1.0), 1
    )


def size_discounted_weight(weight: ArrayLike, size: ArrayLike, coefficient: float) -> Floats:
    r"""Weight of an asset, or of an unrealised profit, that shrinks with its size: ``min(w, 1.1 / (1 + c √size))``.

    Parameters
    ----------
    weight : array
        At size 0.
    size : array
        Amount; its unit is part of c. For an unrealised profit [quote], >= 0.
    coefficient : float
        c [per square root of a unit]; 0: the weight stands whatever the size.

    Notes
    -----
    Without a coefficient nothing is cut. With one, a weight above 1.1 / (1 + c √size) falls as the inverse square root:
    credit grows with the square root of the size. Losses are owed in full: see `credited_profit`.

    References
    ----------
    Drift Protocol v2, `calculate_size_discount_asset_weight` (`imf_factor`, `unrealized_pnl_imf_factor`).

    Examples
    --------
    >>> size_discounted_weight(0.9, [1e3, 1e9], 1e-5).round(4).tolist()
    [0.9, 0.8357]
    """
    flat, amount = np.asarray(weight, dtype=np.float64), np.asarray(size, dtype=np.float64)
    if coefficient == 0.0:
        return flat + 0.0 * amount
    _not_below(0.0, size=amount, coefficient=np.asarray(coefficient))
    return np.minimum(flat, SIZE_DISCOUNT / (1.0 + coefficient * np.sqrt(amount)))


def credited_profit(profit: ArrayLike, *, weight: float = 1.0, coefficient: float = 0.0, cap: float = np.inf) -> Floats:
    """Unrealised profit as margin: gains by their weight and at most `cap`, losses in full.

    Examples
    --------
    >>> credited_profit([-500.0, 500.0, 242_827_868.96], coefficient=1e-3).round(2).tolist()
    [-500.0, 500.0, 16107561.95]
    """
    value = np.asarray(profit, dtype=np.float64)
    gain = np.maximum(value, 0.0)
    credit = np.minimum(gain * size_discounted_weight(weight, gain, coefficient), cap)
    return np.where(value > 0.0, credit, value)


def _share(size: Floats, volume: Floats) -> Floats:
    """Size in days of trading: no volume at all is an endless time, except for nothing to sell."""
    traded = np.isfinite(volume) & (volume > 0.0)
    ratio = np.where(traded, size / np.where(traded, volume, 1.0), np.where(volume == 0.0, np.inf, 0.0))
    return np.where(np.isnan(size + volume), np.nan, np.where(size == 0.0, 0.0, ratio))


def _not_below(least: float, **columns: Floats) -> None:
    for name, column in columns.items():
        if np.any(column < least):
            raise InvalidInput(name, f"must be >= {least:g}", float(np.nanmin(column)))
