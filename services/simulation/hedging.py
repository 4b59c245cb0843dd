"""What a hedge trigger would have earned and paid on given price paths: the rules of `services.hedging`, many paths
at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.hedging.view import HedgeView, LastHedge, Rule, traded
from services.options.black import black_greeks, black_price


class OptionPosition(NamedTuple):
    """An option that is held from the start of the paths.

    Parameters
    ----------
    quantity : float
        Signed [base units].
    right : {1, -1}
        Call or put.
    strike : float
        [quote per base]
    expiry_seconds : float
        From the start of the paths; not before their end [s].
    volatility : float
        At which it was traded, and is hedged [annual fraction].
    """

    quantity: float
    right: int
    strike: float
    expiry_seconds: float
    volatility: float


class OrderCosts(NamedTuple):
    """What an order costs: `rate` of its notional [fraction], and `fixed` [quote]."""

    rate: float = 0.0
    fixed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeRun:
    """A rule under costs.

    Parameters
    ----------
    rule : Rule
        When to trade, and how far.
    costs : OrderCosts
        Paid for every order.
    told : OrderCosts, optional
        What the rule takes an order to cost; by default what it does cost.
    """

    rule: Rule
    costs: OrderCosts = OrderCosts()
    told: OrderCosts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeOutcome:
    """What became of every path.

    Parameters
    ----------
    pnl : (paths,) array
        Premium, pay-off, gains of the hedge, less costs [quote].
    cost : (paths,) array
        Paid for orders [quote].
    orders : (paths,) int array
        Number of orders, the last one that closes the hedge included.
    """

    pnl: Floats
    cost: Floats
    orders: np.ndarray

    def certainty_equivalent_loss(self, risk_aversion: float) -> float:
        """``ln E[exp(−g · pnl)] / g`` [quote]: the sure loss that is as bad as the outcome, under exponential utility.

        Examples
        --------
        >>> outcome = HedgeOutcome(pnl=np.array([-1.0, -1.0]), cost=np.zeros(2), orders=np.zeros(2, dtype=int))
        >>> outcome.certainty_equivalent_loss(1.0)
        1.0
        """
        return certainty_equivalent_loss(self.pnl, risk_aversion)


def certainty_equivalent_loss(pnl: Floats, risk_aversion: float) -> float:
    """Sure loss that is as bad as a sample of outcomes, under exponential utility [quote]; shifted, so that no term
    overflows.
    """
    exponents = -risk_aversion * pnl
    top = float(exponents.max())
    return (top + float(np.log(np.exp(exponents - top).mean()))) / risk_aversion


def simulate_hedges(
    prices: ArrayLike, times: ArrayLike, positions: Sequence[OptionPosition], runs: Sequence[HedgeRun]
) -> tuple[HedgeOutcome, ...]:
    r"""Outcome of every run on the same paths: common random numbers, and Greeks that are computed once.

    At each time but the last the rule sees the Black delta and gamma of the options plus the hedge, and what it asks
    for is traded at that price. At the end the options are worth their pay-off (or Black's value, where they expire
    later) and the hedge is closed at a cost.

    Parameters
    ----------
    prices : (paths, times) array
        > 0 [quote per base]; simulated, or one row of what was quoted.
    times : (times,) array
        Strictly increasing [s].
    positions : sequence of OptionPosition
        At least one; bought or sold at Black's value at the first time, without cost.
    runs : sequence of HedgeRun

    Returns
    -------
    tuple of HedgeOutcome
        In the order of `runs`.

    Raises
    ------
    InvalidInput
        For shapes that do not fit, prices that are not positive, times that do not increase, options that expire
        before the end.

    Notes
    -----
    Without rates, financing, lots or latency; coin-settled books are not simulated. Cost: O(times · paths · (options +
    runs)), held in memory O(paths · (times + runs)).

    Examples
    --------
    >>> from services.hedging.triggers.threshold import ThresholdRule
    >>> month = OptionPosition(quantity=-1.0, right=1, strike=100.0, expiry_seconds=120.0, volatility=0.6)
    >>> run = HedgeRun(rule=ThresholdRule(max_delta=0.1), costs=OrderCosts(rate=0.001))
    >>> outcome, = simulate_hedges([[100.0, 100.0, 120.0]], [0.0, 60.0, 120.0], [month], [run])
    >>> outcome.orders.tolist(), outcome.cost.round(4).tolist(), outcome.pnl.round(4).tolist()
    ([2], [0.1101], [-10.0587])
    """
    path, clock = _checked(prices, times, positions)
    start = clock[0]
    books = [_Hedge(run, path.shape[0]) for run in runs]
    premium = _value(positions, path[:, 0], start)
    # One time after the other, each in one piece of memory.
    sheet = np.ascontiguousarray(path.T)
    for step in range(clock.size - 1):
        spot = sheet[step]
        delta, gamma, vega = _greeks(positions, spot, clock[step])
        for book in books:
            book.trade(spot, clock[step], delta, gamma, vega, positions[0].volatility)
            book.pnl += book.held * (sheet[step + 1] - spot)
    final = _value(positions, sheet[-1], clock[-1])
    return tuple(book.outcome(sheet[-1], final - premium) for book in books)


@dataclass(slots=True)
class _Hedge:
    """Hedge of one run on all paths, as it stands."""

    run: HedgeRun
    paths: int
    held: Floats = field(init=False)
    pnl: Floats = field(init=False)
    cost: Floats = field(init=False)
    orders: np.ndarray = field(init=False)
    hedged_at: Floats = field(init=False)
    last_price: Floats = field(init=False)
    last_gamma: Floats = field(init=False)
    last_vega: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.held, self.pnl, self.cost = np.zeros(self.paths), np.zeros(self.paths), np.zeros(self.paths)
        self.orders = np.zeros(self.paths, dtype=np.int64)
        self.hedged_at, self.last_price = np.full(self.paths, np.nan), np.full(self.paths, np.nan)
        self.last_gamma, self.last_vega = np.full(self.paths, np.nan), np.full(self.paths, np.nan)

    def trade(self, spot: Floats, now: float, delta: Floats, gamma: Floats, vega: Floats, volatility: float) -> None:
        """Trade what the rule asks for."""
        told = self.run.told or self.run.costs
        gamma_1pct, vega_per_point = gamma * spot / 100.0, vega / 100.0
        view = HedgeView(
            net_delta=delta + self.held,
            spot=spot,
            gamma_1pct=gamma_1pct,
            vega_per_point=vega_per_point,
            volatility=volatility,
            cost_rate=told.rate,
            fixed_cost=told.fixed,
            last=LastHedge(
                seconds_ago=now - self.hedged_at,
                price=self.last_price,
                gamma_1pct=self.last_gamma,
                vega_per_point=self.last_vega,
            ),
        )
        order = traded(view, self.run.rule.judge(view))
        self._pay(order, spot)
        self.held = self.held + order
        made = order != 0.0
        self.hedged_at[made], self.last_price[made] = now, spot[made]
        self.last_gamma[made], self.last_vega[made] = gamma_1pct[made], vega_per_point[made]

    def _pay(self, order: Floats, spot: Floats) -> None:
        made = order != 0.0
        self.cost += self.run.costs.rate * np.abs(order) * spot + self.run.costs.fixed * made
        self.orders += made

    def outcome(self, spot: Floats, options: Floats) -> HedgeOutcome:
        """Close the hedge and add up."""
        self._pay(-self.held, spot)
        return HedgeOutcome(pnl=self.pnl + options - self.cost, cost=self.cost, orders=self.orders)


def _checked(prices: ArrayLike, times: ArrayLike, positions: Sequence[OptionPosition]) -> tuple[Floats, Floats]:
    path, clock = np.asarray(prices, dtype=np.float64), np.asarray(times, dtype=np.float64)
    if path.ndim != 2 or clock.ndim != 1 or path.shape[1] != clock.size or clock.size < 2:
        raise InvalidInput("prices", "must be (paths, times), with at least two times", path.shape)
    legal = np.isfinite(path) & (path > 0.0)
    if not path.size or not legal.all():
        raise InvalidInput("prices", "must be > 0 and finite", float(path[~legal][0]) if path.size else None)
    if not (np.isfinite(clock).all() and (np.diff(clock) > 0.0).all()):
        raise InvalidInput("times", "must increase", clock.tolist()[:4])
    if not positions:
        raise InvalidInput("positions", "must hold an option", 0)
    if early := [item.expiry_seconds for item in positions if item.expiry_seconds < clock[-1]]:
        raise InvalidInput("positions.expiry_seconds", "must not lie before the end of the paths", early[0])
    return path, clock


def _value(positions: Sequence[OptionPosition], spot: Floats, now: float) -> Floats:
    total = np.zeros(spot.shape)
    for item in positions:
        years = (item.expiry_seconds - now) / SECONDS_PER_YEAR
        total += item.quantity * black_price(spot, item.strike, years, item.volatility, item.right)
    return total


def _greeks(positions: Sequence[OptionPosition], spot: Floats, now: float) -> tuple[Floats, Floats, Floats]:
    delta, gamma, vega = np.zeros(spot.shape), np.zeros(spot.shape), np.zeros(spot.shape)
    for item in positions:
        years = (item.expiry_seconds - now) / SECONDS_PER_YEAR
        unit = black_greeks(spot, item.strike, years, item.volatility, item.right)
        delta += item.quantity * unit.delta
        gamma += item.quantity * unit.gamma
        vega += item.quantity * unit.vega
    return delta, gamma, vega


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceModel:
    r"""Geometric Brownian motion, where asked with a volatility of its own and with jumps; a martingale.

    ``σ_t = volatility · exp(y_t − Var y / 2)``, ``dy = −κ y dt + ξ dB`` from its stationary law, ``d⟨B, W⟩ = ρ dt``;
    jumps of normal log size at Poisson times, compensated.

    Parameters
    ----------
    volatility : float
        σ [annual fraction].
    volatility_of_volatility : float
        ξ [annual]; 0: the volatility is constant.
    reversion : float
        κ > 0 [1 / year].
    correlation : float
        ρ of price and volatility.
    jumps_per_year : float
        Intensity; 0: none.
    jump_mean, jump_volatility : float
        Of the log size of a jump.

    References
    ----------
    Merton (1976), Option pricing when underlying stock returns are discontinuous, Journal of Financial Economics 3;
    Scott (1987), Option pricing when the variance changes randomly, for the logarithm that reverts.
    """

    volatility: float
    volatility_of_volatility: float = 0.0
    reversion: float = 10.0
    correlation: float = 0.0
    jumps_per_year: float = 0.0
    jump_mean: float = 0.0
    jump_volatility: float = 0.0

    def paths(self, rng: np.random.Generator, *, count: int, steps: int, step_seconds: float, spot: float) -> Floats:
        """Prices at `steps` + 1 times, (count, steps + 1) [quote per base].

        Examples
        --------
        >>> model = PriceModel(volatility=0.6)
        >>> model.paths(np.random.default_rng(1), count=2, steps=3, step_seconds=300.0, spot=100.0).shape
        (2, 4)
        """
        years = step_seconds / SECONDS_PER_YEAR
        shocks = rng.standard_normal((count, steps))
        sigma = self._volatilities(rng, shocks, years)
        logs = sigma * np.sqrt(years) * shocks - 0.5 * sigma**2 * years
        if self.jumps_per_year > 0.0:
            logs += self._jumps(rng, (count, steps), years)
        found = np.empty((count, steps + 1))
        found[:, 0] = spot
        found[:, 1:] = spot * np.exp(np.cumsum(logs, axis=1))
        return found

    def _volatilities(self, rng: np.random.Generator, shocks: Floats, years: float) -> Floats:
        """Volatility of each step, known at its beginning."""
        if self.volatility_of_volatility == 0.0:
            return np.full(shocks.shape, self.volatility)
        spread = self.volatility_of_volatility / np.sqrt(2.0 * self.reversion)
        keep = np.exp(-self.reversion * years)
        own = np.sqrt(1.0 - self.correlation**2)
        level, found = spread * rng.standard_normal(shocks.shape[0]), np.empty(shocks.shape)
        for step in range(shocks.shape[1]):
            found[:, step] = level
            shock = self.correlation * shocks[:, step] + own * rng.standard_normal(shocks.shape[0])
            level = keep * level + spread * np.sqrt(1.0 - keep**2) * shock
        return np.asarray(self.volatility * np.exp(found - 0.5 * spread**2))

    def _jumps(self, rng: np.random.Generator, shape: tuple[int, int], years: float) -> Floats:
        """Sums of the log jumps of each step, less what they are expected to add."""
        numbers = rng.poisson(self.jumps_per_year * years, shape).astype(float)
        sizes = self.jump_mean * numbers + self.jump_volatility * np.sqrt(numbers) * rng.standard_normal(shape)
        added = np.expm1(self.jump_mean + 0.5 * self.jump_volatility**2)
        return np.asarray(sizes - self.jumps_per_year * years * added)
