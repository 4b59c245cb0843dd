"""The programs behind an allocation of collateral: most safety for the least safe venue, then the least cost for it.

Letters: x value sent over a route at the full price, y whether the route is used, z the least safety of all venues;
E equity, M maintenance, κ the loss in a move of one standard deviation. All amounts are divided by one scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, diags_array, hstack, vstack

from services.core.explain import Bools, Floats

Z_CAP = 50.0
"""Safety beyond which more of it is not sought [standard deviations]."""
EXACT_ROUTES = 12
"""Routes with fixed fees, least amounts or waiting up to which every choice of them is tried; more take seconds."""
SAFETY_GAP, COST_GAP = 1e-4, 1e-3
"""Shares of the best by which a plan may fall short: proving the last digit of fixed fees costs seconds too."""
NODE_LIMIT = 500
"""Of branch and bound. Nodes, not seconds: a recorded plan must come out the same when it is computed again."""
GIVE, WORTH = 0.01, 1e-4
"""Safety that may be given up for a cheaper plan, and what a standard deviation of it is worth [share of the scale].

Without it a costly relay would be chosen for the last thousandth of a standard deviation.
"""
_SLACK = 1e-9
_CHURN = 1e-6
"""Cost of moving a unit where moving is free, well above the solver's tolerance: else money is sent in circles."""

