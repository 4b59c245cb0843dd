"""Greeks of one option in the units that desks publish: base units, volatility points, calendar days, per cent."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Bools, Floats
from services.options.black import DeltaConvention, black_greeks, delta_in_convention, settlement_window_factor

DAYS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_DAY
MINUTES_PER_YEAR = SECONDS_PER_YEAR / 60.0


@dataclass(frozen=True, slots=True)
class PublishedGreeks:
    """Figures of one option on one unit of base, or of positions (`PublishedGreeks.times`), all of one shape.

    Parameters
    ----------
    price : array
        [quote].
    price_base : array
        ``price / F``: the premium of a coin-settled option [base].
    delta : array
        In the convention asked for [base].
    delta_hedge : array
        What a hedge must offset [base]: ``Δ − V/F`` where coin-settled, else Δ.
    gamma, speed : arrays
        Second and third derivative by the forward [base per quote, base per quote²].
    gamma_1pct : array
        Change of delta when the forward moves 1 % [base].
    vega_per_point, volga_per_point : arrays
        Change of price, and of vega, per volatility point of 0.01 [quote].
    vanna_per_point : array
        Change of delta per volatility point [base].
    theta_per_day, theta_1d : arrays
        Derivative by calendar time; change of price over one day, or over what is left of the option's life [quote].
    charm_per_day : array
        Change of delta per calendar day [base].
    rho_per_percent : array
        Change of price when the rate moves by 0.01, at a fixed forward [quote].
    settlement_factor : array
        Share still alive while the delivery price is averaged, already in all other figures.
    expired, degenerate : bool arrays
        As in `Greeks`.
    """

    price: Floats
    price_base: Floats
    delta: Floats
    delta_hedge: Floats
    gamma: Floats
    gamma_1pct: Floats
    vega_per_point: Floats
    theta_per_day: Floats
    theta_1d: Floats
    vanna_per_point: Floats
    volga_per_point: Floats
    charm_per_day: Floats
    speed: Floats
    rho_per_percent: Floats
    settlement_factor: Floats
    expired: Bools
    degenerate: Bools

    def times(self, size: Floats) -> PublishedGreeks:
        """Figures of positions.

        Parameters
        ----------
        size : array
            Signed contracts times base units per contract.
        """
        return replace(self, **{name: size * getattr(self, name) for name in FIGURES})


FIGURES = tuple(
    field.name for field in fields(PublishedGreeks) if field.name not in ("settlement_factor", "expired", "degenerate")
)
"""Fields that a position multiplies."""


def published_greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
    base_discount: ArrayLike = 1.0,
    convention: DeltaConvention = "forward",
    coin_settled: ArrayLike = False,
    averaged_settlement: ArrayLike = False,
) -> PublishedGreeks:
    """Greeks of `black_greeks` in published units.

    Parameters
    ----------
    forward, strike, time_to_expiry, volatility, right, discount : array
        As in `black_greeks`.
    base_discount : array
        Discount factor of the base currency, for the two spot conventions.
    convention : {"spot", "forward", "pa_spot", "pa_forward"}
        Of `delta`; see `delta_in_convention`.
    coin_settled : bool array
        Premium and pay-off are paid in base.
    averaged_settlement : bool array
        The delivery price is averaged over the last 30 minutes: all figures fade with them.

    Returns
    -------
    PublishedGreeks

    Raises
    ------
    InvalidInput
        As `black_greeks` and `delta_in_convention`.

    Examples
    --------
    >>> found = published_greeks(50_000.0, 50_000.0, 7 / 365, 0.6, 1, coin_settled=True)
    >>> round(float(found.delta), 6), round(float(found.delta_hedge), 6), round(float(found.vega_per_point), 4)
    (0.516569, 0.483431, 27.5999)
    """
    terms = (forward, strike, time_to_expiry, volatility, right)
    unit = black_greeks(*terms, discount=discount)
    price_base = unit.price / np.asarray(forward, dtype=np.float64)
    minutes = np.asarray(time_to_expiry, dtype=np.float64) * MINUTES_PER_YEAR
    alive = np.where(averaged_settlement, settlement_window_factor(minutes), 1.0)
    whole = PublishedGreeks(
        price=unit.price,
        price_base=price_base,
        delta=delta_in_convention(*terms, convention=convention, foreign_discount=base_discount),
        delta_hedge=unit.delta - np.where(coin_settled, price_base, 0.0),
        gamma=unit.gamma,
        gamma_1pct=unit.gamma * np.asarray(forward, dtype=np.float64) / 100.0,
        vega_per_point=unit.vega / 100.0,
        theta_per_day=unit.theta / DAYS_PER_YEAR,
        theta_1d=unit.theta_1d,
        vanna_per_point=unit.vanna / 100.0,
        volga_per_point=unit.volga / 10_000.0,
        charm_per_day=unit.charm / DAYS_PER_YEAR,
        speed=unit.speed,
        rho_per_percent=unit.rho / 100.0,
        settlement_factor=np.broadcast_to(alive, unit.price.shape),
        expired=unit.expired,
        degenerate=unit.degenerate,
    )
    return whole.times(whole.settlement_factor)
