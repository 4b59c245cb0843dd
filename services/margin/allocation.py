"""Collateral across venues: which transfers make the least safe venue safer, whether they pay, and exactly how much.

Safety of a venue is its headroom in standard deviations, ``z = (equity − maintenance) / κ``, κ the loss of its
positions in a joint move of one standard deviation. First the least z of all venues is made as large as it can be, then
the cheapest transfers are found that reach it, then those that do not pay are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from services.core.annualization import SECONDS_PER_YEAR
from services.core.decimals import lots_toward_zero
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.margin.allocation_program import (
    Duals,
    Flows,
    Network,
    duals_of,
    hoped_safety,
    least_cost,
    most_safety,
    safety_of,
)
from services.margin.allocation_terms import (
    Allocation,
    AllocationPolicy,
    Asset,
    Balance,
    Dropped,
    Move,
    Route,
    Venue,
    VenueOutcome,
)

_SNAP = 1e-9
_TOLERANCE = 2e-7
"""Of the solver, as a share of the scale."""


def allocate(
    venues: Sequence[Venue],
    assets: Sequence[Asset],
    balances: Sequence[Balance],
    routes: Sequence[Route],
    policy: AllocationPolicy,
) -> Allocation:
    r"""Transfers that make the least safe venue as safe as it can be, as far as they pay.

    1. ``max z`` with ``E_v − out + in >= M_v + z κ_v``, out within the usable share of each withdrawable balance;
    2. ``min fees + p · loss + time`` at that z, or up to 0.01 below it where that saves more than it is worth;
    3. drop the transfers to a venue that gains too little, or whose averted loss, ``(2N(−z) − 2N(−z')) · stake`` less
       what the senders' risk grows by, does not pay for them; solve again without them;
    4. round to the smallest units; a plan that would leave the least safe venue worse off is not returned.

    Parameters
    ----------
    venues, assets, balances, routes : sequences
        What there is. A route needs a balance row at both ends: at its destination for the haircut.
    policy : AllocationPolicy

    Returns
    -------
    Allocation

    Raises
    ------
    InvalidInput
        If names are unknown or doubled, or a figure breaks its bounds.

    Notes
    -----
    **In transit.** What has left counts nowhere until it is confirmed: until then no sender may be less safe than the
    least safe venue was, and a destination's κ is that of its horizon plus the time of its slowest transfer in use,
    ``κ √(1 + t/h)``. An arrival counts with its probability. **Fixed fees**, least amounts and waiting make it a
    mixed-integer program (HiGHS): solved as such for up to 12 such routes, at most 0.01 % of safety and 0.1 % of cost
    off; beyond that the routes are those that a linear program uses, the flows over them are the best, and `optimal` is
    False. Without such terms it is linear and exact at any size. **No z >= 0**: no transfer is
    proposed; each venue gets the share of its positions to close so that ``E = (1 − f)(M + z κ)``. Averted losses use
    the reflection principle and no drift; they and the fees are compared once, over the horizon of κ.

    References
    ----------
    Huangfu & Hall (2018), Parallelizing the dual revised simplex method, Math. Prog. Comp. 10 (HiGHS).

    Examples
    --------
    >>> venues = [Venue(name="a", equity=50.0, maintenance=20.0, loss_per_sigma=8.0),
    ...           Venue(name="b", equity=10.0, maintenance=9.0, loss_per_sigma=4.0)]
    >>> balances = [Balance(venue="a", asset="USDC", withdrawable=Decimal(40)), Balance(venue="b", asset="USDC")]
    >>> routes = [Route(source="a", destination="b", asset="USDC")]
    >>> plan = allocate(venues, [Asset(name="USDC")], balances, routes, AllocationPolicy())
    >>> plan.verdict, plan.moves[0].sent, round(plan.safety_before, 6), round(plan.safety_after, 6)
    ('transfer', Decimal('9.333333'), 0.25, 2.583333)
    """
    problem = _Problem(venues, assets, balances, routes, policy)
    hoped = hoped_safety(problem.network)
    best = most_safety(problem.network)
    if best is None:
        return problem.reduced(hoped)
    plan = _Plan(problem)
    while True:
        goal = min(best.safety, policy.target_safety)
        cheap = least_cost(plan.network, goal)
        plan.flows = best if cheap is None else cheap
        plan.optimal = best.optimal and plan.flows.optimal
        failing = plan.failing()
        if failing is None:
            return plan.answer(hoped)
        plan.drop(*failing)
        best = most_safety(plan.network)
        if best is None:
            return problem.reduced(hoped, plan.dropped)


def reduction_to(equity: float, maintenance: float, loss: float, safety: float) -> float:
    """Share of its positions that a venue closes so that ``E = (1 − f)(M + z κ)``, in [0, 1].

    Examples
    --------
    >>> reduction_to(80.0, 90.0, 35.0, 2.0)
    0.5
    """
    needed = maintenance + safety * loss
    return min(max(1.0 - equity / needed, 0.0), 1.0) if needed > 0.0 else 0.0


class Pooling(NamedTuple):
    """One account instead of many: its safety [standard deviations], and the maintenance and κ that it saves."""

    safety: float | None
    maintenance_saved: float
    loss_saved: float


def pooling(venues: Sequence[Venue], maintenance: float, loss_per_sigma: float) -> Pooling:
    """What cross margin would be worth: all equity against the requirement and the κ of the joint book.

    Parameters
    ----------
    venues : sequence of Venue
    maintenance, loss_per_sigma : float
        Of the joint book in one account [account currency].

    Examples
    --------
    >>> apart = [Venue(name=name, equity=50.0, maintenance=20.0, loss_per_sigma=10.0) for name in "ab"]
    >>> pooling(apart, 25.0, 12.5)
    Pooling(safety=6.0, maintenance_saved=15.0, loss_saved=7.5)
    """
    equity = math.fsum(item.equity for item in venues)
    safety = safety_of(np.array([equity]), np.array([maintenance]), np.array([loss_per_sigma]))
    saved = math.fsum(item.maintenance for item in venues) - maintenance
    return Pooling(_known(float(safety[0])), saved, math.fsum(item.loss_per_sigma for item in venues) - loss_per_sigma)


class _Problem:
    """The request as arrays, checked."""

    def __init__(
        self,
        venues: Sequence[Venue],
        assets: Sequence[Asset],
        balances: Sequence[Balance],
        routes: Sequence[Route],
        policy: AllocationPolicy,
    ) -> None:
        if not venues:
            raise InvalidInput("venues", "must not be empty", [])
        self.venues, self.routes, self.policy = tuple(venues), tuple(routes), policy
        self.place = {item.name: place for place, item in enumerate(venues)}
        self.assets = {item.name: item for item in assets}
        self.balances = {(item.venue, item.asset): item for item in balances}
        for name, found, given in (
            ("venues", self.place, venues),
            ("assets", self.assets, assets),
            ("balances", self.balances, balances),
        ):
            if len(found) != len(given):
                raise InvalidInput(name, "must be named once", len(given))
        for balance in balances:
            self._check_balance(balance)
        for route in routes:
            self._check_route(route)
        self.pots = list(self.balances)
        self.equity = np.array([item.equity for item in venues])
        self.maintenance = np.array([item.maintenance for item in venues])
        self.loss = np.array([item.loss_per_sigma for item in venues])
        self.stake = np.array([item.stake for item in venues])
        self.scale = max(float(np.abs(self.equity).sum()), float(self.maintenance.sum()), 1e-9)
        self.network = self._network()

    def usable(self, key: tuple[str, str]) -> Decimal:
        """What may leave a balance, in whole units [asset]."""
        share, unit = Decimal(repr(self.policy.withdrawable_share)), self.assets[key[1]].unit
        return _down(self.balances[key].withdrawable * share, unit)

    def _network(self) -> Network:
        routes, scale = self.routes, self.scale
        price = np.array([self.assets[route.asset].price for route in routes])
        cut = np.array([self.balances[route.source, route.asset].haircut for route in routes])
        held = np.array([self.balances[route.destination, route.asset].haircut for route in routes])
        share = np.array([float(route.fee_proportional) for route in routes])
        failure = np.array([route.failure_probability for route in routes])
        seconds = np.array([route.seconds for route in routes])
        horizon = np.array([self.venues[self.place[route.destination]].horizon_seconds for route in routes])
        waiting = self.policy.capital_rate * seconds / SECONDS_PER_YEAR
        limit = [float(self.usable(key)) * self.assets[key[1]].price for key in self.pots]
        return Network(
            equity=self.equity / scale,
            maintenance=self.maintenance / scale,
            loss=self.loss / scale,
            source=np.array([self.place[route.source] for route in routes], dtype=np.intp),
            destination=np.array([self.place[route.destination] for route in routes], dtype=np.intp),
            pot=np.array([self.pots.index((route.source, route.asset)) for route in routes], dtype=np.intp),
            limit=np.array(limit) / scale,
            leaving=1.0 - cut,
            credit=1.0 - held,
            proportion=share,
            fixed=np.array([float(route.fee_fixed) for route in routes]) * price / scale,
            least=np.array([float(route.least) for route in routes]) * price / scale,
            success=1.0 - failure,
            stretch=np.sqrt(1.0 + seconds / horizon),
            unit_cost=share + failure * self.policy.failure_loss + waiting,
        )

    def outcome(self, sent: Floats, arrived: Floats, reduction: Floats, worth: Floats) -> tuple[VenueOutcome, ...]:
        """Rows of an answer; `sent` and `arrived` are changes of equity [account currency]."""
        waiting, after = self.equity - sent, self.equity - sent + arrived
        columns = [self.equity, waiting, after]
        safety = np.array([safety_of(column, self.maintenance, self.loss) for column in columns])
        return tuple(
            VenueOutcome(
                name=venue.name,
                equity_before=venue.equity,
                equity_in_transit=float(waiting[place]),
                equity_after=float(after[place]),
                safety_before=_known(float(safety[0, place])),
                safety_in_transit=_known(float(safety[1, place])),
                safety_after=_known(float(safety[2, place])),
                reduction=float(reduction[place]),
                worth_of_equity=_known(float(worth[place])),
            )
            for place, venue in enumerate(self.venues)
        )

    def reduced(self, hoped: float | None, dropped: Sequence[tuple[str, Dropped]] = ()) -> Allocation:
        """No transfer suffices."""
        goal, none = self.policy.restored_safety, np.zeros(len(self.venues))
        cuts = [reduction_to(item.equity, item.maintenance, item.loss_per_sigma, goal) for item in self.venues]
        rows = self.outcome(none, none, np.array(cuts), none + np.nan)
        least = safety_of(self.equity, self.maintenance, self.loss)
        worst = int(np.argmin(least))
        before = _known(float(least[worst]))
        name = self.venues[worst].name
        return Allocation("reduce", before, before, hoped, (), rows, name, {}, 0.0, 0.0, tuple(dropped), True)

    def _check_balance(self, balance: Balance) -> None:
        if balance.venue not in self.place:
            raise InvalidInput("balances.venue", "must be one of venues", balance.venue)
        if balance.asset not in self.assets:
            raise InvalidInput("balances.asset", "must be one of assets", balance.asset)
        if not 0.0 <= balance.haircut <= 1.0:
            raise InvalidInput("balances.haircut", "must lie in [0, 1]", balance.haircut)
        if not balance.withdrawable >= 0:
            raise InvalidInput("balances.withdrawable", "must be >= 0", balance.withdrawable)

    def _check_route(self, route: Route) -> None:
        for end in (route.source, route.destination):
            if (end, route.asset) not in self.balances:
                raise InvalidInput("routes", "need a row of balances at both ends", f"{route.asset} at {end}")
        if route.source == route.destination:
            raise InvalidInput("routes.destination", "must not be the source", route.destination)
        if not (route.fee_fixed >= 0 and route.least >= 0 and 0 <= route.fee_proportional < 1):
            raise InvalidInput("routes", "fees and least must be >= 0, a proportional fee below 1", route)
        if not 0.0 <= route.failure_probability < 1.0 or not 0.0 <= route.seconds < math.inf:
            raise InvalidInput("routes", "probability must lie in [0, 1), times be finite and >= 0", route)


class _Plan:
    """Flows under review: which routes are still open, and which were dropped."""

    def __init__(self, problem: _Problem) -> None:
        self.problem, self.network = problem, problem.network
        self.open = list(range(len(problem.routes)))
        self.flows = Flows(np.zeros(len(problem.routes)), 0.0, True)
        self.dropped: list[tuple[str, Dropped]] = []
        self.optimal = True

    def moves(self) -> list[Move]:
        """Transfers in whole units, never more than may leave a balance."""
        left = {key: self.problem.usable(key) for key in self.problem.pots}
        found = []
        for place, value in zip(self.open, self.flows.sent.tolist(), strict=True):
            route = self.problem.routes[place]
            asset, pot = self.problem.assets[route.asset], (route.source, route.asset)
            wanted = value * self.problem.scale / asset.price
            sent = self._whole(wanted, asset)
            # What misses the least amount by rounding is that.
            if wanted and sent < route.least <= sent + 2 * asset.unit:
                sent = _up(route.least, asset.unit)
            sent = min(sent, left[pot])
            fee = _up(route.fee_fixed + sent * route.fee_proportional, asset.unit)
            if sent <= fee or sent < route.least:
                continue
            left[pot] -= sent
            found.append(Move(route, sent, fee, sent - fee))
        return found

    def _whole(self, wanted: float, asset: Asset) -> Decimal:
        """Whole units below an amount; the next one where only the solver's tolerance keeps it from that."""
        slack = _TOLERANCE * self.problem.scale / asset.price
        return lots_toward_zero(wanted + (slack if slack < float(asset.unit) else 0.0), asset.unit)

    def failing(self) -> tuple[str, Dropped] | None:
        """First destination whose transfers are not worth it; None where all are."""
        for name, gain, without, paid in self._judged(self.moves()):
            if without >= self.problem.policy.low_safety and gain < self.problem.policy.least_gain:
                return name, "gain_too_small"
            if paid <= 0.0 and self.problem.policy.must_pay:
                return name, "does_not_pay"
        return None

    def drop(self, name: str, why: Dropped) -> None:
        """Close every route to a destination."""
        self.dropped.append((name, why))
        closed: Bools = self.network.destination == self.problem.place[name]
        self.network = self.network.without(closed)
        self.open = [place for place, shut in zip(self.open, closed.tolist(), strict=True) if not shut]

    def answer(self, hoped: float | None) -> Allocation:
        """Plan in exact amounts; nothing where rounding would leave the least safe venue worse off."""
        problem, moves = self.problem, self.moves()
        before = safety_of(problem.equity, problem.maintenance, problem.loss)
        sent, arrived = self._changes(moves)
        after = safety_of(problem.equity - sent + arrived, problem.maintenance, problem.loss)
        waiting = safety_of(problem.equity - sent, problem.maintenance, problem.loss)
        if min(float(after.min()), float(waiting.min())) < float(before.min()) - _SNAP * abs(float(before.min())):
            moves, sent, arrived, after = [], sent * 0.0, arrived * 0.0, before
        used = np.array([any(move.route is problem.routes[place] for move in moves) for place in self.open], dtype=bool)
        duals = duals_of(self.network, used)
        scale = problem.scale
        none = np.zeros(len(problem.venues))
        return Allocation(
            verdict="transfer" if moves else "keep",
            safety_before=_known(float(before.min())),
            safety_after=_known(float(after.min())),
            safety_attainable=hoped,
            moves=tuple(moves),
            venues=problem.outcome(sent, arrived, none, duals.equity / scale),
            binding=problem.venues[int(np.argmin(after))].name if np.isfinite(after.min()) else None,
            worth_of_balance=self._worths(duals),
            cost=sum(self._cost(move) for move in moves),
            saved=float(((_touch(before) - _touch(after)) * problem.stake).sum()),
            dropped=tuple(self.dropped),
            optimal=self.optimal,
        )

    def _worths(self, duals: Duals) -> dict[tuple[str, str], float]:
        """Per unit of asset that may be withdrawn more."""
        share, assets, scale = self.problem.policy.withdrawable_share, self.problem.assets, self.problem.scale
        pairs = zip(self.problem.pots, duals.limit.tolist(), strict=True)
        return {key: worth * share * assets[key[1]].price / scale for key, worth in pairs if worth > _SNAP}

    def _judged(self, moves: Sequence[Move]) -> list[tuple[str, float, float, float]]:
        """Destinations with the gain of each, its safety without it, and what its transfers bring beyond their cost."""
        problem = self.problem
        sent, arrived = self._changes(moves)
        columns = (problem.equity, problem.equity - sent, problem.equity - sent + arrived)
        before, without, after = (safety_of(column, problem.maintenance, problem.loss) for column in columns)
        # What leaves raises the risk of senders, what arrives lowers that of receivers; a venue may be both.
        risked = (_touch(without) - _touch(before)) * problem.stake
        averted = (_touch(without) - _touch(after)) * problem.stake
        judged = []
        for name in sorted({move.route.destination for move in moves}):
            place, into = problem.place[name], [move for move in moves if move.route.destination == name]
            paid = float(averted[place]) - sum(self._cost(move) for move in into)
            for move in into:
                giver = problem.place[move.route.source]
                paid -= float(risked[giver]) * self._taken(move) / float(sent[giver] or 1.0)
            gain = float(after[place]) - float(without[place]) if np.isfinite(without[place]) else math.inf
            judged.append((name, gain, float(without[place]), paid))
        return judged

    def _changes(self, moves: Sequence[Move]) -> tuple[Floats, Floats]:
        """Equity that leaves and arrives, per venue [account currency]."""
        sent, arrived = np.zeros(len(self.problem.venues)), np.zeros(len(self.problem.venues))
        for move in moves:
            sent[self.problem.place[move.route.source]] += self._taken(move)
            held = self.problem.balances[move.route.destination, move.route.asset]
            worth = float(move.arrives) * self.problem.assets[move.route.asset].price
            arrived[self.problem.place[move.route.destination]] += worth * (1.0 - held.haircut)
        return sent, arrived

    def _taken(self, move: Move) -> float:
        held = self.problem.balances[move.route.source, move.route.asset]
        return float(move.sent) * self.problem.assets[move.route.asset].price * (1.0 - held.haircut)

    def _cost(self, move: Move) -> float:
        """Expected [account currency]: fees, failure, and funds that count nowhere on the way."""
        policy, price = self.problem.policy, self.problem.assets[move.route.asset].price
        waiting = policy.capital_rate * move.route.seconds / SECONDS_PER_YEAR
        risk = move.route.failure_probability * policy.failure_loss + waiting
        return price * (float(move.fee) + float(move.sent) * risk)


def _touch(safety: Floats) -> Floats:
    """Probability that a driftless path uses the headroom up within the horizon: ``2 N(−z)``, 1 from z = 0 down."""
    touched: Floats = np.minimum(2.0 * ndtr(-np.maximum(safety, 0.0)), 1.0)
    return touched


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _down(amount: Decimal, unit: Decimal) -> Decimal:
    return (amount / unit).to_integral_value(ROUND_FLOOR) * unit


def _up(amount: Decimal, unit: Decimal) -> Decimal:
    return (amount / unit).to_integral_value(ROUND_CEILING) * unit
