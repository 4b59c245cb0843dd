r"""Reverse stress test: which move liquidates an account, and how many standard deviations away it is.

Moves are instantaneous log moves x of the underlyings' prices, jointly normal over the horizon with covariance
``Σ = D C D h`` (D volatilities, C correlations). With ``A A' = Σ`` a move is ``x = A u`` and its Mahalanobis distance
``√(x' Σ⁻¹ x)`` is ``|u|``: the number of standard deviations. Three questions, each answered by revaluing the account:

* one underlying alone: ``x = ± s σ √h`` in one of them, the others stand still;
* one underlying and what usually comes with it: ``x = ± s Σ e / √(e' Σ e)``, the others at their conditional means
  (betas), at distance s;
* the nearest joint move of all: least ``|u|`` for which equity does not exceed maintenance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.horizon import DAYS_PER_YEAR
from services.margin.liquidation import touch_probability
from services.margin.moved_book import moved_book
from services.margin.root_scan import first_crossing
from services.margin.scenario_book import ScenarioBook
from services.margin.scenario_margin import ScenarioMargin, Valued, margin_of, valued
from services.margin.scenario_preset import ScenarioPreset

STEP = 0.5
"""Between two points of a scan [standard deviations]."""
STARTS, ROUNDS, SHORTENINGS = 3, 12, 5
"""Of the search for the nearest joint move: directions begun with, improvements of each, and halvings of one."""
GRADIENT_STEP = 1e-3
"""Of a central difference [standard deviations]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StressRules:
    """What moves, how much, and how far it is followed.

    Parameters
    ----------
    volatilities : tuple of float
        Of each underlying of the book, in its order [annual fraction], > 0.
    correlation : (n, n) array, optional
        Of their log moves; without it joint moves of several underlyings are not looked for.
    horizon_days : float
        h over which a standard deviation is counted [days].
    max_sigmas : float
        How far moves are followed.
    """

    volatilities: tuple[float, ...]
    correlation: Floats | None = None
    horizon_days: float = 1.0
    max_sigmas: float = 10.0

    def __post_init__(self) -> None:
        if not all(0.0 < sigma < np.inf for sigma in self.volatilities):
            raise InvalidInput("volatilities", "must be finite and > 0", self.volatilities)
        if not 0.0 < self.horizon_days < np.inf or not 0.0 < self.max_sigmas < np.inf:
            raise InvalidInput("horizon_days", "and max_sigmas must be finite and > 0", self.horizon_days)
        if self.correlation is not None:
            _check_correlation(self.correlation, len(self.volatilities))

    def deviations(self) -> Floats:
        """(n,) standard deviations of the log moves over the horizon."""
        found: Floats = np.array(self.volatilities) * np.sqrt(self.horizon_days / DAYS_PER_YEAR)
        return found

    def root(self) -> Floats | None:
        """(n, n) A with ``A A' = Σ``, which may be singular; None where correlations are missing."""
        if self.correlation is None:
            return np.diag(self.deviations()) if len(self.volatilities) == 1 else None
        values, vectors = np.linalg.eigh(self.correlation)
        found: Floats = self.deviations()[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
        return found


@dataclass(frozen=True, slots=True)
class Crossing:
    """First point along a path at which equity does not exceed maintenance.

    Parameters
    ----------
    sigmas : float
        Distance of the move.
    moves : (n,) array
        Of each underlying's price [fraction].
    equity, maintenance : float
        Of the account there [quote].
    touch_probability : float or None
        That it is reached within the horizon; None where no law says.
    """

    sigmas: float
    moves: Floats
    equity: float
    maintenance: float
    touch_probability: float | None


Sides = tuple[Crossing | None, Crossing | None]
"""Down and up; None: not within the distance that was followed."""


@dataclass(frozen=True, slots=True)
class NearestMove:
    """Joint move of least distance that was found.

    `first_order` is the distance of the half-space that is tangent to the account at its present prices,
    ``excess / √(g' Σ g)``, infinite where no move has a first-order effect; `rounds` counts improvements, `settled`
    says that the last search could find none.
    """

    crossing: Crossing | None
    first_order: float
    rounds: int
    settled: bool


@dataclass(frozen=True, slots=True)
class ReverseStress:
    """Moves that liquidate an account.

    Parameters
    ----------
    equity, maintenance : float
        Before any move, with the shift of volatility [quote].
    alone : tuple of (down, up)
        By underlying, the others standing still.
    together : tuple of (down, up), optional
        By underlying, the others at their conditional means; None without correlations.
    nearest : NearestMove, optional
        None without correlations.
    """

    equity: float
    maintenance: float
    alone: tuple[Sides, ...]
    together: tuple[Sides, ...] | None
    nearest: NearestMove | None

    @property
    def liquidated(self) -> bool:
        """Whether no move of prices is needed."""
        return self.equity <= self.maintenance


def reverse_stress(
    book: ScenarioBook, preset: ScenarioPreset, rules: StressRules, *, volatility_shift: float = 0.0
) -> ReverseStress:
    r"""Smallest moves after which ``equity <= maintenance``, both recomputed at the moved prices.

    Parameters
    ----------
    book : ScenarioBook
    preset : ScenarioPreset
        Whose maintenance margin counts.
    rules : StressRules
    volatility_shift : float
        Move of all implied volatilities that comes with every move of prices, in full [fraction], > -1.

    Returns
    -------
    ReverseStress
        Where the shift alone is too much every crossing is at distance 0.

    Raises
    ------
    InvalidInput
        If volatilities and underlyings differ in number, or the shift leaves no volatility.

    Notes
    -----
    A path is looked at every half of a standard deviation and at the strikes of options that are all but expired,
    dips between points are searched, and the first crossing is solved for by Brent's method.

    The nearest joint move is the design point of first-order reliability. At a crossing u with gradient g of the
    excess in u, a shorter one lies towards ``−g/|g|``: the direction is turned there, less far where that does not
    shorten it, and begun from the gradient at the present prices and from the nearest of the moves above. For a linear
    account it is exact: where the excess is ``E + b'x`` the least distance is ``E / √(b' Σ b)``, at
    ``x = −Σ b E / (b' Σ b)``. Otherwise it is the nearest that was found, never nearer than the true one: equity of
    options is not convex, and maintenance is a maximum over scenarios.

    Touching: one underlying alone by the law of a driftless lognormal price; the nearest joint move by that of its
    tangent half-space, ``2 N(−d)``. Neither says anything about moves that come with a shift of volatility.

    Cost: a move costs a margin of the underlyings that move: ``2 n (n + 1) · max_sigmas / step`` of one for n of them.

    References
    ----------
    Hasofer & Lind (1974), Exact and invariant second-moment code format, J. Eng. Mech. 100; Rackwitz & Fiessler (1978),
    Computers & Structures 9. Breuer, Jandačka, Rheinberger & Summer (2009), How to find plausible, severe, and useful
    stress scenarios, Int. J. Central Banking 5(3): Mahalanobis distance as plausibility.

    Examples
    --------
    A long of one unit at 100 with 30 of cash: 17.4 of maintenance at the price, and the same share of it elsewhere.

    >>> from services.margin.scenario_book import LinearColumns, UnderlyingBook
    >>> from services.margin.scenario_presets import DERIVE_PMRM2
    >>> held = UnderlyingBook(name="X", spot=100.0, linear=LinearColumns.perpetual(1.0, 100.0))
    >>> rules = StressRules(volatilities=(0.6,))
    >>> found = reverse_stress(ScenarioBook(underlyings=(held,), cash=30.0), DERIVE_PMRM2, rules)
    >>> down, up = found.alone[0]
    >>> round(float(down.moves[0]), 9), round((30.0 - 17.4) / (1.0 - 0.174) / 100.0, 9), up
    (-0.152542373, 0.152542373, None)
    """
    if len(rules.volatilities) != len(book.underlyings):
        raise InvalidInput("volatilities", "must be one for each underlying", len(rules.volatilities))
    if not -1.0 < volatility_shift < np.inf:
        raise InvalidInput("volatility_shift", "must be finite and > -1", volatility_shift)
    account = _Account(book, preset, 1.0 + volatility_shift)
    search = _Search(account, rules, shifted=volatility_shift != 0.0)
    deviations, root = rules.deviations(), rules.root()
    alone = tuple(search.sides(direction) for direction in np.diag(deviations))
    now = account.at(np.zeros(deviations.size))
    if root is None:
        return ReverseStress(now.equity, now.maintenance, alone, None, None)
    # Σ e / √(e' Σ e), one row each.
    conditional = (root @ root.T) / deviations[:, None]
    several = deviations.size > 1
    together = tuple(search.sides(direction, joint=True) for direction in conditional) if several else alone
    nearest = _nearest(search, root, _first_directions(together, root / deviations[:, None]))
    return ReverseStress(now.equity, now.maintenance, alone, together, nearest)


@dataclass(slots=True)
class _Account:
    """The account at log moves of its underlyings; what does not move is valued once."""

    book: ScenarioBook
    preset: ScenarioPreset
    volatility_factor: float
    still: list[Valued] = field(init=False)
    last: dict[int, tuple[float, Valued]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.still = [self._valued(place, 0.0) for place in range(len(self.book.underlyings))]

    def at(self, moves: Floats) -> ScenarioMargin:
        """Margin after log moves."""
        found = [self._moved(place, move) for place, move in enumerate(moves.tolist())]
        return margin_of(self.book, self.preset, found)

    def excess(self, moves: Floats) -> float:
        """Equity less maintenance after log moves [quote]."""
        return self.at(moves).net_maintenance

    def _moved(self, place: int, move: float) -> Valued:
        if move == 0.0:
            return self.still[place]
        known = self.last.get(place)
        if known is None or known[0] != move:
            known = self.last[place] = (move, self._valued(place, move))
        return known[1]

    def _valued(self, place: int, move: float) -> Valued:
        moved = moved_book(
            self.book.underlyings[place],
            float(np.exp(move)),
            volatility_factor=self.volatility_factor,
            settlement_seconds=self.preset.settlement_seconds,
        )
        return valued(moved, self.preset, self.book.stable_price)


@dataclass(frozen=True, slots=True)
class _Search:
    """Crossings along directions: log moves of one standard deviation."""

    account: _Account
    rules: StressRules
    shifted: bool

    def sides(self, direction: Floats, *, joint: bool = False) -> Sides:
        """Against the direction and along it."""
        down, up = (self.along(sign * direction) for sign in (-1.0, 1.0))
        touch = None if joint or self.shifted else self._touch
        return self.crossing(down, -direction, touch), self.crossing(up, direction, touch)

    def along(self, direction: Floats) -> float | None:
        """Distance of the first crossing along a direction; None where there is none."""

        def excess(index: Floats) -> Floats:
            # A scan runs over positive points: e^s stands for s standard deviations.
            return np.array([self.account.excess(direction * float(np.log(one))) for one in index])

        grid, values = np.exp(self._points(direction)), []
        for place in range(grid.size):
            values.append(float(excess(grid[place : place + 1])[0]))
            if values[-1] <= 0.0:
                break
        if values[0] <= 0.0:
            return 0.0
        found = first_crossing(excess, grid[: len(values)], np.array(values))
        return None if found is None else float(np.log(found))

    def crossing(
        self, sigmas: float | None, direction: Floats, touch: Callable[[Floats], float] | None
    ) -> Crossing | None:
        """What the account is worth at a distance."""
        if sigmas is None:
            return None
        moves = sigmas * direction
        there = self.account.at(moves)
        probability = None if touch is None else touch(moves)
        return Crossing(sigmas, np.expm1(moves), there.equity, there.maintenance, probability)

    def _points(self, direction: Floats) -> Floats:
        most = self.rules.max_sigmas
        even = np.linspace(0.0, most, int(np.ceil(most / STEP)) + 1)
        bends = [self._bends(place, move) for place, move in enumerate(direction.tolist()) if move]
        points: Floats = np.unique(np.concatenate([even, *(one[(one > 0.0) & (one < most)] for one in bends)]))
        return points

    def _bends(self, place: int, move: float) -> Floats:
        """Distances at which the forward of an option that is all but expired meets its strike."""
        one = self.account.book.underlyings[place]
        feeds, at = one.feed_of()
        options = one.options
        width = options.volatility * np.sqrt(np.maximum(options.seconds, 0.0) / SECONDS_PER_YEAR)
        sharp = (options.seconds > 0.0) & (width < STEP * abs(move))
        forwards = np.array([feed.forward for feed in feeds])[at[sharp]]
        return np.unique(np.log(options.strike[sharp] / forwards) / move) if sharp.any() else np.zeros(0)

    def _touch(self, moves: Floats) -> float:
        place = int(np.argmax(np.abs(moves)))
        price = float(np.exp(moves[place]))
        return touch_probability(1.0, price, self.rules.volatilities[place], self.rules.horizon_days)


def _first_directions(together: Sequence[Sides], whitened: Floats) -> list[Floats]:
    """Unit vectors u of the nearest of the conditional moves: ``A' e / √(e' Σ e)``, a row of `whitened` each."""
    found = [
        (side.sigmas, sign * whitened[place])
        for place, sides in enumerate(together)
        for side, sign in zip(sides, (-1.0, 1.0), strict=True)
        if side is not None
    ]
    return [direction for _, direction in sorted(found, key=lambda one: one[0])[: STARTS - 1]]


def _nearest(search: _Search, root: Floats, starts: Sequence[Floats]) -> NearestMove:
    account, still = search.account, np.zeros(root.shape[0])
    now = account.excess(still)
    slope = root.T @ _gradient(account, still, search.rules.deviations())
    steepness = float(np.linalg.norm(slope))
    if now <= 0.0:
        return NearestMove(search.crossing(0.0, still, None), 0.0, 0, True)
    first = now / steepness if steepness else np.inf
    best, towards, rounds, settled = np.inf, still, 0, True
    for start in [-slope / steepness, *starts] if steepness else starts:
        sigmas = search.along(root @ start)
        if sigmas is None:
            continue
        sigmas, direction, turns, done = _refined(search, root, start, sigmas)
        rounds += turns
        if sigmas < best:
            best, towards, settled = sigmas, direction, done
    if not np.isfinite(best):
        return NearestMove(None, first, rounds, settled)
    # A dip that the search passed over would be nearer still.
    sigmas = search.along(root @ towards)
    touch = None if search.shifted else (lambda _: min(2.0 * float(ndtr(-best)), 1.0))
    return NearestMove(search.crossing(min(best, sigmas or best), root @ towards, touch), first, rounds, settled)


def _refined(search: _Search, root: Floats, start: Floats, sigmas: float) -> tuple[float, Floats, int, bool]:
    """Turn a direction until no turn towards the gradient shortens its crossing."""
    direction, deviations = start, search.rules.deviations()
    for turn in range(ROUNDS):
        slope = root.T @ _gradient(search.account, sigmas * (root @ direction), deviations)
        steepness = float(np.linalg.norm(slope))
        if not steepness:
            return sigmas, direction, turn, True
        found = _shortened(search, root, direction, -slope / steepness, sigmas)
        if found is None:
            return sigmas, direction, turn, True
        gained, sigmas, direction = sigmas - found[0], found[0], found[1]
        if gained < 1e-9 * sigmas:
            return sigmas, direction, turn + 1, True
    return sigmas, direction, ROUNDS, False


def _shortened(
    search: _Search, root: Floats, direction: Floats, target: Floats, sigmas: float
) -> tuple[float, Floats] | None:
    for halving in range(SHORTENINGS):
        trial = direction + 0.5**halving * (target - direction)
        size = float(np.linalg.norm(trial))
        if size < 1e-12:
            continue
        trial, move = trial / size, root @ (trial / size)
        if search.account.excess(sigmas * move) < 0.0:
            shorter = brentq(lambda s, move=move: search.account.excess(s * move), 0.0, sigmas, xtol=1e-12)
            return float(shorter), trial
    return None


def _gradient(account: _Account, moves: Floats, deviations: Floats) -> Floats:
    """Of the excess by log moves, by central differences."""
    found = np.empty(moves.size)
    for place, step in enumerate(GRADIENT_STEP * deviations):
        one = np.zeros(moves.size)
        one[place] = step
        found[place] = (account.excess(moves + one) - account.excess(moves - one)) / (2.0 * step)
    return found


def _check_correlation(matrix: Floats, size: int) -> None:
    if matrix.shape != (size, size):
        raise InvalidInput("correlation", f"must be {size} × {size}, one row for each underlying", matrix.shape)
    if not np.isfinite(matrix).all() or np.any(np.abs(matrix) > 1.0):
        raise InvalidInput("correlation", "must lie in [-1, 1]", "another number")
    if np.any(np.diagonal(matrix) != 1.0) or np.any(np.abs(matrix - matrix.T) > 1e-9):
        raise InvalidInput("correlation", "must be symmetric, with 1 on its diagonal", matrix.tolist())
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < -1e-8:
        raise InvalidInput("correlation", "must be positive semidefinite", f"an eigenvalue of {least:.3g}")
