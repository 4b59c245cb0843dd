"""Collateral and loans of one decision: what is known of each balance, and the equity that counts as margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from services.core.book import Account, Collateral, Row
from services.core.explain import Floats
from services.core.outcome import Reason
from services.engine.columns import BookColumns, max_age_seconds
from services.engine.contagion import Tightening, tightening_of
from services.engine.inputs import EvaluationInputs
from services.engine.market import Market, resolve_market
from services.engine.oracles import doubtful_rows
from services.margin.collateral import Backing, Correlated, Seen, backing_of


class Held(NamedTuple):
    """Positions as a correlation sees them: markets, signed values [account currency], whether all are known."""

    keys: tuple[str, ...]
    values: Floats
    known: bool


class Around(NamedTuple):
    """What balances are judged by: markets, how old their last bar may be, positions (None: none are known of)."""

    market: Market
    as_of: datetime
    max_age_bars: float
    held: Held | None
    tightening: Tightening | None


def backing(
    inputs: EvaluationInputs, columns: BookColumns, market: Market, tightening: Tightening | None
) -> Backing | None:
    """Backing of the account under `policy.collateral`; None under a policy without."""
    policy = inputs.policy
    if policy.collateral is None:
        return None
    held = held_positions(inputs, columns, market)
    around = Around(market, inputs.as_of, policy.limits.max_data_age_bars, held, tightening)
    account = with_row_prices(inputs.account, inputs.rows, doubtful_rows(inputs, columns.states).tolist())
    return backing_of(account, seen_of(account, around), policy.collateral)


def valued(inputs: EvaluationInputs) -> tuple[Backing, Tightening | None]:
    """Backing of an account under `policy.collateral`, whose positions are not looked at, and the tightening of venues.

    Raises
    ------
    ValueError
        If the policy is without collateral.
    """
    policy = inputs.policy
    if policy.collateral is None:
        raise ValueError("an account is valued under policy.collateral")
    tightening = tightening_of(inputs)
    around = Around(resolve_market(inputs), inputs.as_of, policy.limits.max_data_age_bars, None, tightening)
    account = with_row_prices(inputs.account, (), ())
    return backing_of(account, seen_of(account, around), policy.collateral), tightening


def initial_equity(inputs: EvaluationInputs, columns: BookColumns) -> float:
    """Equity that counts for initial margin [account currency]."""
    return columns.backing.equity_initial if columns.backing is not None else inputs.account.equity


def maintenance_equity(inputs: EvaluationInputs, columns: BookColumns) -> float:
    """Equity that counts for maintenance margin [account currency]."""
    return columns.backing.equity_maintenance if columns.backing is not None else inputs.account.equity


def with_row_prices(account: Account, rows: Sequence[Row], doubtful: Sequence[bool]) -> Account:
    """The account with the prices and markets of rows for balances that bring none of their own; a market that nothing
    names is that of the asset's name. The price of a doubtful row is stale.
    """

    def told(balance: Collateral) -> Collateral:
        return _with_row(balance, account.currency, rows, doubtful)

    loans = tuple(
        replace(
            loan,
            collateral=told(loan.collateral),
            debt=told(loan.debt),
        )
        for loan in account.loans
    )
    return replace(account, collateral=tuple(map(told, account.collateral)), loans=loans)


def _with_row(balance: Collateral, currency: str, rows: Sequence[Row], doubtful: Sequence[bool]) -> Collateral:
    if balance.asset == currency:
        return replace(balance, price=1.0)
    carrying = [(row, wrong) for row, wrong in zip(rows, doubtful, strict=True) if row.carries(balance.asset)]
    key = balance.market_key or next((row.market_key for row, _ in carrying), balance.asset)
    named = replace(balance, market_key=key)
    if balance.price is not None:
        return named
    for row, wrong in carrying:
        if row.price is not None and row.fx is not None:
            priced = replace(named, price=row.price.value * row.fx, age_seconds=row.price.age_seconds)
            return replace(priced, age_seconds=row.price.age_seconds or 1.0, heartbeat_seconds=0.0) if wrong else priced
    return named


def held_positions(inputs: EvaluationInputs, columns: BookColumns, market: Market) -> Held:
    """Positions with their markets: linear ones at their notional, options at the value of their delta."""
    sizing = columns.sizing
    delta = sizing.delta_weight * sizing.equity if sizing is not None else np.full(columns.contracts.shape, np.nan)
    open_rows = [
        index
        for index, row in enumerate(inputs.rows)
        if columns.contracts[index] != 0.0 and row.problem is not Reason.EXPIRED
    ]
    linear = columns.contracts * columns.unit_value
    options = [columns.states[index].greeks is not None for index in range(len(inputs.rows))]
    values = np.array([delta[i] if options[i] else linear[i] for i in open_rows], dtype=float)
    keys = tuple(inputs.rows[index].market_key for index in open_rows)
    whole = sizing is not None and sizing.risk_complete
    return Held(keys, values, whole and bool(np.isfinite(values).all()) and set(keys) <= set(market.keys))


def seen_of(account: Account, around: Around) -> list[Seen]:
    """What is known of each balance, in the order of `account.balances`."""
    return [_seen(item, account.currency, around) for item in account.balances]


def _seen(balance: Collateral, currency: str, around: Around) -> Seen:
    tightening = around.tightening
    multiplier = tightening.at(balance.venue) if tightening is not None else 1.0
    price = math.nan if balance.price is None else balance.price
    if balance.asset == currency or balance.amount <= 0.0:
        return Seen(price, 0.0, multiplier=multiplier)
    correlation, source = _correlation(balance, around)
    return Seen(price, _volatility(balance, around), correlation, source, multiplier)


def _volatility(balance: Collateral, around: Around) -> float:
    """Given, else of its market; NaN where there is none, or its last bar is too old."""
    if balance.volatility is not None:
        return balance.volatility
    readout = around.market.readouts.get(balance.market_key or "")
    if readout is None:
        return math.nan
    age = (around.as_of - readout.last_close_at).total_seconds()
    return readout.volatility if age <= max_age_seconds(readout, around.max_age_bars) else math.nan


def _correlation(balance: Collateral, around: Around) -> tuple[float, Correlated]:
    """Of the balance with the profit of the positions: ``ρ = Σ R_cj σ_j v_j / √(v'Σv)``; 1 where it is not known."""
    if balance.wrong_way_correlation is not None:
        return balance.wrong_way_correlation, Correlated.GIVEN
    market, held = around.market, around.held
    if held is None:
        return 0.0, Correlated.NOT_LOOKED_AT
    if not held.keys:
        return 0.0, Correlated.NO_POSITIONS
    key = balance.market_key
    if not held.known or key is None or key not in market.keys:
        return 1.0, Correlated.WORST
    matrix = market.row_correlation([*held.keys, key], np.append(held.values, 0.0))
    if matrix is None:
        return 1.0, Correlated.WORST
    risk = held.values * np.array([market.readouts[name].volatility for name in held.keys])
    variance = float(risk @ matrix[:-1, :-1] @ risk)
    if variance <= 0.0:
        return 0.0, Correlated.NO_POSITIONS
    found = float(matrix[-1, :-1] @ risk) / math.sqrt(variance)
    return min(max(found, -1.0), 1.0), Correlated.MEASURED


__all__ = [
    "Around",
    "Held",
    "backing",
    "held_positions",
    "initial_equity",
    "maintenance_equity",
    "seen_of",
    "valued",
    "with_row_prices",
]