Index = NDArray[np.intp]
_BY_ROUTE = (
    *("source", "destination", "pot", "leaving", "credit", "proportion", "fixed", "least"),
    *("success", "stretch", "unit_cost"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Venues and routes as arrays; values in units of the scale.

    Parameters
    ----------
    equity, maintenance, loss : (v,) arrays
        E, M and κ.
    source, destination : (r,) arrays
        Venues of the routes.
    pot : (r,) array
        Balance that a route draws from.
    limit : (p,) array
        What may leave each balance.
    leaving, credit : (r,) arrays
        Equity that a unit takes from its source, and brings to its destination.
    proportion, fixed : (r,) arrays
        Fees: share of what is sent, and an amount.
    least : (r,) array
        Smallest amount that may be sent.
    success : (r,) array
        1 less the probability of failure.
    stretch : (r,) array
        Factor >= 1 on κ of the destination for the time until arrival.
    unit_cost : (r,) array
        Expected cost of a unit sent: fee, failure, time.
    """

    equity: Floats
    maintenance: Floats
    loss: Floats
    source: Index
    destination: Index
    pot: Index
    limit: Floats
    leaving: Floats
    credit: Floats
    proportion: Floats
    fixed: Floats
    least: Floats
    success: Floats
    stretch: Floats
    unit_cost: Floats

    def without(self, closed: Bools) -> Network:
        """The same venues and balances with some routes closed."""
        return replace(self, **{name: getattr(self, name)[~closed] for name in _BY_ROUTE})

    def plain(self) -> Network:
        """The same without fixed fees, least amounts and waiting: the most that could be hoped for."""
        none = np.zeros(self.source.size)
        return replace(self, fixed=none, least=none, stretch=none + 1.0, success=none + 1.0)


@dataclass(frozen=True, slots=True)
class Flows:
    """Value sent over each route, and the least safety; `optimal` is False where the search was cut short."""

    sent: Floats
    safety: float
    optimal: bool


@dataclass(frozen=True, slots=True)
class Duals:
    """What a unit more would add to the least safety: of equity at each venue, of what may leave each balance."""

    equity: Floats
    limit: Floats


def safety_of(equity: Floats, maintenance: Floats, loss: Floats) -> Floats:
    """``(E − M) / κ``; without a loss infinite, with the sign of the headroom (and + where there is none).

    Examples
    --------
    >>> safety_of(np.array([50.0, 1.0]), np.array([20.0, 2.0]), np.array([8.0, 0.0])).tolist()
    [3.75, -inf]
    """
    headroom = equity - maintenance
    still = np.where(headroom >= 0.0, np.inf, -np.inf)
    return np.where(loss > 0.0, headroom / np.where(loss > 0.0, loss, 1.0), still)


def hoped_safety(network: Network) -> float | None:
    """Largest z, also below 0, if moving were free of fixed fees, waiting and failure; None where there is none."""
    lines = _Lines(network.plain(), floor=-np.inf, instant=True)
    found = linprog(
        lines.objective_safety,
        A_ub=-lines.matrix,
        b_ub=-lines.right,
        bounds=lines.bounds(),
        method="highs",
    )
    return float(found.x[-1]) if found.status == 0 else None


def most_safety(network: Network) -> Flows | None:
    """Flows with the largest least safety; None where no venue can be kept above its maintenance."""
    return _solved(network, _Lines(network, floor=0.0), None)


def least_cost(network: Network, safety: float) -> Flows | None:
    """Cheapest flows under which every venue has at least that safety, or up to 0.01 less where that saves enough."""
    lines = _Lines(network, floor=max(safety - GIVE, 0.0), ceiling=max(safety, 0.0))
    return _solved(network, lines, network.unit_cost)


def duals_of(network: Network, used: Bools) -> Duals:
    """Shadow prices of the first program with the routes in use as they are, and the others closed."""
    # Only the row of a balance limits what leaves it: else its price might be that of a route's own bound.
    lines = _Lines(network, floor=0.0, room=2.0)
    found = linprog(
        lines.objective_safety,
        A_ub=-lines.matrix,
        b_ub=-lines.right,
        bounds=lines.bounds(used | ~_decided(network)),
        method="highs",
    )
    count = network.equity.size
    if found.status != 0:
        return Duals(np.full(count, np.nan), np.full(network.limit.size, np.nan))
    prices = -found.ineqlin.marginals
    # A unit of equity relaxes the row of its venue, that of what may be in transit, and those of slow routes to it.
    equity = prices[:count] + prices[count : 2 * count]
    np.add.at(equity, lines.slow_venues, prices[lines.slow_rows])
    return Duals(equity, prices[2 * count : 2 * count + network.limit.size])


class _Lines:
    """Constraint matrix ``matrix · (x, y, z) >= right``: one row a venue, again for its senders, one a balance, ..."""

    def __init__(
        self, network: Network, *, floor: float, ceiling: float = Z_CAP, instant: bool = False, room: float = 1.0
    ) -> None:
        self.routes, self.floor, self.ceiling = network.source.size, floor, ceiling
        venues, balances = network.equity.size, network.limit.size
        every, one = np.arange(self.routes), np.ones(self.routes)
        leave = csr_array((network.leaving, (network.source, every)), shape=(venues, self.routes))
        brings = network.success * network.credit
        arrive = csr_array((brings * (1.0 - network.proportion), (network.destination, every)), shape=leave.shape)
        toll = csr_array((brings * network.fixed, (network.destination, every)), shape=leave.shape)
        draw = csr_array((one, (network.pot, every)), shape=(balances, self.routes))
        nothing, none = csr_array((venues, self.routes)), csr_array((venues, 1))
        kappa, need = csr_array(network.loss[:, None]), network.maintenance - network.equity
        now = safety_of(network.equity, network.maintenance, network.loss)
        # Until it arrives, what was sent counts nowhere: no sender may fall below the least safe venue of now.
        kept = max(min(float(now.min()), Z_CAP), 0.0)
        spare = np.maximum(-need - kept * network.loss, 0.0)
        if instant:
            spare = np.full(venues, network.limit.sum())
        self.slow = np.flatnonzero(network.stretch > 1.0)
        self.slow_venues = network.destination[self.slow]
        big = np.maximum(need, 0.0) + network.equity.clip(0.0) + Z_CAP * network.loss
        far = big[self.slow_venues] * network.stretch[self.slow]
        chosen = csr_array((far, (np.arange(self.slow.size), self.slow)), shape=(self.slow.size, self.routes))
        flow = (arrive - leave)[self.slow_venues]
        longer = csr_array((network.loss[self.slow_venues] * network.stretch[self.slow])[:, None])
        eye, limit = diags_array(one), room * network.limit[network.pot]
        rows = [
            ((arrive - leave, -toll, -kappa), need),
            ((-leave, nothing, none), -spare),
            ((-draw, csr_array((balances, self.routes)), csr_array((balances, 1))), -network.limit),
            ((flow, -toll[self.slow_venues] - chosen, -longer), need[self.slow_venues] - far),
            ((-eye, diags_array(limit), csr_array((self.routes, 1))), np.zeros(self.routes)),
            ((eye, -diags_array(_smallest(network)), csr_array((self.routes, 1))), np.zeros(self.routes)),
        ]
        self.matrix = csr_array(vstack([hstack(parts) for parts, _ in rows]))
        self.right = np.concatenate([right for _, right in rows])
        self.slow_rows = 2 * venues + balances + np.arange(self.slow.size)
        self.limit = limit

    @property
    def objective_safety(self) -> Floats:
        """Most z, and of equal ones the least moved."""
        return np.concatenate([np.full(self.routes, _CHURN), np.zeros(self.routes), [-1.0]])

    def bounds(self, used: Bools | None = None) -> Floats:
        """Of (x, y, z), as rows of (low, high); which routes are used may be decided already."""
        chosen = np.zeros(self.routes), np.ones(self.routes)
        low, high = chosen if used is None else (used.astype(np.float64),) * 2
        lower = np.concatenate([np.zeros(self.routes), low, [self.floor]])
        return np.column_stack([lower, np.concatenate([self.limit, high, [self.ceiling]])])


def _smallest(network: Network) -> Floats:
    """What a used route must carry at least: its own least, and its fees."""
    return np.maximum(network.least, network.fixed / (1.0 - network.proportion))


def _decided(network: Network) -> Bools:
    """Routes of which it makes a difference whether they are used, however little they carry."""
    return (_smallest(network) > 0.0) | (network.stretch > 1.0)


def _solved(network: Network, lines: _Lines, unit_cost: Floats | None) -> Flows | None:
    decided = _decided(network)
    if unit_cost is None:
        objective = lines.objective_safety
    else:
        objective = np.concatenate([unit_cost + _CHURN, network.fixed, [-WORTH]])
    if np.count_nonzero(decided) > EXACT_ROUTES:
        found = _rounded(network, lines, objective)
        # That no flows are safe at all is too grave to be said on the strength of a rounding.
        if found is not None or unit_cost is not None:
            return found
    low, high = lines.bounds().T
    answer = milp(
        objective,
        constraints=LinearConstraint(lines.matrix, lines.right, np.inf),
        bounds=Bounds(low, high),
        integrality=np.concatenate([np.zeros(lines.routes), decided.astype(float), [0.0]]),
        options={"mip_rel_gap": SAFETY_GAP if unit_cost is None else COST_GAP, "node_limit": NODE_LIMIT},
    )
    if answer.x is None:
        return None
    sent = np.where(~decided | (answer.x[lines.routes : -1] > 0.5), answer.x[: lines.routes], 0.0)
    return Flows(np.maximum(sent, 0.0), float(answer.x[-1]), answer.status == 0)


def _rounded(network: Network, lines: _Lines, objective: Floats) -> Flows | None:
    """Routes that carry something where fees and waiting are spread, then the best flows over those."""
    decided, smallest = _decided(network), _smallest(network)
    used = np.ones(lines.routes, dtype=bool)
    relaxed = _linear(lines, objective, lines.bounds())
    for _ in range(lines.routes + 1):
        if relaxed is None:
            return None
        sent = relaxed[: lines.routes]
        tiny = used & decided & (sent < np.maximum(0.5 * smallest, _SLACK))
        if not tiny.any():
            found = _linear(lines, objective, lines.bounds(used))
            return None if found is None else Flows(np.maximum(found[: lines.routes], 0.0), float(found[-1]), False)
        used = used & ~tiny
        closed = lines.bounds()
        closed[lines.routes : -1, 1] = used
        relaxed = _linear(lines, objective, closed)
    return None


def _linear(lines: _Lines, objective: Floats, bounds: Floats) -> Floats | None:
    found = linprog(objective, A_ub=-lines.matrix, b_ub=-lines.right, bounds=bounds, method="highs")
    return np.asarray(found.x) if found.status == 0 else None
