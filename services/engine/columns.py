"""Rows to columns: units, prices, direction, and whether a row can be sized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.book import Account, Row, Signal
from services.core.control import Control
from services.core.decimals import decimal_text
from services.core.explain import Bools, Floats
from services.core.instrument import Kind, QuantityUnit
from services.core.outcome import NOT_A_FAULT, Reason
from services.engine.contagion import Tightening
from services.engine.events import event_shocks
from services.engine.evidence import evidence_of_book, method_faults, uses_evidence
from services.engine.inputs import EvaluationInputs
from services.engine.market import Market
from services.engine.option_legs import row_greeks
from services.engine.switches import halted
from services.margin.collateral import Backing
from services.margin.view import MarginView
from services.options.portfolio_greeks import LegGreeks
from services.sizing.columns import SizingColumns
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import model_version

MIN_AGE_SECONDS = 5.0
CLOSED_DAYS = 3
"""A weekend and a holiday: how much longer the last bar of a session market may stand."""
FAR_FACTOR = 2.0
"""Ratio of mark and last close beyond which one of them is wrong."""
LIVE_HALF_LIVES = 3.0
"""After three half-lives 1/8 of a signal is left: it has expired."""


class RowState(NamedTuple):
    """What is known of one row before sizing."""

    contracts: Decimal
    expected: Decimal
    direction: float
    live: bool
    problem: Reason | None
    detail: str
    readout: VolatilityReadout | None
    greeks: LegGreeks | None


@dataclass(frozen=True, slots=True)
class BookColumns:
    """Sizing columns with the per-row states that they were made of; tightening and backing where the policy asks.

    `margin_view` is what the margin model looks at, with what it read off returns; None: not looked at yet.
    """

    sizing: SizingColumns | None
    states: tuple[RowState, ...]
    unit_value: Floats
    contracts: Floats
    expected: Floats
    collateral_uncounted: tuple[str, ...]
    tightening: Tightening | None = None
    backing: Backing | None = None
    margin_view: MarginView | None = None


def exact_contracts(row: Row, quantity: Decimal) -> Decimal:
    """Contracts of a quantity in the row's unit, in exact decimals."""
    if row.counts_contracts:
        return quantity
    multiplier, inverse = Decimal(repr(row.instrument.contract_multiplier)), row.instrument.kind is Kind.INVERSE
    if row.unit is (QuantityUnit.QUOTE if inverse else QuantityUnit.BASE):
        return quantity / multiplier
    if row.price is None:
        return quantity
    price = Decimal(repr(row.price.value))
    if row.unit is QuantityUnit.BASE:
        return quantity * price / multiplier if inverse else quantity / multiplier
    return quantity / multiplier if inverse else quantity / (multiplier * price)


def max_age_seconds(readout: VolatilityReadout, bars: float) -> float:
    """Age at which a last bar is stale: `bars` × bar, at least 5 s, and three days more where the market closes."""
    age = max(bars * readout.bar_seconds, MIN_AGE_SECONDS)
    closes = readout.periods_per_year * readout.bar_seconds < 0.95 * SECONDS_PER_YEAR
    return age + CLOSED_DAYS * 86_400 if closes else age


def effective_direction(signal: Signal, as_of: datetime, max_age: float) -> tuple[float, bool]:
    """Direction × confidence × 2^(−age / half-life), and whether the signal is still live.

    With a half-life a signal lives for three of them; without one, as long as a price may stand.
    """
    direction = signal.direction * signal.confidence
    if signal.as_of is None:
        return direction, True
    age = max((as_of - signal.as_of).total_seconds(), 0.0)
    if signal.half_life_seconds is None:
        return direction, age <= max_age
    return direction * 2.0 ** (-age / signal.half_life_seconds), age <= LIVE_HALF_LIVES * signal.half_life_seconds


