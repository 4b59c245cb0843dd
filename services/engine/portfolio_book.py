"""A book as underlyings that scenarios move, in the account currency: what can be valued, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.core.annualization import SECONDS_PER_YEAR
from services.core.book import Row
from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.columns import BookColumns
from services.engine.exposures import related
from services.engine.inputs import EvaluationInputs
from services.engine.option_legs import option_leg
from services.engine.outputs import Unvalued
from services.margin.portfolio_rules import PortfolioRules
from services.margin.scenario_book import Collateral, ExpiryFeed, LinearColumns, OptionColumns, UnderlyingBook
from services.options.portfolio_greeks import OptionLeg

SAME_FORWARD = 1e-9
"""Relative difference up to which options of one expiry state the same forward."""
LINEAR_KINDS = frozenset({Kind.SPOT, Kind.LINEAR, Kind.INVERSE})


@dataclass(frozen=True, slots=True)
class PortfolioBook:
    """Underlyings that hold something, each with the rows behind it, and the rows that are in none."""

    underlyings: tuple[UnderlyingBook, ...]
    members: tuple[tuple[int, ...], ...]
    unvalued: tuple[Unvalued, ...]


def portfolio_book(
    inputs: EvaluationInputs,
    columns: BookColumns,
    contracts: Floats,
    rules: PortfolioRules,
    *,
    must_shrink: bool = False,
) -> PortfolioBook:
    """Rows that hold something at `contracts`, by underlying.

    Parameters
    ----------
    must_shrink : bool
        Whether positions may be closed for the answer: a coin that lacks a figure then counts after its least haircut,
        so that no fault takes away what it hedges. Otherwise it counts for nothing.

    Notes
    -----
    Rows belong to one underlying where they share a name. Prices, strikes and forwards are brought to the account
    currency at today's rates, and coin-settled positions count in money. Coin collateral in a name of an underlying
    moves with it: under `policy.collateral` what is left of it after the haircut for maintenance margin, that of loans
    included, and what is owed in full. The volatility of an underlying is the largest that is known of its rows.
    Options are priced without interest, at the volatility of their row. An expired row is nothing.
    """
    books, members, unvalued = list[UnderlyingBook](), list[tuple[int, ...]](), list[Unvalued]()
    for group in related(inputs):
        held = [i for i in group if contracts[i] != 0.0 and inputs.rows[i].problem is not Reason.EXPIRED]
        faults = {i: fault for i in held if (fault := _fault(inputs.rows[i], columns, i)) is not None}
        usable = [i for i in held if i not in faults]
        faults |= _disagreeing(inputs, usable)
        usable = [i for i in usable if i not in faults]
        volatility = _volatility(columns, group)
        if volatility is None and rules.scenarios.regime is not None:
            faults |= dict.fromkeys(usable, "the volatility of its underlying is unknown")
            usable = []
        unvalued += [Unvalued(row, detail) for row, detail in faults.items()]
        if usable:
            book = _underlying(inputs, contracts, usable, group, volatility, rules)
            books.append(replace(book, collateral=_collateral(inputs, columns, group, book.spot, must_shrink)))
            members.append(tuple(usable))
    return PortfolioBook(tuple(books), tuple(members), tuple(sorted(unvalued, key=lambda item: item.row)))


def _fault(row: Row, columns: BookColumns, index: int) -> str | None:
    """Why a row cannot be valued."""
    kind = row.instrument.kind
    if row.problem is Reason.INSTRUMENT_REQUIRED:
        return "it is not described: send it in instruments[]"
    if row.fx is None:
        return "its quote currency has no rate in fx[]"
    if kind is Kind.OPTION:
        known = row.implied_volatility is not None and row.forward is not None
        return None if known else "send implied_volatility and forward_price, or option_quotes"
    if kind not in LINEAR_KINDS:
        return f"{kind} contracts are not in the scenarios"
    return None if row.price is not None and np.isfinite(columns.unit_value[index]) else "send mark_price"


def _disagreeing(inputs: EvaluationInputs, usable: Sequence[int]) -> dict[int, str]:
    """Options of one expiry that state another forward than the first."""
    first: dict[object, float] = {}
    found = {}
    for index in usable:
        row = inputs.rows[index]
        if row.instrument.kind is Kind.OPTION and row.forward is not None and row.fx is not None:
            forward = row.forward * row.fx
            known = first.setdefault(row.instrument.expiry, forward)
            if abs(forward - known) > SAME_FORWARD * known:
                found[index] = f"its forward is {forward:g}, that of another option of its expiry {known:g}"
    return found


def _volatility(columns: BookColumns, group: Sequence[int]) -> float | None:
    readouts = [columns.states[index].readout for index in group]
    return max((readout.volatility for readout in readouts if readout is not None), default=None)


def _underlying(
    inputs: EvaluationInputs,
    contracts: Floats,
    usable: Sequence[int],
    group: Sequence[int],
    volatility: float | None,
    rules: PortfolioRules,
) -> UnderlyingBook:
    rows = [inputs.rows[index] for index in usable]
    sizes = [float(contracts[index]) for index in usable]
    legs = [(row, option_leg(row, size, inputs.as_of)) for row, size in zip(rows, sizes, strict=True)]
    options = [(row, leg) for row, leg in legs if leg is not None]
    linear = [index for index, (_, leg) in zip(usable, legs, strict=True) if leg is None]
    named = inputs.rows[group[0]].instrument
    return UnderlyingBook(
        name=named.underlying or named.base_currency or named.symbol,
        spot=_spot(inputs, linear, [index for index in usable if index not in linear]),
        expiries=_feeds(options),
        options=_options(options),
        linear=_linear(inputs, contracts, linear),
        volatility=volatility,
        netting_offset=rules.netting_offset,
    )


def _spot(inputs: EvaluationInputs, linear: Sequence[int], options: Sequence[int]) -> float:
    """Price of the underlying: of a spot row, else of another linear one, else a forward [account currency]."""
    ordered = sorted(linear, key=lambda index: inputs.rows[index].instrument.kind is not Kind.SPOT)
    row = inputs.rows[[*ordered, *options][0]]
    price = row.forward if row.instrument.kind is Kind.OPTION else row.price.value if row.price else None
    assert price is not None
    assert row.fx is not None
    return price * row.fx


def _feeds(options: Sequence[tuple[Row, OptionLeg]]) -> tuple[ExpiryFeed, ...]:
    feeds: dict[float, ExpiryFeed] = {}
    for row, leg in options:
        seconds = _seconds(leg)
        name = f"{row.instrument.expiry:%Y-%m-%dT%H:%M:%S.%fZ}" if row.instrument.expiry is not None else ""
        feeds.setdefault(seconds, ExpiryFeed(seconds=seconds, forward=leg.forward * (row.fx or 1.0), name=name))
    return tuple(feeds.values())


def _seconds(leg: OptionLeg) -> float:
    return leg.time_to_expiry * SECONDS_PER_YEAR


def _options(options: Sequence[tuple[Row, OptionLeg]]) -> OptionColumns:
    table = [
        (_seconds(leg), leg.strike * (row.fx or 1.0), leg.right, leg.quantity * leg.multiplier, leg.volatility)
        for row, leg in options
    ]
    columns = np.array(table, dtype=np.float64).reshape(-1, 5).T
    return OptionColumns(
        seconds=columns[0], strike=columns[1], right=columns[2], quantity=columns[3], volatility=columns[4]
    )


def _linear(inputs: EvaluationInputs, contracts: Floats, linear: Sequence[int]) -> LinearColumns:
    rows = [inputs.rows[index] for index in linear]
    price = [row.price.value if row.price else np.nan for row in rows]
    base = [
        float(contracts[index]) * row.instrument.base_per_contract(mark)
        for index, row, mark in zip(linear, rows, price, strict=True)
    ]
    ahead = [row.instrument.expiry for row in rows]
    return LinearColumns(
        base=np.array(base, dtype=np.float64),
        price=np.array([mark * (row.fx or 1.0) for mark, row in zip(price, rows, strict=True)], dtype=np.float64),
        seconds=np.array([np.inf if at is None else (at - inputs.as_of).total_seconds() for at in ahead]),
        spot=np.array([row.instrument.kind is Kind.SPOT for row in rows], dtype=np.bool_),
    )


def _collateral(
    inputs: EvaluationInputs, columns: BookColumns, group: Sequence[int], spot: float, must_shrink: bool
) -> tuple[Collateral, ...]:
    """Coin that backs the account, in a name of this underlying: it moves with the price."""
    coins = {name for index in group if (name := inputs.rows[index].instrument.base_currency) is not None}
    if columns.backing is not None:
        counted = columns.backing.coins_to_keep if must_shrink else columns.backing.coins
        amounts = [counted(asset) for asset in sorted(coins)]
    else:
        amounts = [item.amount for item in inputs.account.collateral if item.asset in coins]
    return tuple(Collateral(amount=amount, price=spot, risk_cancelling=True) for amount in amounts if amount != 0.0)
