"""An account without positions as inputs of the core, and what it counts as margin as an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.translate.answer import time_text
from app.translate.backing import Balances, backing_block, tell_backing, tell_tightening, tightening_rows
from app.translate.control import contagion_states, control_of
from app.translate.market_conditions import venue_conditions
from app.translate.notes import Notes
from app.translate.series import check_columns, series_input
from app.translate.snapshot import CLOCK_SKEW, DEFAULT_INTERVAL, StateNeed, collateral_needs, event_time, names
from models.api.balance import BalanceIn
from models.api.collateral_value import CollateralValueRequest
from services.core.book import Account
from services.core.errors import InvalidInput
from services.core.market_conditions import MarketConditions
from services.engine.collateral import valued
from services.engine.inputs import EvaluationInputs, StateInput
from services.engine.policy import Policy
from services.margin.collateral import Correlated
from services.risk.methods.undiversified import Undiversified
from services.volatility.registry import driver_names


def states_to_read(request: CollateralValueRequest) -> list[StateNeed]:
    """States of the markets that balances without a volatility of their own name."""
    account = request.account
    items: list[BalanceIn] = [*account.collateral, *(loan.collateral for loan in account.loans)]
    wanted = [item for item in items if item.volatility is None]
    return collateral_needs(wanted, frozenset(item.symbol for item in request.series))


def value_inputs(
    request: CollateralValueRequest, states: Mapping[str, StateInput], received_at: datetime, notes: Notes
) -> EvaluationInputs:
    """Inputs of the core.

    Raises
    ------
    InvalidInput
        What no default can mend.
    """
    as_of, policy = event_time(request, received_at, notes), request.policy
    drivers = driver_names(policy.estimator)
    series = {
        item.symbol: series_input(item, index, as_of, notes, drivers=drivers)
        for index, item in enumerate(request.series)
    }
    for index, known in enumerate(series.values()):
        check_columns(known, index, policy.estimator)
    if any(item.calendar is None for item in request.series):
        notes.assume("/series", "calendar 24/7", "volatility is annualised with 365 days")
    if states and request.interval is None:
        notes.assume("/interval", DEFAULT_INTERVAL, "cached volatility states of daily bars are used")
    account = valued_account(request, as_of, notes)
    return EvaluationInputs(
        evaluation_id="",
        as_of=as_of,
        account=account,
        rows=(),
        policy=Policy(
            collateral=policy.collateral,
            contagion=policy.contagion,
            estimator=policy.estimator,
            correlation=Undiversified(),
        ),
        series=series,
        states=states,
        control=control_of(request.previous),
        conditions=MarketConditions(venues=venue_conditions(request.venues)),
    )


def valued_account(request: CollateralValueRequest, as_of: datetime, notes: Notes) -> Account:
    """Account of the core; without an equity it is worth what it holds.

    Raises
    ------
    InvalidInput
        If its worth is neither given nor known.
    """
    given = request.account
    balances = Balances(given.currency, as_of, [item.symbol for item in request.series], CLOCK_SKEW)
    collateral, loans = balances.collateral(given.collateral), balances.loans(given.loans)
    balances.tell(notes)
    held = Account(0.0, given.currency, collateral, loans=loans)
    if given.equity is not None:
        return Account(float(given.equity), given.currency, collateral, loans=loans)
    if lacking := [item.asset for item in held.balances if item.price is None and item.amount != 0.0]:
        raise InvalidInput("account.equity", "is required where a balance has no price", lacking[0])
    worth = math.fsum(item.amount * (item.price or 0.0) for item in held.balances)
    return Account(worth, given.currency, collateral, loans=loans)


def value_body(request: CollateralValueRequest, inputs: EvaluationInputs, notes: Notes) -> dict[str, Any]:
    """Answer without remarks."""
    backing, tightening = valued(inputs)
    unseen = [
        item.holding.balance.asset
        for item in backing.credits
        if item.holding.seen.source is Correlated.NOT_LOOKED_AT and item.value > 0.0
        if item.holding.balance.asset != inputs.account.currency
    ]
    if unseen:
        effect = f"for {names(unseen)}: no positions are sent here, so nothing is added for falling with them"
        notes.assume("/account/collateral", "wrong_way_correlation 0", effect)
    tell_backing(backing, notes)
    body: dict[str, Any] = {
        "as_of": time_text(inputs.as_of),
        "currency": inputs.account.currency,
        **backing_block(backing),
    }
    if tightening is not None:
        tell_tightening(tightening, [], notes)
        before = inputs.control.contagion if inputs.control is not None else {}
        body["contagion"] = tightening_rows(tightening)
        body["state"] = {"contagion": contagion_states(tightening.states(inputs.as_of, before))}
    return body
