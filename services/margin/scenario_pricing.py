"""Options of one underlying revalued in every row of prices, summed by expiry: Black-76 without a loop over legs.

Letters: F forward, K strike, T time to expiry, s = σ√T, N the normal distribution, q quantity, e expiry,
r row of prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.margin.scenario_book import ExpiryFeed, UnderlyingBook
from services.margin.scenario_preset import ScenarioPreset, SkewShock, VolatilityShock
from services.margin.scenario_rows import ABSOLUTE, DOWN, LINEAR, NONE, STATES, UP, Places, ScenarioRows

MONTH_DAYS = 30.0
NO_VOLATILITY = 1e-12
"""s below which an option has no gamma and no vega: less than a basis point a year over a microsecond."""
LEAST_DEVIATION = 1e-200
"""What s is kept at, so that no volatility gives the pay-off to the last digit."""
BLOCK = 256
"""Nodes revalued at once: with some 35 rows of prices the work stays in the second-level cache."""
_INVERSE_ROOT_TAU = 1.0 / np.sqrt(2.0 * np.pi)


@dataclass(frozen=True, slots=True)
class Expiries:
    """Markets of the expiries that hold options, as columns.

    `alive` is the share of the delivery price that has not been averaged yet, `years` T >= 0, `seconds` as given.
    """

    feeds: tuple[ExpiryFeed, ...]
    seconds: Floats
    years: Floats
    forward: Floats
    alive: Floats
    rate: Floats
    discount: Floats


@dataclass(frozen=True, slots=True)
class Nodes:
    """Options merged by expiry, strike and volatility, sorted by expiry and strike.

    A call and a put of one node differ by ``df (F − K)``, so one price serves both. Each node is priced as the option
    that is out of the money today (`right`); `shift` and `shift_strike` are the ``Σ q`` and ``Σ q K`` of the forwards
    that make up the difference, by expiry.
    """

    place: Places
    starts: Places
    strike: Floats
    log_strike: Floats
    volatility: Floats
    right: Floats
    quantity: Floats
    calls: Floats
    puts: Floats
    shift: Floats
    shift_strike: Floats
    naked: Floats
    gross: Floats


@dataclass(frozen=True, slots=True)
class OptionValues:
    """What the options of one underlying are worth.

    Parameters
    ----------
    expiries : Expiries
    value : (r, e) array
        In each row of prices [quote].
    delta, gamma : (e,) arrays
        By the expiry's forward, today [base units], [base units per quote].
    gross_delta : (e,) array
        Sum of the sizes of the positions' deltas [base units].
    vega_move : (5, e) array
        Vega times the move of volatility in each state [quote].
    naked, gross : (e,) arrays
        Shorts that no long of their strike covers, and ``Σ |q|`` [base units].
    """

    expiries: Expiries
    value: Floats
    delta: Floats
    gamma: Floats
    gross_delta: Floats
    vega_move: Floats
    naked: Floats
    gross: Floats


def option_values(book: UnderlyingBook, preset: ScenarioPreset, rows: ScenarioRows) -> OptionValues:
    r"""Value by row of prices and expiry, with the Greeks of today.

    ``V_re = df (F_re Σ q w N(w d1) − Σ q w K N(w d2)) + df (F_re Σ q' − Σ q' K)``, where
    ``d1 = ln(F_re/K)/s + s/2`` splits into the row's ``ln F_re`` and the node's ``ln K``; q' are parity forwards.

    Notes
    -----
    No volatility or no time gives the discounted pay-off as the limit of the same formula (s is at least 1e-200).
    The absolute error is some 1e-16 of the gross notional. Cost O(rows · nodes): about 30 ns each, two normal
    distributions being nearly all of it; calls and puts of one strike and volatility count once.
    """
    feeds, place = book.feed_of()
    used = np.unique(place)
    expiries = _expiries(tuple(feeds[index] for index in used), preset)
    nodes = _nodes(book, np.searchsorted(used, place), expiries)
    root = np.sqrt(expiries.years)[nodes.place]
    shocked = _shocked_volatilities(nodes, expiries, preset)
    total = np.maximum(shocked * root, LEAST_DEVIATION)
    alive = expiries.alive
    forward = expiries.forward * (alive * rows.shock[:, None] + (1.0 - alive))
    value = _revalue(nodes, total, forward, rows, expiries.discount)
    delta, gamma, gross_delta, vega = _greeks(nodes, total[NONE], root, expiries)
    return OptionValues(
        expiries=expiries,
        value=value,
        delta=delta,
        gamma=gamma,
        gross_delta=gross_delta,
        vega_move=_by_expiry(vega * (shocked - nodes.volatility), nodes),
        naked=nodes.naked,
        gross=nodes.gross,
    )


def _expiries(feeds: tuple[ExpiryFeed, ...], preset: ScenarioPreset) -> Expiries:
    columns = np.array([(feed.seconds, feed.forward, feed.rate) for feed in feeds], dtype=np.float64).reshape(-1, 3)
    seconds, forward = columns[:, 0], columns[:, 1]
    rate, years = np.maximum(columns[:, 2], 0.0), np.maximum(seconds, 0.0) / SECONDS_PER_YEAR
    return Expiries(
        feeds=feeds,
        seconds=seconds,
        years=years,
        forward=forward,
        alive=settling_share(seconds, preset.settlement_seconds),
        rate=rate,
        discount=np.exp(-rate * years),
    )


def settling_share(seconds: Floats, window: float) -> Floats:
    """Share of the delivery price that still moves: ``min(1, seconds / window)``, 0 once the expiry has passed.

    Examples
    --------
    >>> settling_share(np.array([-5.0, 900.0, 1800.0, np.inf]), 1800.0).tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    if window <= 0.0:
        return np.where(seconds > 0.0, 1.0, 0.0)
    return np.clip(seconds / window, 0.0, 1.0)