def row_problem(
    row: Row, readout: VolatilityReadout | None, market: Market, inputs: EvaluationInputs
) -> tuple[Reason | None, str]:
    """Why a linear method cannot size this row, in the order in which a client would mend it."""
    policy = inputs.policy
    if row.problem is not None:
        return row.problem, row.detail
    if row.instrument.kind is Kind.OPTION:
        return Reason.OPTION_NOT_RESIZED, ""
    if row.symbol in policy.hedge_symbols:
        return Reason.HEDGE_INSTRUMENT, ""
    if readout is None:
        refusal = market.refusals.get(row.market_key)
        if policy.sizing is not None and "volatility" not in policy.sizing.requires:
            if refusal is not None and refusal.reason in (Reason.INVALID_PRICE, Reason.STALE_PRICE):
                return refusal.reason, refusal.detail
            return old_mark(row, max(policy.limits.max_data_age_bars * SECONDS_PER_DAY, MIN_AGE_SECONDS))
        if refusal is not None:
            return refusal.reason, refusal.detail
        others = f" (series were sent for {', '.join(list(inputs.series)[:3])})" if inputs.series else ""
        return (
            Reason.VOLATILITY_UNAVAILABLE,
            f"no series and no cached state of {row.market_key} with {inputs.interval} bars and model "
            f"{model_version(policy.estimator)}{others}: send series with this symbol, or observations",
        )
    limit = max_age_seconds(readout, policy.limits.max_data_age_bars)
    age = (inputs.as_of - readout.last_close_at).total_seconds()
    if age > limit:
        return Reason.STALE_PRICE, f"the last bar closed {age:.0f} s before as_of; the policy allows {limit:.0f} s"
    reason, detail = old_mark(row, limit)
    return (reason, detail) if reason is not None else far_mark(row, readout)


def far_mark(row: Row, readout: VolatilityReadout) -> tuple[Reason | None, str]:
    """`price_inconsistent` where the mark is beyond a factor of 2 of the last close of the row's own market.

    A mark of a hundredth of the price would give a hundredfold size.
    """
    own = row.market_key in (row.symbol, f"{row.symbol}@{row.venue}")
    if not own or row.price is None or 1 / FAR_FACTOR <= row.price.value / readout.last_close <= FAR_FACTOR:
        return None, ""
    return (
        Reason.PRICE_INCONSISTENT,
        f"mark {decimal_text(row.price.value)} against a last close of {decimal_text(readout.last_close)}: "
        "check symbol, units and the order of the series (oldest first)",
    )


def old_mark(row: Row, limit: float) -> tuple[Reason | None, str]:
    """`stale_price` where the mark itself is older than `limit` [s]."""
    if row.price is not None and row.price.age_seconds is not None and row.price.age_seconds > limit:
        return Reason.STALE_PRICE, f"the mark is {row.price.age_seconds:.0f} s old; the policy allows {limit:.0f} s"
    return None, ""


def row_state(
    row: Row, contracts: Decimal, greeks: LegGreeks | None, market: Market, inputs: EvaluationInputs
) -> RowState:
    """Everything about one row that does not depend on the others."""
    readout = market.readouts.get(row.market_key)
    problem, detail = row_problem(row, readout, market, inputs)
    if (problem is None or problem in NOT_A_FAULT) and halted(row, inputs):
        problem = Reason.HALTED
    expected = (
        contracts + exact_contracts(row, row.open_buys - row.open_sells)
        if row.open_buys or row.open_sells
        else contracts
    )
    direction, live = 0.0, False
    if row.signal is not None:
        limit = max_age_seconds(readout, inputs.policy.limits.max_data_age_bars) if readout else float("inf")
        direction, live = effective_direction(row.signal, inputs.as_of, limit)
        side = row.only_side
        direction = max(direction, 0.0) if side > 0 else min(direction, 0.0) if side < 0 else direction
    return RowState(contracts, expected, direction if live else 0.0, live, problem, detail, readout, greeks)


