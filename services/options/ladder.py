"""Revaluation of a book over shocks of price and volatility: every leg in every scenario, priced anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.options.black import ONE_DAY, black_price, settlement_window_factor
from services.options.portfolio_greeks import DAYS_PER_YEAR, MINUTES_PER_YEAR, REFERENCE_DAYS, OptionLeg
from services.options.positions import Leg, LinearLeg, OwnLeg, Scenarios

DEFAULT_SPOT_SHOCKS = (-0.30, -0.20, -0.10, -0.05, 0.0, 0.05, 0.10, 0.20, 0.30)
DEFAULT_VOLATILITY_SHOCKS = (-0.25, 0.0, 0.25)
LEAST_VOLATILITY = 0.1
"""Share of an implied volatility that every shock leaves of it: scaled for a day, -25 % would be -137 %."""
NODE_TOLERANCE = 1e-9
_CHUNK = 32_768
"""Prices computed at once: more no longer fit the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderGrid:
    r"""Scenarios of a ladder: every spot shock with every volatility shock.

    Prices move to ``F (1 + x)`` for all expiries and instruments of an underlying alike, implied volatilities to

    ``σ · (1 + y · √(30 d / min(max(T, 1 d), 30 d))) − c · skew · ln(1 + x)``, at least a tenth of σ:

    short expiries move more. Volatility is that of the strike; c slides it along the smile.

    Parameters
    ----------
    spot_shocks : (s,) array
        x [fraction], > -1.
    volatility_shocks : (v,) array
        y [fraction of implied volatility], >= -1.
    stickiness : float
        c: 0 sticky strike, 1 sticky moneyness, -1 as in a local-volatility model.
    days_forward : float
        Calendar days that pass before the shock.
    """

    spot_shocks: Floats = field(default_factory=lambda: np.array(DEFAULT_SPOT_SHOCKS))
    volatility_shocks: Floats = field(default_factory=lambda: np.array(DEFAULT_VOLATILITY_SHOCKS))
    stickiness: float = 0.0
    days_forward: float = 0.0

    def __post_init__(self) -> None:
        for name, shocks, open_end in (("spot_shocks", self.spot_shocks, True),
                                       ("volatility_shocks", self.volatility_shocks, False)):  # fmt: skip
            legal = np.isfinite(shocks) & ((shocks > -1.0) if open_end else (shocks >= -1.0))
            if shocks.ndim != 1 or not shocks.size or not legal.all():
                raise InvalidInput(name, f"must be a list of numbers {'>' if open_end else '>='} -1", shocks.tolist())
        if not np.isfinite(self.stickiness):
            raise InvalidInput("stickiness", "must be finite", self.stickiness)
        if not 0.0 <= self.days_forward < np.inf:
            raise InvalidInput("days_forward", "must be finite and >= 0", self.days_forward)

    @property
    def shape(self) -> tuple[int, int]:
        """(spot shocks, volatility shocks)."""
        return self.spot_shocks.size, self.volatility_shocks.size


@dataclass(frozen=True, slots=True)
class Revaluation:
    """Ladders of single positions.

    Parameters
    ----------
    pnl : (n, s, v) array
        [quote]; 0 for what is in `refused`.
    pnl_coin : (n, s, v) array
        [base units], each leg at its own shocked price.
    refused : mapping of int to Refusal
        Positions that could not be revalued: they are in no sum, and a sum without them is not complete.
    expanded : frozenset of int
        Positions that were not revalued but expanded to second order in their own Greeks.
    """

    pnl: Floats
    pnl_coin: Floats
    refused: Mapping[int, Refusal]
    expanded: frozenset[int]


@dataclass(frozen=True, slots=True)
class WorstCell:
    """Scenario with the least profit; the first of several."""

    spot_shock: float
    volatility_shock: float
    pnl: float


def revalue(legs: Sequence[Leg], grid: LadderGrid) -> Revaluation:
    r"""Profit and loss of each leg in each scenario.

    Linear option: ``Q (V_1 − V_0)``. Coin-settled option: it pays coin, ``Q (V_1/F_1 − V_0/F_0)``, which is worth
    ``Q (V_1 − V_0 (1 + x))`` at the shocked price. Linear and spot: ``Q F x``. Inverse of N quote:
    ``N (1/F_0 − 1/F_1)`` of coin, worth ``N x``. A position with its own scenarios: their nodes. One with Greeks only:
    ``Δ δF + ½ Γ δF² + vega δσ + vanna δF δσ + ½ volga δσ² + Θ · days``.

    Parameters
    ----------
    legs : sequence of OptionLeg, LinearLeg or OwnLeg
    grid : LadderGrid

    Returns
    -------
    Revaluation

    Raises
    ------
    InvalidInput
        For a bad number, as `black_greeks`.

    Notes
    -----
    The slope of a ladder at 0 is the delta of the hedge, `Exposure.delta_usd`, curvature and the rest are Black's: all
    of them are of the account that is kept in coin and counted in money. Coin is converted at each leg's own price, so
    that a basis between forward and spot is left out. What settles before the shock (`days_forward`) is at its pay-off.
    The share of an averaged delivery price that is fixed already stands still. Cost O(legs · scenarios), about 0.1 µs
    a price.
    """
    legs = list(legs)
    pnl = np.zeros((len(legs), *grid.shape))
    places = [place for place, leg in enumerate(legs) if isinstance(leg, OptionLeg)]
    if places:
        pnl[places] = _options([leg for leg in legs if isinstance(leg, OptionLeg)], grid)
    refused: dict[int, Refusal] = {}
    expanded = []
    for place, leg in enumerate(legs):
        if isinstance(leg, LinearLeg):
            pnl[place] = (leg.base * leg.price * grid.spot_shocks)[:, None]
        elif isinstance(leg, OwnLeg):
            found = _own(leg, grid)
            if isinstance(found, Refusal):
                refused[place] = found
            else:
                pnl[place] = found
                if leg.scenarios is None:
                    expanded.append(place)
    price = np.array([leg.forward if isinstance(leg, OptionLeg) else leg.price for leg in legs], dtype=np.float64)
    shocked = price[:, None, None] * (1.0 + grid.spot_shocks)[:, None]
    return Revaluation(pnl, pnl / shocked, refused, frozenset(expanded))