def _nodes(book: UnderlyingBook, place: Places, expiries: Expiries) -> Nodes:
    options, count = book.options, len(expiries.feeds)
    order = np.lexsort((options.volatility, options.strike, place))
    place, strike, volatility = place[order], options.strike[order], options.volatility[order]
    quantity, call = options.quantity[order], options.right[order] > 0.0
    new_strike = _changes(place, strike)
    starts = np.flatnonzero(new_strike | _changes(volatility))
    calls, puts = (np.add.reduceat(np.where(side, quantity, 0.0), starts) if starts.size else np.zeros(0)
                   for side in (call, ~call))  # fmt: skip
    at, strikes = place[starts], strike[starts]
    right = np.where(strikes >= expiries.forward[at], 1.0, -1.0)
    parity = np.where(right > 0.0, -puts, calls)
    return Nodes(
        place=at,
        starts=np.flatnonzero(_changes(at)),
        strike=strikes,
        log_strike=np.log(strikes),
        volatility=volatility[starts],
        right=right,
        quantity=calls + puts,
        # Sizes, not sums: a long and a short of the same option are one position, whatever rows they came in.
        calls=calls,
        puts=puts,
        shift=_summed(at, parity, count),
        shift_strike=_summed(at, parity * strikes, count),
        naked=_naked(place, quantity, np.flatnonzero(new_strike), count),
        gross=_summed(place, np.abs(quantity), count),
    )


def _naked(place: Places, quantity: Floats, starts: Places, count: int) -> Floats:
    """Shorts of each strike that its longs do not cover, calls and puts together, summed by expiry."""
    if not starts.size:
        return np.zeros(count)
    return _summed(place[starts], np.maximum(-np.add.reduceat(quantity, starts), 0.0), count)


def _summed(place: Places, weights: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(place, weights=weights, minlength=count), dtype=np.float64)