def book_columns(inputs: EvaluationInputs, market: Market) -> BookColumns:
    """Columns over all rows of the request."""
    rows, account = inputs.rows, inputs.account
    sizes = [exact_contracts(row, row.quantity) for row in rows]
    greeks = row_greeks(rows, counted_contracts(inputs, sizes), inputs.as_of)
    states = tuple(row_state(*known, market, inputs) for known in zip(rows, sizes, greeks, strict=True))
    unit_value = np.array([unit_value_of(row) for row in rows], dtype=float)
    contracts = np.array([float(state.contracts) for state in states], dtype=float)
    expected = np.array([float(state.expected) for state in states], dtype=float)
    if account.equity <= 0.0:
        return BookColumns(None, states, unit_value, contracts, expected, ())
    readouts = [state.readout for state in states]
    has = np.array([readout is not None for readout in readouts], dtype=bool)
    priced = np.isfinite(unit_value)
    option = np.array([row.instrument.kind is Kind.OPTION for row in rows], dtype=bool)
    problem = np.array([state.problem is not None for state in states], dtype=bool)
    known = has & priced & ~option
    delta_weight = option_weights(inputs, states)
    held = contracts != 0.0
    expired = np.array([row.problem is Reason.EXPIRED for row in rows], dtype=bool)
    blind = np.array([state.greeks is None or state.readout is None for state in states], dtype=bool)
    unknown_option = option & held & ~expired & blind
    live = np.array([state.live for state in states], dtype=bool)
    sizable = ~problem & priced
    resized = sizable & (live if inputs.signals_present else expected != 0.0)
    collateral, uncounted = collateral_contracts(account, rows, unit_value, resized, priced)
    # Where rows are going, where that is known, else where they are: a stress of correlations turns against the book.
    direction = np.array([state.direction for state in states], dtype=float)
    held_weight = (expected + collateral) * np.where(priced, unit_value, 0.0) / account.equity
    exposures = np.where(live, direction, held_weight) + delta_weight
    notional = np.where(priced & ~option, np.abs(expected) * np.where(priced, unit_value, 0.0), 0.0)
    sizing = SizingColumns(
        equity=account.equity,
        current=expected,
        unit_value=np.where(priced, unit_value, 1.0),
        direction=direction,
        live=live,
        sizable=sizable,
        volatility=np.array([readout.volatility if readout else 1.0 for readout in readouts]),
        forecast=np.array([readout.forecast if readout else 1.0 for readout in readouts]),
        calibration=np.array([readout.calibration if readout else 1.0 for readout in readouts]),
        known_risk=known,
        correlation=market.row_correlation([row.market_key for row in rows], exposures),
        collateral=collateral,
        delta_weight=delta_weight,
        fixed_notional=notional + np.abs(delta_weight) * account.equity,
        side=np.array([row.only_side for row in rows], dtype=float),
        primary=primary_rows(rows, states),
        shocks=event_shocks(inputs.events, [row.market_key for row in rows], readouts, inputs.as_of),
        risk_complete=not bool((held & ~known & ~option).any() or unknown_option.any()),
        evidence=evidence_of_book(inputs, market, contracts) if uses_evidence(inputs.policy) else None,
        control=(inputs.control or Control()).at(account.equity, account.net_deposits),
        symbols=tuple(row.symbol for row in rows),
        faulty=~sizable & np.array([state.problem not in NOT_A_FAULT for state in states], dtype=bool),
        elapsed_years=elapsed_years(inputs),
    )
    if faults := method_faults(inputs.policy.sizing, sizing, signals_present=inputs.signals_present):
        sizing, states = without(sizing, states, faults)
    return BookColumns(sizing, states, unit_value, contracts, expected, uncounted)


def counted_contracts(inputs: EvaluationInputs, sizes: list[Decimal]) -> list[float]:
    """Positions that Greeks are of: as they are, and with their open orders where hedges trade them, so that no hedge
    is sent twice.
    """
    counted = [float(size) for size in sizes]
    for index in inputs.hedge_rows.values():
        row = inputs.rows[index]
        if row.open_buys or row.open_sells:
            counted[index] += float(exact_contracts(row, row.open_buys - row.open_sells))
    return counted


def elapsed_years(inputs: EvaluationInputs) -> float:
    """Time since the decision that left the control state [years]; 0 without one, never negative."""
    before = inputs.control.as_of if inputs.control is not None else None
    return max((inputs.as_of - before).total_seconds(), 0.0) / SECONDS_PER_YEAR if before is not None else 0.0


