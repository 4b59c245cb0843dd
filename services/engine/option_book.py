"""A book of options, futures, spot and provided liquidity: its Greeks, its ladders, and where its profit came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.liquidity.positions import LiquidityPosition, RangeState
from services.options.exposures import (
    DELTA_BUCKETS,
    EXPIRY_BUCKETS,
    MONEY_FIELDS,
    BetaWeighted,
    Exposure,
    beta_weighted,
    by_bucket,
    delta_buckets,
    expiry_buckets,
    leg_exposures,
    summed,
)
from services.options.ladder import LadderGrid, WorstCell, revalue, worst_cell
from services.options.portfolio_greeks import LegGreeks, OptionLeg
from services.options.positions import Leg, LinearLeg, OwnLeg, Scenarios, price_of
from services.options.profit_explain import CashFlows, ProfitLines, Trade, explain_position, summed_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledLeg:
    """Liquidity in a pool, `quantity` times, at a price [quote per base].

    `entry_price` is where it was provided, against which impermanent loss is measured; `volatility` of the price gives
    the loss versus rebalancing [annual].
    """

    position: LiquidityPosition
    price: float
    quantity: float = 1.0
    entry_price: float | None = None
    volatility: float | None = None

    def leg(self, grid: LadderGrid | None = None) -> OwnLeg:
        """The same as a position that brings its own Greeks and, on a grid, its own scenarios."""
        worth, pool, size = float(self.position.value(self.price)), self.position, self.quantity
        delta = size * float(pool.delta(self.price))
        greeks = LegGreeks(
            delta=delta,
            delta_black=delta,
            value=size * worth,
            gamma_1pct=size * float(pool.gamma(self.price)) * self.price / 100.0,
        )
        scenarios = None
        if grid is not None:
            moved = size * (pool.value(self.price * (1.0 + grid.spot_shocks)) - worth)
            pnl = np.broadcast_to(moved[:, None], grid.shape)
            shocks = {"spot_shocks": grid.spot_shocks, "volatility_shocks": grid.volatility_shocks}
            scenarios = Scenarios(**shocks, pnl=pnl, days_forward=None)
        return OwnLeg(greeks=greeks, price=self.price, scenarios=scenarios)

    def figures(self) -> PoolFigures:
        """What it holds, and what providing it has cost."""
        pool, price, size = self.position, self.price, self.quantity
        loss = share = rebalancing = None
        if self.entry_price is not None:
            loss = float(pool.impermanent_loss(price, entry_price=self.entry_price))
            held = float(pool.held(price, entry_price=self.entry_price))
            share = loss / held if held > 0.0 else 0.0
        if self.volatility is not None:
            rebalancing = size * float(pool.loss_versus_rebalancing(price, volatility=self.volatility))
        return PoolFigures(
            state=pool.state(price),
            value=size * float(pool.value(price)),
            base=size * float(pool.base(price)),
            quote=size * float(pool.quote(price)),
            gamma_1pct=size * float(pool.gamma(price)) * price / 100.0,
            impermanent_loss=None if loss is None else size * loss,
            impermanent_loss_fraction=share,
            loss_versus_rebalancing=rebalancing,
        )


class PoolFigures(NamedTuple):
    """A liquidity position at its price; the last three are None where entry price or volatility are not known."""

    state: RangeState
    value: float
    base: float
    quote: float
    gamma_1pct: float
    impermanent_loss: float | None
    impermanent_loss_fraction: float | None
    loss_versus_rebalancing: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPosition:
    """A position under its name, with what happened to it since the snapshot before."""

    symbol: str
    underlying: str
    leg: Leg | PooledLeg
    trades: tuple[Trade, ...] = ()
    cash: CashFlows | None = None

    def plain_leg(self, grid: LadderGrid | None = None) -> Leg:
        """The leg, with provided liquidity as one that brings its own figures."""
        return self.leg.leg(grid) if isinstance(self.leg, PooledLeg) else self.leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Underlying:
    """What is known of an underlying beside its positions: price, coin held as collateral, beta.

    `collateral` is the equity of the account in coin [base units], marks of its coin-settled options included:
    ``d(E F)/dF = E + F dE/dF``, and ``F dE/dF`` is the sum of the premium-adjusted deltas. With the balance instead of
    E, what the options are worth would be left out of the first term and taken off in the second.
    """

    price: float | None = None
    collateral: float = 0.0
    beta: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Profit and loss over a grid, and its worst cell; not `complete` where a position could not be revalued.

    `pnl` [quote] counts coin collateral once; `pnl_coin` is that of the book kept in coin, without it, and None over
    several underlyings.
    """

    pnl: Floats
    pnl_coin: Floats | None
    worst: WorstCell
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingRisk:
    """One underlying: Greeks, buckets, ladder.

    `net_delta_usd_view` is what an account counted in money is exposed to [base units]: the net delta of its positions
    and the coin that it holds as collateral.
    """

    underlying: str
    price: float | None
    price_source: str
    collateral: float
    exposure: Exposure
    net_delta_usd_view: float
    by_expiry: Mapping[str, Exposure]
    by_delta: Mapping[str, Exposure]
    ladder: Ladder


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRisk:
    """All underlyings, their total, and the positions that are in no ladder or only expanded."""

    underlyings: tuple[UnderlyingRisk, ...]
    total: Mapping[str, float]
    total_ladder: Ladder
    beta: BetaWeighted | None
    refused: Mapping[str, Refusal]
    expanded: tuple[str, ...]
    pools: Mapping[str, PoolFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedBook:
    """Profit and loss by origin, per underlying and in total; `refused` positions are in neither."""

    underlyings: Mapping[str, ProfitLines]
    total: ProfitLines
    refused: Mapping[str, Refusal]
    assumed_trades: tuple[str, ...]


def book_risk(
    positions: Sequence[BookPosition],
    underlyings: Mapping[str, Underlying],
    grid: LadderGrid,
    blind: Mapping[str, str] | None = None,
) -> BookRisk:
    """Greeks and ladders of a book.

    Parameters
    ----------
    positions : sequence of BookPosition
    underlyings : mapping of str to Underlying
        Those that are not here have neither collateral nor beta.
    grid : LadderGrid
    blind : mapping of str to str, optional
        Symbol to underlying of positions that nothing is known of: the ladders they are missing from are not complete.

    Returns
    -------
    BookRisk

    Raises
    ------
    InvalidInput
        For a bad number, or coin collateral whose price is not known.

    Notes
    -----
    All underlyings move by the same shock in the total ladder. Cost O(positions · scenarios).
    """
    legs = [item.plain_leg(grid) for item in positions]
    rows = leg_exposures(legs, stickiness=grid.stickiness)
    values, hidden = revalue(legs, grid), set((blind or {}).values())
    places: dict[str, list[int]] = {}
    for place, item in enumerate(positions):
        places.setdefault(item.underlying, []).append(place)
    columns = _Columns(legs, rows, expiry_buckets(legs), delta_buckets(legs), values.pnl, values.pnl_coin)
    found = []
    for name in dict.fromkeys([*places, *(blind or {}).values(), *underlyings]):
        own = places.get(name, [])
        complete = name not in hidden and not any(place in values.refused for place in own)
        found.append(_underlying_risk(name, underlyings.get(name, Underlying()), columns, own, grid, complete))
    return BookRisk(
        underlyings=tuple(found),
        total=_total(found),
        total_ladder=_total_ladder(found, grid),
        beta=_beta_weighted(found, underlyings),
        refused={positions[place].symbol: refusal for place, refusal in values.refused.items()},
        expanded=tuple(positions[place].symbol for place in sorted(values.expanded)),
        pools={item.symbol: item.leg.figures() for item in positions if isinstance(item.leg, PooledLeg)},
    )


class _Columns(NamedTuple):
    legs: Sequence[Leg]
    exposures: Floats
    expiries: Sequence[str]
    deltas: Sequence[str]
    pnl: Floats
    pnl_coin: Floats


def _underlying_risk(
    name: str, known: Underlying, columns: _Columns, places: Sequence[int], grid: LadderGrid, complete: bool
) -> UnderlyingRisk:
    price, source = reference_price(known, [columns.legs[place] for place in places])
    if known.collateral and price is None:
        raise InvalidInput(f"underlyings.{name}.price", "must be given for coin that is held as collateral", None)
    at = np.array(places, dtype=np.intp)
    rows = columns.exposures[at]
    exposure = summed(rows)
    pnl = columns.pnl[at].sum(axis=0) + known.collateral * (price or 0.0) * grid.spot_shocks[:, None]
    ladder = Ladder(pnl=pnl, pnl_coin=columns.pnl_coin[at].sum(axis=0), worst=worst_cell(pnl, grid), complete=complete)
    return UnderlyingRisk(
        underlying=name,
        price=price,
        price_source=source,
        collateral=known.collateral,
        exposure=exposure,
        net_delta_usd_view=exposure.delta_coin + known.collateral,
        by_expiry=by_bucket(rows, [columns.expiries[place] for place in places], EXPIRY_BUCKETS),
        by_delta=by_bucket(rows, [columns.deltas[place] for place in places], DELTA_BUCKETS),
        ladder=ladder,
    )


def reference_price(known: Underlying, legs: Iterable[Leg]) -> tuple[float | None, str]:
    """Price of an underlying and where it came from: given, else spot or perpetual, else the nearest expiry.

    Of several that are equally near, the one with the lowest price: the answer must not depend on the order of a book.
    """
    if known.price is not None:
        return known.price, "given"
    ranked = sorted(
        legs,
        key=lambda leg: (
            not isinstance(leg, LinearLeg) or leg.time_to_expiry is not None,
            isinstance(leg, OwnLeg),
            leg.time_to_expiry or 0.0,
            isinstance(leg, LinearLeg) and leg.kind != "spot",
            price_of(leg),
        ),
    )
    if not ranked:
        return None, "unknown"
    first = ranked[0]
    flat = isinstance(first, LinearLeg) and first.time_to_expiry is None
    return price_of(first), "spot or perpetual" if flat else "mark of a position" if isinstance(
        first, OwnLeg
    ) else "forward"


def explain_book(
    before: Sequence[BookPosition],
    after: Sequence[BookPosition],
    *,
    years: float,
    collateral: Mapping[str, float] | None = None,
) -> ExplainedBook:
    """Profit and loss of a book between two snapshots, by its origin.

    Parameters
    ----------
    before, after : sequence of BookPosition
        Trades and cash flows are those of `after`. A position that was closed is in `after` too, with quantity 0.
    years : float
        Time between the snapshots [years of 365 days].
    collateral : mapping of str to float, optional
        Underlying to what its coin collateral has earned [quote].

    Returns
    -------
    ExplainedBook

    Raises
    ------
    InvalidInput
        If the snapshots are not in order, or a number is bad.
    """
    if not years > 0.0:
        raise InvalidInput("previous.as_of", "must lie before as_of", years)
    start, end = {item.symbol: item for item in before}, {item.symbol: item for item in after}
    parts: dict[str, list[ProfitLines]] = {}
    refused: dict[str, Refusal] = {}
    assumed = []
    for symbol in dict.fromkeys([*start, *end]):
        lines = _explain_one(start.get(symbol), end.get(symbol), years)
        if isinstance(lines, Refusal):
            refused[symbol] = lines
            continue
        if _untold_trade(start.get(symbol), end[symbol]):
            assumed.append(symbol)
        parts.setdefault(end[symbol].underlying, []).append(lines)
    for name, earned in (collateral or {}).items():
        parts.setdefault(name, []).append(ProfitLines(collateral=earned))
    sums = {name: summed_lines(lines) for name, lines in parts.items()}
    return ExplainedBook(
        underlyings=sums, total=summed_lines(sums.values()), refused=refused, assumed_trades=tuple(assumed)
    )


def _explain_one(start: BookPosition | None, end: BookPosition | None, years: float) -> ProfitLines | Refusal:
    if end is None:
        detail = "it is in previous only: send it in positions with quantity 0, its price at the end and its trades"
        return Refusal(Reason.TRADES_UNMATCHED, detail)
    after = end.leg
    if start is None:
        if isinstance(after, PooledLeg | OwnLeg):
            return Refusal(Reason.TRADES_UNMATCHED, "it is not in previous, so its value then is unknown")
        time = None if after.time_to_expiry is None else after.time_to_expiry + years
        leg: Leg = replace(after, quantity=0.0, time_to_expiry=time)  # type: ignore[arg-type]
    elif start.underlying != end.underlying:
        return Refusal(Reason.TRADES_UNMATCHED, "its underlying is another than in previous")
    elif isinstance(start.leg, PooledLeg):
        if not isinstance(after, PooledLeg) or (after.position, after.quantity) != (
            start.leg.position,
            start.leg.quantity,
        ):
            return Refusal(
                Reason.TRADES_UNMATCHED, "liquidity was added, withdrawn or moved: split the period at the change"
            )
        leg = start.leg.leg()
    else:
        leg = start.leg
    return explain_position(leg, end.plain_leg(), years=years, trades=end.trades, cash=end.cash)


def _untold_trade(start: BookPosition | None, end: BookPosition) -> bool:
    if end.trades or not isinstance(end.leg, OptionLeg | LinearLeg):
        return False
    held = start.leg.quantity if start is not None and isinstance(start.leg, OptionLeg | LinearLeg) else 0.0
    return held != end.leg.quantity


def _total(found: Sequence[UnderlyingRisk]) -> dict[str, float]:
    return {name: sum(getattr(item.exposure, name) for item in found) for name in MONEY_FIELDS}


def _total_ladder(found: Sequence[UnderlyingRisk], grid: LadderGrid) -> Ladder:
    pnl = np.sum([item.ladder.pnl for item in found], axis=0) if found else np.zeros(grid.shape)
    complete = all(item.ladder.complete for item in found)
    return Ladder(pnl=pnl, pnl_coin=None, worst=worst_cell(pnl, grid), complete=complete)


def _beta_weighted(found: Sequence[UnderlyingRisk], underlyings: Mapping[str, Underlying]) -> BetaWeighted | None:
    betas = {name: known.beta for name, known in underlyings.items() if known.beta is not None}
    if not betas:
        return None
    delta = {item.underlying: item.exposure.delta_usd + item.collateral * (item.price or 0.0) for item in found}
    return beta_weighted(delta, {item.underlying: item.exposure.gamma_1pct_usd for item in found}, betas)
