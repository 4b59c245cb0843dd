"""Keep delta, gamma, vega and more within bounds, at the least cost plus price of the risk that is left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from services.core.errors import InvalidInput
from services.hedging.exposures import GREEKS, Exposure, GreekBound, greek_matrix
from services.hedging.hedge_plan import HedgePlan
from services.hedging.hedge_problem import HedgeInstrument, HedgeProblem
from services.hedging.optimizer import optimize_hedge
from services.hedging.risk_model import RiskModel

RISK_AVERSION_TIMES_EQUITY = 10.0
"""Absolute risk aversion of an account, times its equity, where the policy names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeMarket:
    """What a hedge optimiser reads of one underlying.

    Parameters
    ----------
    exposure : Exposure
        Of the book, without the trades.
    instruments : tuple of HedgeInstrument
        Those that the policy names and that may be traded now; depth already cut by the can-hedge gate.
    price : float
        Of the underlying [quote per base].
    volatility : float
        Of the underlying over the horizon [annual fraction].
    equity : float
        Of the account [quote].
    margin_budget, cash_budget : float, optional
        [quote]; as in `HedgeProblem`.
    """

    exposure: Exposure
    instruments: tuple[HedgeInstrument, ...]
    price: float
    volatility: float
    equity: float
    margin_budget: float | None = None
    cash_budget: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GreekBounds:
    r"""Least ``cost + ½ a · variance`` of trades that keep each Greek within ``±max``.

    Parameters
    ----------
    instruments : tuple of str
        Symbols that may be traded: perpetuals, futures, spot, options.
    max_delta : float, optional
        [base units].
    max_gamma_1pct : float, optional
        Change of delta per 1 % of price [base units].
    max_vega_per_point : float, optional
        [quote per volatility point].
    max_vanna_per_point : float, optional
        Change of delta per volatility point [base units].
    max_volga_per_point : float, optional
        Change of vega per point, per volatility point [quote].
    hard : bool
        Bounds are kept, or only the delta is hedged. Else a breach costs `breach_factor` times what a unit is worth.
    breach_factor : float
        Price of a unit outside a bound, over the cheapest way to trade one unit or what one unit adds to the risk,
        whichever is more.
    risk_aversion : float, optional
        a [1/quote]; by default 10 / equity.
    horizon_seconds : float
        How long the hedge is meant to last [s].
    volatility_of_volatility : float
        [annual fraction of the volatility].
    spot_volatility_correlation : float
        Within [-1, 1]. Not 0: the delta of least variance is not 0, and vega is partly hedged by delta.
    gap : float
        Share of cost and risk that whole lots may lie above the proven least.
    time_limit_seconds : float
        Of each call of the solver [s].
    sell_options : bool
        Whether positions in options may be sold beyond flat. Otherwise a long one may be sold, and no more.
    assumed_depth : float, optional
        What may be bought and sold of an instrument of which no book is known [base units]. By default nothing: it may
        only be brought nearer to flat.
    depth_distance : float
        How far beyond the best price the orders of a book count as depth [fraction of its mid].
    max_book_age_seconds : float
        Age from which a book counts as none [s].

    Notes
    -----
    The trigger decides when to hedge; this decides with what. At least one bound or a risk aversion is what makes it
    trade: within bounds it trades only where the risk saved is worth the cost. The last four parameters are read by
    whoever makes the `HedgeMarket`. In a policy, [quote] is the account currency.

    References
    ----------
    As `optimize_hedge`. The default risk aversion is a convention.

    Examples
    --------
    >>> from decimal import Decimal
    >>> perpetual = HedgeInstrument(symbol="BTC-PERP", greeks=Exposure(delta=1.0), buy_cost=20.0, sell_cost=20.0,
    ...     buy_depth=100.0, sell_depth=100.0, lot=Decimal("0.1"))
    >>> market = HedgeMarket(exposure=Exposure(delta=3.04), instruments=(perpetual,), price=60_000.0, volatility=0.6,
    ...     equity=1e6)
    >>> plan = GreekBounds(instruments=("BTC-PERP",), max_delta=0.5).plan(market)
    >>> [(trade.symbol, trade.contracts) for trade in plan.trades], round(plan.after.delta, 2)
    ([('BTC-PERP', Decimal('-2.6'))], 0.44)
    """

    method: Literal["greek_bounds"] = "greek_bounds"
    instruments: Annotated[tuple[str, ...], Len(1, 400)]
    max_delta: Annotated[float, Ge(0)] | None = None
    max_gamma_1pct: Annotated[float, Ge(0)] | None = None
    max_vega_per_point: Annotated[float, Ge(0)] | None = None
    max_vanna_per_point: Annotated[float, Ge(0)] | None = None
    max_volga_per_point: Annotated[float, Ge(0)] | None = None
    hard: bool = False
    breach_factor: Annotated[float, Ge(1), Le(1e6)] = 1000.0
    risk_aversion: Annotated[float, Ge(0), Le(1e6)] | None = None
    horizon_seconds: Annotated[float, Gt(0), Le(31_536_000)] = 86_400.0
    volatility_of_volatility: Annotated[float, Ge(0), Le(10)] = 1.0
    spot_volatility_correlation: Annotated[float, Ge(-1), Le(1)] = 0.0
    gap: Annotated[float, Ge(0), Le(0.1)] = 1e-3
    time_limit_seconds: Annotated[float, Gt(0), Le(10)] = 1.0
    sell_options: bool = False
    assumed_depth: Annotated[float, Gt(0)] | None = None
    depth_distance: Annotated[float, Gt(0), Le(0.5)] = 0.005
    max_book_age_seconds: Annotated[float, Gt(0), Le(86_400)] = 60.0

    requires: ClassVar[frozenset[str]] = frozenset({"greeks", "price", "volatility", "depth", "costs"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if len(set(self.instruments)) != len(self.instruments):
            raise InvalidInput("hedge_optimizer.instruments", "must not repeat a symbol", self.instruments)

    def plan(self, market: HedgeMarket) -> HedgePlan:
        """Trades of one underlying.

        Raises
        ------
        InvalidInput
            For a market that is not sound: a price, volatility or (without `risk_aversion`) equity that is not > 0.
        """
        return optimize_hedge(self.problem(market))

    def problem(self, market: HedgeMarket) -> HedgeProblem:
        """The problem that `plan` solves; instruments that the policy does not name are left out."""
        named = set(self.instruments)
        instruments = tuple(row for row in market.instruments if row.symbol in named)
        risk = RiskModel.over_horizon(
            price=market.price,
            volatility=market.volatility,
            horizon_seconds=self.horizon_seconds,
            volatility_of_volatility=self.volatility_of_volatility,
            correlation=self.spot_volatility_correlation,
        )
        aversion = self._aversion(market.equity)
        return HedgeProblem(
            exposure=market.exposure,
            instruments=instruments,
            bounds=self._bounds(instruments, risk, aversion, market.exposure),
            risk=risk,
            risk_aversion=aversion,
            margin_budget=market.margin_budget,
            cash_budget=market.cash_budget,
            gap=self.gap,
            time_limit_seconds=self.time_limit_seconds,
        )

    def _aversion(self, equity: float) -> float:
        if self.risk_aversion is not None:
            return self.risk_aversion
        if not (equity > 0.0 and math.isfinite(equity)):
            raise InvalidInput("equity", "must be > 0", equity, "or give hedge_optimizer.risk_aversion")
        return RISK_AVERSION_TIMES_EQUITY / equity

    def _bounds(
        self, instruments: tuple[HedgeInstrument, ...], risk: RiskModel, aversion: float, exposure: Exposure
    ) -> tuple[GreekBound, ...]:
        bounds = []
        for greek in GREEKS:
            most = getattr(self, f"max_{greek}", None)
            if most is not None:
                cost = (
                    None
                    if self.hard
                    else self.breach_factor * _unit_value(greek, instruments, risk, aversion, exposure)
                )
                bounds.append(GreekBound(greek=greek, lower=-most, upper=most, breach_cost=cost))
        return tuple(bounds)


def _unit_value(
    greek: str, instruments: tuple[HedgeInstrument, ...], risk: RiskModel, aversion: float, exposure: Exposure
) -> float:
    """Cheapest cost of trading one unit of a Greek, or what one unit adds to the price of the risk if that is more."""
    at = GREEKS.index(greek)
    book = np.array(exposure.values())
    marginal = aversion * math.sqrt(float(risk.covariance[at, at]) * max(float(book @ risk.covariance @ book), 0.0))
    content = np.abs(greek_matrix([row.greeks for row in instruments])[:, at])
    cost = np.array([max(row.buy_cost, row.sell_cost) for row in instruments])
    able = content > 0.0
    cheapest = float((cost[able] / content[able]).min()) if able.any() else 0.0
    return max(cheapest, marginal) or 1.0