def without(
    sizing: SizingColumns, states: tuple[RowState, ...], faults: Mapping[int, tuple[Reason, str]]
) -> tuple[SizingColumns, tuple[RowState, ...]]:
    """The same book, with the rows of `faults` refused."""
    refused = np.isin(np.arange(len(states)), list(faults))
    named = [
        state._replace(problem=faults[index][0], detail=faults[index][1]) if index in faults else state
        for index, state in enumerate(states)
    ]
    faulty = refused if sizing.faulty is None else sizing.faulty | refused
    return replace(sizing, sizable=sizing.sizable & ~refused, faulty=faulty), tuple(named)


def unit_value_of(row: Row) -> float:
    """Notional of one contract in the account currency; NaN where price or conversion is missing."""
    if row.price is None or row.fx is None or row.problem is Reason.INSTRUMENT_REQUIRED:
        return float("nan")
    return row.instrument.notional_per_contract(row.price.value) * row.fx


def option_weights(inputs: EvaluationInputs, states: tuple[RowState, ...]) -> Floats:
    """Delta exposure over equity of option rows, at the price of their underlying."""
    weights = np.zeros(len(states))
    for index, (row, state) in enumerate(zip(inputs.rows, states, strict=True)):
        spot = row.forward or (state.readout.last_close if state.readout else None)
        if row.instrument.kind is Kind.OPTION and state.greeks is not None and spot and row.fx:
            weights[index] = state.greeks.delta * spot * row.fx / inputs.account.equity
    return weights


def primary_rows(rows: tuple[Row, ...], states: tuple[RowState, ...]) -> Bools:
    """One row of each instrument: of a pair that is held long and short, the one on the side of the signal."""
    best: dict[tuple[str, str | None, str | None], int] = {}
    for index, (row, state) in enumerate(zip(rows, states, strict=True)):
        key = (row.symbol, row.venue, row.account_id)
        if key not in best or (state.direction != 0.0 and states[best[key]].direction == 0.0):
            best[key] = index
    return np.isin(np.arange(len(rows)), list(best.values()))


def collateral_contracts(
    account: Account, rows: tuple[Row, ...], unit_value: Floats, resized: Bools, priced: Bools
) -> tuple[Floats, tuple[str, ...]]:
    """Coin collateral as contracts of one row of that coin, once per underlying, and the coins without such a row.

    The row is one that will be resized, where there is one: it carries what is missing to the target exposure.
    """
    contracts, uncounted = np.zeros(len(rows)), []
    for balance in account.balances:
        if balance.asset == account.currency or balance.amount == 0.0:
            continue
        places = [i for i in np.flatnonzero(priced) if rows[i].carries(balance.asset)]
        place = next((i for i in places if resized[i]), places[0] if places else None)
        if place is None:
            uncounted += [balance.asset] if balance.asset not in uncounted else []
            continue
        row = rows[place]
        assert row.price is not None
        assert row.fx is not None
        price = balance.price if balance.price is not None else row.price.value * row.fx
        contracts[place] += balance.amount * price / unit_value[place]
    return contracts, tuple(uncounted)


def stale_times(inputs: EvaluationInputs, market: Market) -> list[tuple[datetime, str]]:
    """When the last bar of each market becomes too old, with the market's key."""
    bars = inputs.policy.limits.max_data_age_bars
    return [
        (readout.last_close_at + timedelta(seconds=max_age_seconds(readout, bars)), key)
        for key, readout in market.readouts.items()
    ]


def expiry_of(inputs: EvaluationInputs, market: Market) -> tuple[datetime, str]:
    """Moment from which the answer must not be used, and why: the first input to become stale."""
    limits = stale_times(inputs, market)
    alive = [limit for limit in limits if limit[0] > inputs.as_of]
    sent = inputs.expires_at
    if alive:
        moment, key = min(alive)
        why = f"the last bar of {key} becomes older than limits.max_data_age_bars allows"
    else:
        moment = inputs.as_of + timedelta(seconds=inputs.policy.orders.valid_for_seconds)
        why = "orders.valid_for_seconds after as_of"
    if sent is not None and (sent < moment or not limits):
        return sent, "the snapshot becomes older than max_snapshot_age allows"
    return moment, why