def worst_cell(pnl: Floats, grid: LadderGrid) -> WorstCell:
    """Least profit of a ladder, with its shocks.

    Examples
    --------
    >>> grid = LadderGrid(spot_shocks=np.array([-0.1, 0.1]), volatility_shocks=np.array([0.0]))
    >>> worst_cell(np.array([[5.0], [-7.0]]), grid)
    WorstCell(spot_shock=0.1, volatility_shock=0.0, pnl=-7.0)
    """
    row, column = np.unravel_index(int(np.argmin(pnl)), pnl.shape)
    return WorstCell(float(grid.spot_shocks[row]), float(grid.volatility_shocks[column]), float(pnl[row, column]))


def volatility_scale(time_to_expiry: Floats) -> Floats:
    """Factor of volatility shocks, ``√(30 d / min(max(T, 1 d), 30 d))``: 1 from 30 days on, 5.48 within the last day.

    Examples
    --------
    >>> volatility_scale(np.array([1.0, 7.5 / 365])).tolist()
    [1.0, 2.0]
    """
    month = REFERENCE_DAYS * ONE_DAY
    return np.asarray(np.sqrt(month / np.clip(time_to_expiry, ONE_DAY, month)))


def _options(legs: Sequence[OptionLeg], grid: LadderGrid) -> Floats:
    step = max(_CHUNK // (grid.shape[0] * grid.shape[1]), 1)
    parts = [_option_chunk(legs[start : start + step], grid) for start in range(0, len(legs), step)]
    return np.concatenate(parts)


def _option_chunk(legs: Sequence[OptionLeg], grid: LadderGrid) -> Floats:
    names = ("forward", "strike", "time_to_expiry", "volatility", "right", "discount", "skew", "multiplier", "quantity")
    columns = [np.array([getattr(leg, name) for leg in legs], dtype=np.float64)[:, None, None] for name in names]
    forward, strike, time, volatility, right, discount, skew, multiplier, quantity = columns
    moved = (1.0 + grid.spot_shocks)[:, None]
    left = time - grid.days_forward / DAYS_PER_YEAR
    slide = grid.stickiness * skew * np.log(moved)
    shocked = volatility * (1.0 + grid.volatility_shocks * volatility_scale(time)) - slide
    later = np.maximum(shocked, LEAST_VOLATILITY * volatility)
    remaining = np.where(time > 0.0, np.maximum(left, 0.0) / np.where(time > 0.0, time, 1.0), 0.0)
    after = black_price(forward * moved, strike, left, later, right, discount=discount**remaining)
    before = black_price(forward, strike, time, volatility, right, discount=discount)
    coin = np.array([leg.coin_settled for leg in legs])[:, None, None]
    averaged = np.array([leg.averaged_settlement for leg in legs])[:, None, None]
    alive = np.where(averaged, settlement_window_factor(time * MINUTES_PER_YEAR), 1.0)
    return np.asarray(quantity * multiplier * alive * (after - before * np.where(coin, moved, 1.0)))


def _own(leg: OwnLeg, grid: LadderGrid) -> Floats | Refusal:
    if leg.scenarios is not None:
        return _nodes(leg.scenarios, grid)
    greeks = leg.greeks
    if leg.volatility is None and greeks.vega_per_point and grid.volatility_shocks.any():
        return Refusal(Reason.SCENARIO_MISSING, "its vega has no implied volatility that a shock could be a part of")
    move = (leg.price * grid.spot_shocks)[:, None]
    time = np.array(1.0 if leg.time_to_expiry is None else leg.time_to_expiry)
    relative = np.maximum(grid.volatility_shocks * volatility_scale(time), LEAST_VOLATILITY - 1.0)
    points = 100.0 * (leg.volatility or 0.0) * relative
    gamma = greeks.gamma_1pct * 100.0 / leg.price
    return np.asarray(
        greeks.delta * move
        + 0.5 * gamma * move**2
        + greeks.vega_per_point * points
        + greeks.vanna_per_point * points * move
        + 0.5 * greeks.volga_per_point * points**2
        + greeks.theta_per_day * grid.days_forward
    )


def _nodes(own: Scenarios, grid: LadderGrid) -> Floats | Refusal:
    """The asked nodes of a ladder that was brought; interpolation would invent figures that nobody computed."""
    if own.days_forward is not None and own.days_forward != grid.days_forward:
        asked = f"{grid.days_forward:g} days forward"
        return Refusal(Reason.SCENARIO_MISSING, f"its own ladder is {own.days_forward:g} days forward, not {asked}")
    places = []
    for name, has, wants in (
        ("spot", own.spot_shocks, grid.spot_shocks),
        ("volatility", own.volatility_shocks, grid.volatility_shocks),
    ):
        distance = np.abs(has[:, None] - wants)
        absent = wants[distance.min(axis=0) > NODE_TOLERANCE]
        if absent.size:
            return Refusal(Reason.SCENARIO_MISSING, f"its own ladder has no {name} shock of {absent[0]:g}")
        places.append(distance.argmin(axis=0))
    return own.pnl[np.ix_(*places)]