def _changes(*columns: Floats | Places) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where a sorted column differs from the row before; the first row does."""
    found = np.zeros(columns[0].size, dtype=np.bool_)
    found[:1] = True
    for column in columns:
        found[1:] |= column[1:] != column[:-1]
    return found


def _shocked_volatilities(nodes: Nodes, expiries: Expiries, preset: ScenarioPreset) -> Floats:
    """(5, n) volatilities by state."""
    base, shock = nodes.volatility, preset.volatility
    found = np.empty((len(STATES), base.size))
    found[:] = base
    if shock.absolute:
        found[UP], found[DOWN] = base + shock.up, np.maximum(base - shock.down, 0.0)
    else:
        scale = _time_scale(expiries.seconds, shock)
        found[UP] = np.maximum(base * (1.0 + shock.up * scale)[nodes.place], shock.least_up)
        found[DOWN] = base * np.maximum(1.0 - shock.down * scale, 0.0)[nodes.place]
    if preset.skew is not None:
        moneyness = nodes.log_strike - np.log(expiries.forward)[nodes.place]
        for state, size in ((LINEAR, moneyness), (ABSOLUTE, np.abs(moneyness))):
            found[state] = base * _skew_factor(size, np.sqrt(expiries.years), nodes.place, preset.skew, state == LINEAR)
    return found


def _time_scale(seconds: Floats, shock: VolatilityShock) -> Floats:
    ratio = MONTH_DAYS * SECONDS_PER_DAY / np.maximum(seconds, shock.floor_days * SECONDS_PER_DAY)
    power = np.where(seconds <= MONTH_DAYS * SECONDS_PER_DAY, shock.short_power, shock.long_power)
    return np.asarray(ratio**power)


def _skew_factor(size: Floats, root: Floats, place: Places, skew: SkewShock, linear: bool) -> Floats:
    slope, level = (skew.linear_slope, skew.linear_level) if linear else (skew.absolute_slope, skew.absolute_level)
    # Far out a negative slope would turn the cap around: no move is the least there is.
    cap = np.maximum(slope * root + level, 0.0)
    turn = np.maximum(skew.least, root * skew.width * (skew.static + skew.scale * root))
    return np.maximum(1.0 + cap[place] * np.clip(size / turn[place], -1.0, 1.0), 0.0)


def _revalue(nodes: Nodes, total: Floats, forward: Floats, rows: ScenarioRows, discount: Floats) -> Floats:
    """(r, e) values."""
    signed, log_forward = nodes.quantity * nodes.right, np.log(forward)
    # w N(w d) with w folded into what d is made of: no further pass over rows and nodes.
    slope, half = nodes.right / total, 0.5 * nodes.right * total
    by_forward, by_strike = np.zeros_like(forward), np.zeros_like(forward)
    for first in range(0, nodes.place.size, BLOCK):
        cut = slice(first, first + BLOCK)
        at = nodes.place[cut]
        moneyness = np.take(log_forward, at, axis=1)
        moneyness -= nodes.log_strike[cut]
        both = np.empty((2, *moneyness.shape))
        for state, start, end in rows.spans:
            np.multiply(moneyness[start:end], slope[state, cut], out=moneyness[start:end])
            np.add(moneyness[start:end], half[state, cut], out=both[0, start:end])
            np.subtract(moneyness[start:end], half[state, cut], out=both[1, start:end])
        ndtr(both, out=both)
        both[0] *= signed[cut]
        both[1] *= signed[cut] * nodes.strike[cut]
        starts = np.flatnonzero(_changes(at))
        sums = np.add.reduceat(both, starts, axis=2)
        by_forward[:, at[starts]] += sums[0]
        by_strike[:, at[starts]] += sums[1]
    return discount * (forward * (by_forward + nodes.shift) - (by_strike + nodes.shift_strike))


def _greeks(nodes: Nodes, total: Floats, root: Floats, expiries: Expiries) -> tuple[Floats, Floats, Floats, Floats]:
    """Delta, gamma and gross delta by expiry, vega by node; a node without volatility has a step for delta only."""
    forward, discount = expiries.forward[nodes.place], expiries.discount[nodes.place]
    moneyness = np.log(expiries.forward)[nodes.place] - nodes.log_strike
    smooth, total = total > NO_VOLATILITY, np.maximum(total, NO_VOLATILITY)
    d1 = moneyness / total + 0.5 * total
    density = np.where(smooth, discount * np.exp(-0.5 * d1 * d1) * _INVERSE_ROOT_TAU, 0.0)
    density *= nodes.quantity
    chance = ndtr(d1)
    call, put = discount * nodes.calls * chance, discount * nodes.puts * (chance - 1.0)
    alive = expiries.alive[nodes.place]
    # A move of the forward reaches the delivery price only by the share that is not averaged yet.
    delta, gamma = _by_expiry(np.stack([call + put, density / (forward * total)]), nodes)
    gross = _by_expiry((np.abs(call) + np.abs(put)) * alive, nodes)
    return delta, gamma, gross, density * forward * root


def _by_expiry(values: Floats, nodes: Nodes) -> Floats:
    if not nodes.starts.size:
        return np.zeros((*values.shape[:-1], 0))
    return np.asarray(np.add.reduceat(values, nodes.starts, axis=-1))
